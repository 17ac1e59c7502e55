package server

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/transport"
)

// fault is a kind of error that a listen counts.
type fault uint8

const (
	faultAccept    fault = iota // Accept failed
	faultConnect                // the target of a relay could not be reached
	faultReset                  // a connection was lost
	faultTimeout                // a limit of time closed a connection
	faultTruncated              // a stream ended without its layer's end
	faultTooLong                // a datagram did not fit
	faultDatagram               // any other error that cost one datagram
	faultUnsent                 // closed with bytes unsent
	faultOther
	faultCount
)

var faultNames = [faultCount]string{"accept", "connect", "reset", "timeout", "truncated", "too long", "datagram", "unsent", "other"}

func (f fault) String() string { return faultNames[f] }

// listenCounts are what a listen has counted. In is from the peers, Out is to them. Thread: any.
type listenCounts struct {
	transport.Counts
	Sessions atomic.Uint64 // begun
	Open     atomic.Int64  // sessions under way
	Faults   [faultCount]atomic.Uint64
}

// fault counts err by its kind.
func (c *listenCounts) fault(err error) {
	var packet *frio.PacketError
	kind := faultOther
	switch {
	case errors.Is(err, frio.ErrTooLong):
		kind = faultTooLong
	case errors.As(err, &packet):
		kind = faultDatagram
	case errors.Is(err, frio.ErrTimeout):
		kind = faultTimeout
	case errors.Is(err, frio.ErrTruncated):
		kind = faultTruncated
	case errors.Is(err, frio.ErrReset):
		kind = faultReset
	}
	c.Faults[kind].Add(1)
}

func (c *listenCounts) debug(w io.Writer) {
	fmt.Fprintf(w, "sessions %d, open %d, in %d bytes, out %d bytes\n",
		c.Sessions.Load(), c.Open.Load(), c.BytesIn.Load(), c.BytesOut.Load())
	if in, out, dropped := c.In.Load(), c.Out.Load(), c.Dropped.Load(); in+out+dropped > 0 {
		fmt.Fprintf(w, "messages in %d, out %d, dropped %d\n", in, out, dropped)
	}
	for i := range c.Faults {
		if n := c.Faults[i].Load(); n > 0 {
			fmt.Fprintf(w, "errors: %v %d\n", fault(i), n)
		}
	}
}
