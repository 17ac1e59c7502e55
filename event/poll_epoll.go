//go:build linux && !friopoll

package event

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is Linux's poller. Its eventfd is registered like any descriptor, under an id that no slot has.
// The system calls are those of Go's runtime for the architecture (epoll_pwait where there is no epoll_wait).
//
// It never blocks in a system call: Go's runtime would look for the processor that it holds every 20 us, which costs more than the
// packets of a quiet server. The epoll descriptor can be polled like any other, so a wait is one of the runtime's own.
type epoll struct {
	fd     int
	file   *os.File // of fd
	raw    syscall.RawConn
	look   func(uintptr) bool // collect, for raw
	began  time.Time
	until  time.Duration // the deadline that file has, since began; 0: none
	room   int           // of events, that are asked for
	got    int           // events that were found
	err    error
	wakeFD int
	// The wake-up has a place of its own, so that a full batch does not crowd it out.
	events [batchMax + 1]unix.EpollEvent
	change unix.EpollEvent
	drain  [8]byte
	pause  unix.Timespec
}

var _ Poller = (*epoll)(nil)

const wakeID = ^uint64(0)

// wakeOne is what is written to an eventfd: any number but 0.
var wakeOne = [8]byte{1}

// NewPoller returns the system's poller: epoll.
func NewPoller() (Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	wakeFD, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	p := &epoll{fd: fd, wakeFD: wakeFD, began: time.Now()}
	p.look = func(uintptr) bool { return p.collect() }
	if err = unix.SetNonblock(fd, true); err == nil { // tells package os that the runtime's poller is to be asked
		p.file = os.NewFile(uintptr(fd), "epoll")
		p.raw, err = p.file.SyscallConn()
	}
	if err == nil {
		err = p.Add(wakeFD, wakeID, Read)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Add registers fd.
func (p *epoll) Add(fd int, id uint64, want Ready) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, id, want)
}

// Modify changes the wishes.
func (p *epoll) Modify(fd int, id uint64, want Ready) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, id, want)
}

// Remove takes fd out.
func (p *epoll) Remove(fd int, id uint64) error {
	return p.control(unix.EPOLL_CTL_DEL, fd, id, 0)
}

func (p *epoll) control(op, fd int, id uint64, want Ready) error {
	// The kernel keeps 64 bits of ours; package unix names their halves Fd and Pad.
	p.change = unix.EpollEvent{Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	if want&Read != 0 {
		p.change.Events |= unix.EPOLLIN
	}
	if want&Write != 0 {
		p.change.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(p.fd, op, fd, &p.change)
}

// collect takes what is ready, and tells whether there is something, or an error. The call does not block, so the runtime is not told of it:
// that would wake its monitor for each.
func (p *epoll) collect() bool {
	got, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(p.room), 0, 0, 0)
	p.got, p.err = int(got), nil
	if errno != 0 {
		p.got = 0
		if errno != unix.EINTR {
			p.err = errno
		}
	}
	return p.got > 0 || p.err != nil
}

// deadlineStep is how fine a wait ends, never before its time: so the deadline that one timer means need not be set for each wait.
const deadlineStep = time.Millisecond

// await waits until there is something, or timeout has passed.
func (p *epoll) await(timeout time.Duration) error {
	var until time.Duration // since began; 0: for ever
	if timeout > 0 {
		until = ((time.Since(p.began)+timeout)/deadlineStep + 1) * deadlineStep
	}
	if until != p.until {
		var deadline time.Time
		if until > 0 {
			deadline = p.began.Add(until)
		}
		if err := p.file.SetReadDeadline(deadline); err != nil {
			return err
		}
		p.until = until
	}
	if err := p.raw.Read(p.look); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return p.err
}

// Wait fills batch.
func (p *epoll) Wait(batch []Event, timeout time.Duration) (count int, err error) {
	p.room = min(len(batch)+1, len(p.events))
	if !p.collect() && timeout != 0 {
		err = p.await(timeout)
	}
	if p.err != nil || err != nil {
		return 0, errors.Join(p.err, err)
	}
	got := p.got
	for i := range p.events[:got] {
		e := &p.events[i]
		id := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
		if id == wakeID {
			// EAGAIN cannot be: nobody else reads it.
			unix.Read(p.wakeFD, p.drain[:])
			continue
		}
		if count == len(batch) {
			break // one more than asked for, since no wake-up came; it is reported again
		}
		var r Ready
		if e.Events&unix.EPOLLIN != 0 {
			r |= Read
		}
		if e.Events&unix.EPOLLOUT != 0 {
			r |= Write
		}
		if e.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			r |= Hangup
		}
		batch[count] = Event{id, r}
		count++
	}
	return count, nil
}

// Rest sleeps in the kernel, with the processor that the runtime has given: the runtime's own sleep would end for a moment with each event, since
// it waits for this poller too. A collection that wants to begin interrupts it.
func (p *epoll) Rest(pause time.Duration) {
	p.pause = unix.NsecToTimespec(int64(pause))
	syscall.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&p.pause)), 0, 0)
	runtime.Gosched() // to who has waited for the processor
}

// Wake ends Wait.
func (p *epoll) Wake() error {
	for {
		_, err := unix.Write(p.wakeFD, wakeOne[:])
		switch err {
		case unix.EINTR:
		case unix.EAGAIN: // the counter is full: Wait will see it
			return nil
		default:
			return err
		}
	}
}

// Close closes the poller's own descriptors.
func (p *epoll) Close() error {
	err := unix.Close(p.wakeFD)
	if p.file == nil {
		return errors.Join(err, unix.Close(p.fd))
	}
	return errors.Join(err, p.file.Close())
}
