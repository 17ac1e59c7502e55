package transport

import (
	"bytes"
	"net"
	"testing"
)

// A port that retires takes nobody any more. Its connections are asked to end once what they had sent is read, also one that is on no
// thread meanwhile, and all count until they are closed.
func TestPortRetires(t *testing.T) {
	b := newBench(t, true, 1)
	s := &service{cfg: Config{Frame: frame, MessageMax: 4096}, make: func() *recorder { return new(recorder).echo() }}
	port, other := b.serve(inet("listen", "tcp", "tcp", 0, ""), s), b.serve(inet("listen", "tcp", "tcp", 0, ""), new(service))
	peers := []*raw{b.connect(at(port)), b.connect(at(port)), b.connect(at(other))}
	b.Until("they are up", func() bool {
		return len(s.users) == 2 && s.users[0].ups+s.users[1].ups == 2 && other.Open() == 1
	})
	stays, travels := s.users[0], s.users[1]
	travels.conn.Leave()
	peers[0].send(message(1, 10))
	peers[1].send(message(1, 10))
	b.Spin(5)
	port.Retire(false)
	b.lane.Retire([]*Port{port})
	if len(stays.got) != 1 || stays.drains != 1 || travels.drains != 0 {
		t.Errorf("who stays: %d messages, %d drains; who travels: %d", len(stays.got), stays.drains, travels.drains)
	}
	travels.conn.Arrive(b.lane)
	if len(travels.got) != 1 || travels.drains != 1 {
		t.Errorf("who travels: %d messages, %d drains", len(travels.got), travels.drains)
	}
	for _, peer := range peers[:2] {
		if got := peer.receive(10); !bytes.Equal(got, message(1, 10)) {
			t.Errorf("the answer is %x", got)
		}
	}
	b.connect(at(port))
	b.Spin(5)
	if len(s.users) != 2 || port.Open() != 2 || other.Open() != 1 {
		t.Errorf("%d were accepted, %d are open; %d of another port", len(s.users), port.Open(), other.Open())
	}
	b.must(stays.conn.Close())
	b.must(travels.conn.Close())
	if port.Open() != 0 || s.gone != 2 {
		t.Errorf("%d are open, %d are gone", port.Open(), s.gone)
	}
}

// A port with whose socket nobody goes on takes who waits in its backlog, and gives the socket up while its connections go on.
func TestPortQuits(t *testing.T) {
	b := newBench(t, true, 1)
	s := &service{cfg: Config{Frame: frame, MessageMax: 4096}, make: func() *recorder { return new(recorder).echo() }}
	one := inet("listen", "tcp", "tcp", 0, "")
	port := b.serve(one, s)
	peer := b.connect(at(port))
	port.Retire(true)
	b.lane.Retire([]*Port{port})
	peer.send(message(1, 10))
	b.Until("who waited is there", func() bool { return len(s.users) == 1 && len(s.users[0].got) == 1 })
	if got := peer.receive(10); !bytes.Equal(got, message(1, 10)) || port.Open() != 1 {
		t.Errorf("the answer is %x, %d are open", got, port.Open())
	}
	if _, err := port.io.Accept(b.lane.Context()); err != net.ErrClosed {
		t.Errorf("accept: %v, want %v", err, net.ErrClosed)
	}
	b.must(s.users[0].conn.Close())
}
