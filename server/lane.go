package server

import (
	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
)

const (
	// batchMax is how many datagrams are moved in a call.
	batchMax = 32
	// packetMax is the longest datagram: what UDP can carry, and 28 bytes.
	packetMax = 64 << 10
)

// lane is what the sessions on one loop share. It belongs to the loop's thread.
type lane struct {
	loop    *event.Loop
	packets []frio.Packet // 32 of 64 KiB; the kernel gives memory for the pages that datagrams have touched only
	memory  []byte
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
