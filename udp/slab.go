package udp

import (
	"net/netip"
	"sync"

	"github.com/frio-io/frio"
)

const (
	// batchCount is how many datagrams one call moves: what the kernel's batches carry.
	batchCount = 64
	// datagramMax holds the longest datagram (65,527 bytes over IPv6) and the longest train, so that none is cut.
	datagramMax = 64 << 10
	// datagramStride keeps the starts of neighbouring buffers in different sets of the processor's caches.
	datagramStride = datagramMax + 5*64
	// replyMax is how long a gate's reply may be at most: one that is larger than what fits a path is a mistake.
	replyMax = 1500
	// slabsMax is how many slabs are kept while nobody uses them: one for each thread that is inside a call.
	slabsMax = 64
)

// slab is the memory of one batch. It is borrowed for a call, not kept per socket. Of the 4 MiB of datagrams only the pages
// that datagrams really reach are ever touched: 256 KiB with short ones.
type slab struct {
	packets  [batchCount]frio.Packet
	out      [batchCount]frio.Packet
	outCount int
	replies  []byte // batchCount times replyMax; nil until needed
	data     []byte // batchCount times datagramStride; nil until needed
}

// incoming returns packets with a buffer each.
func (s *slab) incoming() []frio.Packet {
	if s.data == nil {
		s.data = make([]byte, batchCount*datagramStride)
	}
	for i := range s.packets {
		at := i * datagramStride
		s.packets[i].Data = s.data[at : at : at+datagramMax]
	}
	return s.packets[:]
}

// scratch is room for the next reply; out must have a place.
func (s *slab) scratch() []byte {
	if s.replies == nil {
		s.replies = make([]byte, batchCount*replyMax)
	}
	return s.replies[s.outCount*replyMax:][:replyMax:replyMax]
}

// address describes packets, up to one that names another peer than remote, as out like model; false if that is the first.
func (s *slab) address(packets []frio.Packet, remote netip.AddrPort, model frio.Packet) bool {
	for i := range packets[:min(len(packets), batchCount)] {
		p := &packets[i]
		if p.Remote.IsValid() && p.Remote != remote {
			break
		}
		out := &s.out[s.outCount]
		*out = model
		out.Data = p.Data
		s.outCount++
	}
	return s.outCount > 0
}

// forget lets go of out.
func (s *slab) forget() {
	clear(s.out[:s.outCount])
	s.outCount = 0
}

var slabs struct {
	mu    sync.Mutex
	count int // guarded by mu, as the next
	free  [slabsMax]*slab
}

func getSlab() *slab {
	slabs.mu.Lock()
	defer slabs.mu.Unlock()
	if slabs.count == 0 {
		return new(slab)
	}
	slabs.count--
	return slabs.free[slabs.count]
}

// putSlab takes s back; nothing of the callers' memory is kept.
func putSlab(s *slab) {
	s.forget()
	slabs.mu.Lock()
	defer slabs.mu.Unlock()
	if slabs.count < slabsMax {
		slabs.free[slabs.count] = s
		slabs.count++
	}
}
