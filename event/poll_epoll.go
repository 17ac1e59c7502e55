//go:build linux && !friopoll

package event

import (
	"time"

	"golang.org/x/sys/unix"
)

// epoll is Linux's poller. Its eventfd is registered like any descriptor, under an id that no slot has.
// The system calls are those of Go's runtime for the architecture (epoll_pwait where there is no epoll_wait).
type epoll struct {
	fd     int
	wakeFD int
	// The wake-up has a place of its own, so that a full batch does not crowd it out.
	events [batchMax + 1]unix.EpollEvent
	change unix.EpollEvent
	drain  [8]byte
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
	p := &epoll{fd: fd, wakeFD: wakeFD}
	if err := p.Add(wakeFD, wakeID, Read); err != nil {
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

// Wait fills batch.
func (p *epoll) Wait(batch []Event, timeout time.Duration) (count int, err error) {
	room := min(len(batch)+1, len(p.events))
	got, err := unix.EpollWait(p.fd, p.events[:room], milliseconds(timeout))
	if err == unix.EINTR {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
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
	if e := unix.Close(p.fd); e != nil {
		err = e
	}
	return err
}
