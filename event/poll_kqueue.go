//go:build (darwin || freebsd) && !friopoll

package event

import (
	"time"

	"golang.org/x/sys/unix"
)

// kqueue is the poller of BSD systems. Its events carry the descriptor, so the ids are kept here; read and
// write readiness of one descriptor are two events. A user event, number 0, wakes it.
type kqueue struct {
	fd      int
	known   []known // by descriptor
	events  [batchMax + 1]unix.Kevent_t
	change  [1]unix.Kevent_t
	wake    [1]unix.Kevent_t // read only once it is made: Wake is called by any thread
	timeout unix.Timespec
}

// known is what the poller was told of a descriptor.
type known struct {
	id   uint64
	want Ready // the filters that are set
	here bool
}

var _ Poller = (*kqueue)(nil)

// NewPoller returns the system's poller: kqueue.
func NewPoller() (Poller, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	p := &kqueue{fd: fd}
	unix.SetKevent(&p.wake[0], 0, unix.EVFILT_USER, unix.EV_ADD|unix.EV_CLEAR)
	if err := p.kevent(p.wake[:]); err != nil {
		unix.Close(fd)
		return nil, err
	}
	unix.SetKevent(&p.wake[0], 0, unix.EVFILT_USER, 0)
	p.wake[0].Fflags = unix.NOTE_TRIGGER
	return p, nil
}

// kevent makes changes and waits for nothing.
func (p *kqueue) kevent(changes []unix.Kevent_t) error {
	for {
		// All changes can be made twice, so that an interrupted call may be repeated.
		_, err := unix.Kevent(p.fd, changes, nil, nil)
		if err != unix.EINTR {
			return err
		}
	}
}

// Add registers fd.
func (p *kqueue) Add(fd int, id uint64, want Ready) error {
	if fd < 0 {
		return unix.EBADF
	}
	for fd >= len(p.known) {
		p.known = append(p.known, known{})
	}
	if p.known[fd].here {
		return unix.EEXIST
	}
	p.known[fd] = known{id: id, here: true}
	if err := p.set(fd, want); err != nil {
		p.set(fd, 0)
		p.known[fd] = known{}
		return err
	}
	return nil
}

// Modify changes the wishes. After an error some of them may have changed; it can be tried again.
func (p *kqueue) Modify(fd int, id uint64, want Ready) error {
	if !p.has(fd, id) {
		return unix.ENOENT
	}
	return p.set(fd, want)
}

// Remove takes fd out.
func (p *kqueue) Remove(fd int, id uint64) error {
	if !p.has(fd, id) {
		return unix.ENOENT
	}
	err := p.set(fd, 0)
	p.known[fd] = known{}
	return err
}

func (p *kqueue) has(fd int, id uint64) bool {
	return fd >= 0 && fd < len(p.known) && p.known[fd].here && p.known[fd].id == id
}

// set goes from the filters that fd has to those of want, one change at a time: a change that fails then leaves what is
// known true.
func (p *kqueue) set(fd int, want Ready) error {
	k := &p.known[fd]
	for _, ready := range [...]Ready{Read, Write} {
		if want&ready == k.want&ready {
			continue
		}
		filter, flags := unix.EVFILT_READ, unix.EV_ADD
		if ready == Write {
			filter = unix.EVFILT_WRITE
		}
		if want&ready == 0 {
			flags = unix.EV_DELETE
		}
		unix.SetKevent(&p.change[0], fd, filter, flags)
		if err := p.kevent(p.change[:]); err != nil {
			return err
		}
		k.want ^= ready
	}
	return nil
}

// Wait fills batch.
func (p *kqueue) Wait(batch []Event, timeout time.Duration) (count int, err error) {
	var limit *unix.Timespec
	if timeout >= 0 {
		p.timeout = unix.NsecToTimespec(int64(timeout))
		limit = &p.timeout
	}
	room := min(len(batch)+1, len(p.events))
	got, err := unix.Kevent(p.fd, nil, p.events[:room], limit)
	if err == unix.EINTR {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for i := range p.events[:got] {
		e := &p.events[i]
		fd := int(e.Ident)
		if e.Filter == unix.EVFILT_USER || fd >= len(p.known) || !p.known[fd].here {
			continue
		}
		if count == len(batch) {
			break
		}
		r := Read
		if e.Filter == unix.EVFILT_WRITE {
			r = Write
		}
		// EV_EOF without an error is the end of one direction only: that of the filter.
		if e.Flags&unix.EV_ERROR != 0 || e.Flags&unix.EV_EOF != 0 && e.Fflags != 0 {
			r |= Hangup
		}
		batch[count] = Event{p.known[fd].id, r}
		count++
	}
	return count, nil
}

// Rest sleeps.
func (p *kqueue) Rest(pause time.Duration) { time.Sleep(pause) }

// Wake ends Wait.
func (p *kqueue) Wake() error { return p.kevent(p.wake[:]) }

// Close closes the poller's own descriptor.
func (p *kqueue) Close() error { return unix.Close(p.fd) }
