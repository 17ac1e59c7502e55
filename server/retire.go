package server

import (
	"net"
	"time"

	"github.com/frio-io/frio/transport"
)

// retireTick is how often listens that end are looked at, until their connections have ended.
const retireTick = 5 * time.Millisecond

// retire has listens take nobody any more, and their connections end when what is under way is answered. Who would come is refused by those with
// whose sockets nobody goes on. When it returns what had come was read. They have until late.
func (s *Server) retire(list []*listen, goesOn func(*listen) bool) (late time.Time) {
	late = time.Now().Add(s.opt.Drain)
	var ports []*transport.Port
	for _, l := range list {
		quits := !goesOn(l)
		for _, p := range l.ports {
			p.Retire(quits)
		}
		ports = append(ports, l.ports...)
	}
	if len(ports) == 0 {
		return late
	}
	s.lanes.Do(late, func(at int) { s.lanes[at].Retire(ports) })
	return late
}

// closeRetired waits until listens that retire have nothing under way, not longer than until late, and closes them: their addresses are free
// then. False: a thread has not come to it, or they go on until Shutdown.
func (s *Server) closeRetired(list []*listen, late time.Time) bool {
	waitFor(late, func() bool { return s.hasty.Load() || !anyOf(list, (*listen).busy) })
	if s.hasty.Load() {
		return false
	}
	for _, l := range list {
		l.members.End(net.ErrClosed)
	}
	ended := waitFor(late.Add(time.Second), func() bool { return !anyOf(list, (*listen).isOpen) })
	for _, l := range list {
		if ended {
			l.release()
		}
	}
	return ended
}

// waitFor waits until done says so; false when it is late.
func waitFor(late time.Time, done func() bool) bool {
	for !done() {
		if !time.Now().Before(late) {
			return false
		}
		time.Sleep(retireTick)
	}
	return true
}

func anyOf(list []*listen, is func(*listen) bool) bool {
	for _, l := range list {
		if is(l) {
			return true
		}
	}
	return false
}

// busy tells whether something is under way. Thread: any.
func (l *listen) busy() bool {
	if r := l.radius; r != nil && r.listen != nil && r.listen.Counts.Pending.Load() > 0 {
		return true
	}
	return l.connected()
}

// connected tells whether a connection is open. Thread: any.
func (l *listen) connected() bool {
	for _, p := range l.ports {
		if p.Open() > 0 {
			return true
		}
	}
	return false
}

// isOpen tells whether a socket, or a connection, is open. Thread: any.
func (l *listen) isOpen() bool {
	for _, p := range l.ports {
		if !p.Ended() {
			return true
		}
	}
	return l.connected()
}

// release frees the context of a listen whose sockets have ended. Where it is one socket, that took it along; several have contexts of their own.
func (l *listen) release() {
	if len(l.shards()) > 1 {
		l.ctx.Free()
	}
}
