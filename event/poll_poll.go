//go:build unix && (friopoll || !(linux || darwin || freebsd))

package event

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poll is the portable poller, on poll(2). Its cost grows with the descriptors that are wanted; it stands in where there is
// nothing better and, by build tag friopoll, in tests. A pipe wakes it.
type poll struct {
	list  []unix.PollFd // the first is the pipe's
	ids   []uint64      // beside list
	place []int32       // by descriptor: its place in list, 0: none
	next  int           // where the scan begins: a full batch must not always favour the same
	pipe  [2]int
	drain [64]byte
}

var _ Poller = (*poll)(nil)

// wakeByte is what goes through the pipe.
var wakeByte = [1]byte{1}

// NewPoller returns the system's poller: poll.
func NewPoller() (Poller, error) {
	p := new(poll)
	syscall.ForkLock.RLock()
	err := unix.Pipe(p.pipe[:])
	if err == nil {
		unix.CloseOnExec(p.pipe[0])
		unix.CloseOnExec(p.pipe[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, err
	}
	for _, fd := range p.pipe {
		if err := unix.SetNonblock(fd, true); err != nil {
			p.Close()
			return nil, err
		}
	}
	p.list = append(p.list, unix.PollFd{Fd: int32(p.pipe[0]), Events: unix.POLLIN})
	p.ids = append(p.ids, 0)
	return p, nil
}

// Add registers fd.
func (p *poll) Add(fd int, id uint64, want Ready) error {
	if fd < 0 {
		return unix.EBADF
	}
	for fd >= len(p.place) {
		p.place = append(p.place, 0)
	}
	if p.place[fd] != 0 {
		return unix.EEXIST
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		return err
	}
	p.place[fd] = int32(len(p.list))
	p.list = append(p.list, unix.PollFd{Fd: int32(fd), Events: pollEvents(want)})
	p.ids = append(p.ids, id)
	return nil
}

// Modify changes the wishes.
func (p *poll) Modify(fd int, id uint64, want Ready) error {
	i := p.find(fd, id)
	if i == 0 {
		return unix.ENOENT
	}
	p.list[i].Events = pollEvents(want)
	return nil
}

// Remove takes fd out.
func (p *poll) Remove(fd int, id uint64) error {
	i := p.find(fd, id)
	if i == 0 {
		return unix.ENOENT
	}
	last := len(p.list) - 1
	p.list[i], p.ids[i] = p.list[last], p.ids[last]
	p.place[p.list[i].Fd] = int32(i)
	p.place[fd] = 0
	p.list, p.ids = p.list[:last], p.ids[:last]
	return nil
}

// find returns fd's place in the list, 0 if it is not there under id.
func (p *poll) find(fd int, id uint64) int {
	if fd < 0 || fd >= len(p.place) || p.place[fd] == 0 || p.ids[p.place[fd]] != id {
		return 0
	}
	return int(p.place[fd])
}

func pollEvents(want Ready) (events int16) {
	if want&Read != 0 {
		events |= unix.POLLIN
	}
	if want&Write != 0 {
		events |= unix.POLLOUT
	}
	return events
}

// Wait fills batch.
func (p *poll) Wait(batch []Event, timeout time.Duration) (count int, err error) {
	got, err := unix.Poll(p.list, milliseconds(timeout))
	if err == unix.EINTR {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if got > 0 && p.list[0].Revents != 0 {
		for {
			if n, err := unix.Read(p.pipe[0], p.drain[:]); n < len(p.drain) && err != unix.EINTR {
				break
			}
		}
		got--
	}
	total := len(p.list) - 1
	for k := 0; k < total && got > 0 && count < len(batch); k++ {
		i := 1 + (p.next+k)%total
		e := &p.list[i]
		if e.Revents == 0 {
			continue
		}
		got--
		var r Ready
		if e.Revents&unix.POLLIN != 0 {
			r |= Read
		}
		if e.Revents&unix.POLLOUT != 0 {
			r |= Write
		}
		if e.Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
			r |= Hangup
		}
		batch[count] = Event{p.ids[i], r}
		if count++; count == len(batch) {
			p.next = i % total
		}
	}
	return count, nil
}

// Rest sleeps.
func (p *poll) Rest(pause time.Duration) { time.Sleep(pause) }

// Wake ends Wait.
func (p *poll) Wake() error {
	for {
		_, err := unix.Write(p.pipe[1], wakeByte[:])
		switch err {
		case unix.EINTR:
		case unix.EAGAIN: // the pipe is full: Wait will see it
			return nil
		default:
			return err
		}
	}
}

// Close closes the poller's own descriptors.
func (p *poll) Close() error {
	err := unix.Close(p.pipe[0])
	if e := unix.Close(p.pipe[1]); e != nil {
		err = e
	}
	return err
}
