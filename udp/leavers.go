package udp

import (
	"time"

	"github.com/frio-io/frio/event"
)

const (
	// leaveDelay is for how long the socket of a connected child outlives it: many times what the kernel takes between the choice of a
	// socket for a datagram and putting it there.
	leaveDelay = 20 * time.Millisecond
	// leaversMax bounds the descriptors that are kept so, in addition to those of max_children. Of more the oldest is closed at once.
	leaversMax = 64
)

// leavers is the sockets of connected children that have ended, oldest first.
type leavers struct {
	list  []leaver
	timer event.Timer
}

type leaver struct {
	fd  int
	key key
	due time.Time
}

func (l *listenerLeavers) Expire(now time.Time) {
	list := &l.leavers.list
	for len(*list) > 0 && !now.Before((*list)[0].due) {
		(*Listener)(l).closeOldest(now)
	}
	(*Listener)(l).awaitLeavers()
}
func (l *listenerLeavers) Describe() string { return (*Listener)(l).Describe() }

// addLeaver takes over the socket of c. Without a loop nobody would come back to it.
func (l *Listener) addLeaver(c *Child) {
	fd := c.left
	c.left = -1
	if l.loop == nil || l.closed {
		l.kernel.Close(fd)
		return
	}
	now := l.now()
	if len(l.leavers.list) == leaversMax {
		l.closeOldest(now)
	}
	l.leavers.list = append(l.leavers.list, leaver{fd, c.key, now.Add(leaveDelay)})
	l.awaitLeavers()
}

func (l *Listener) awaitLeavers() {
	if l.loop != nil && len(l.leavers.list) > 0 {
		l.leavers.timer.Set(l.loop, l.leavers.list[0].due)
	}
}

func (l *Listener) closeOldest(now time.Time) {
	list := l.leavers.list
	fd := list[0].fd
	l.leavers.list = append(list[:0], list[1:]...)
	l.drain(fd, now)
	l.kernel.Close(fd)
}

// drainLeaver looks for datagrams in the socket that the peer of k had, and closes it.
func (l *Listener) drainLeaver(k key, now time.Time) {
	for i, one := range l.leavers.list {
		if one.key == k {
			l.leavers.list = append(l.leavers.list[:i], l.leavers.list[i+1:]...)
			l.drain(one.fd, now)
			l.kernel.Close(one.fd)
			return
		}
	}
}

func (l *Listener) closeLeavers() {
	for _, one := range l.leavers.list {
		l.kernel.Close(one.fd)
	}
	l.leavers.list = nil
}
