package server

import (
	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/thread"
)

const (
	// batchMax is how many datagrams are moved in a call.
	batchMax = 32
	// packetMax is the longest datagram: what UDP can carry, and 28 bytes.
	packetMax = 64 << 10
)

// lane is what the sessions on one loop share. It belongs to the loop's thread.
type lane struct {
	loop     *event.Loop
	thread   *thread.Thread // nil of a Server that was given a loop
	sessions *session       // the newest of those that live here
	packets  []frio.Packet  // 32 of 64 KiB; the kernel gives memory for the pages that datagrams have touched only
	memory   []byte
}

func newLane(loop *event.Loop) *lane { return &lane{loop: loop} }

// batch returns packets to read into. They are good until the next call.
func (l *lane) batch() []frio.Packet {
	if l.packets == nil {
		l.packets, l.memory = make([]frio.Packet, batchMax), make([]byte, batchMax*packetMax)
	}
	for i := range l.packets {
		l.packets[i] = frio.Packet{Data: l.memory[i*packetMax : i*packetMax : (i+1)*packetMax]}
	}
	return l.packets
}

func (l *lane) add(s *session) {
	s.lane, s.prev, s.next = l, nil, l.sessions
	if s.next != nil {
		s.next.prev = s
	}
	l.sessions = s
}

func (l *lane) remove(s *session) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		l.sessions = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.next, s.prev = nil, nil
}

// each calls f for the sessions of p that live here. f may end the one it is called for.
func (l *lane) each(p *port, f func(s *session)) {
	for s := l.sessions; s != nil; {
		next := s.next
		if s.port == p {
			f(s)
		}
		s = next
	}
}
