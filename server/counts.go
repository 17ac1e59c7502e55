package server

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/transport"
)

// Fault is a kind of error that a listen counts.
type Fault uint8

const (
	FaultAccept    Fault = iota // Accept failed
	FaultConnect                // the target of a relay could not be reached
	FaultReset                  // a connection was lost
	FaultTimeout                // a limit of time closed a connection
	FaultTruncated              // a stream ended without its layer's end
	FaultTooLong                // a datagram did not fit
	FaultDatagram               // any other error that cost one datagram
	FaultUnsent                 // closed with bytes unsent
	FaultOther
	faultCount
)

var faultNames = [faultCount]string{"accept", "connect", "reset", "timeout", "truncated", "too long", "datagram", "unsent", "other"}

func (f Fault) String() string { return faultNames[f] }

// Counts are what a listen has counted. In is from the peers, Out is to them. Thread: any.
type Counts struct {
	transport.Counts
	Sessions atomic.Uint64 // begun
	Open     atomic.Int64  // sessions under way
	Faults   [faultCount]atomic.Uint64
}

// fault counts err by its kind.
func (c *Counts) fault(err error) {
	var packet *frio.PacketError
	kind := FaultOther
	switch {
	case errors.Is(err, frio.ErrTooLong):
		kind = FaultTooLong
	case errors.As(err, &packet):
		kind = FaultDatagram
	case errors.Is(err, frio.ErrTimeout):
		kind = FaultTimeout
	case errors.Is(err, frio.ErrTruncated):
		kind = FaultTruncated
	case errors.Is(err, frio.ErrReset):
		kind = FaultReset
	}
	c.Faults[kind].Add(1)
}

func (c *Counts) debug(w io.Writer) {
	fmt.Fprintf(w, "sessions %d, open %d, in %d bytes, out %d bytes\n",
		c.Sessions.Load(), c.Open.Load(), c.BytesIn.Load(), c.BytesOut.Load())
	if in, out, dropped := c.In.Load(), c.Out.Load(), c.Dropped.Load(); in+out+dropped > 0 {
		fmt.Fprintf(w, "messages in %d, out %d, dropped %d\n", in, out, dropped)
	}
	for i := range c.Faults {
		if n := c.Faults[i].Load(); n > 0 {
			fmt.Fprintf(w, "errors: %v %d\n", Fault(i), n)
		}
	}
}
