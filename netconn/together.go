package netconn

import (
	"errors"
	"net/netip"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// together is a stream listen with several sockets as one IO: they live in one loop and move together.
type together struct {
	frio.IO
	shards []frio.IO
	next   int // whose turn it is to be asked first
}

// Event puts all of them into a loop.
func (t *together) Event(loop *event.Loop, read, write func()) error {
	var errs []error
	for _, one := range t.shards {
		errs = append(errs, one.Event(loop, read, write))
	}
	return errors.Join(errs...)
}

// Accept asks one after the other, beginning with the next.
func (t *together) Accept(ctx *talloc.Context) (frio.IO, error) {
	for range t.shards {
		one := t.shards[t.next]
		t.next = (t.next + 1) % len(t.shards)
		child, err := one.Accept(ctx)
		if err != frio.ErrAgain {
			return child, err
		}
	}
	return nil, frio.ErrAgain
}

// LocalAddr is the first's. There is no remote one.
func (t *together) LocalAddr() netip.AddrPort {
	if a, ok := t.shards[0].(frio.Addresser); ok {
		return a.LocalAddr()
	}
	return netip.AddrPort{}
}

func (t *together) RemoteAddr() netip.AddrPort { return netip.AddrPort{} }
