package base

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// ContextOf is the context for the layer on lower: that of a shard goes from thread to thread with all layers in it; else ctx.
func ContextOf(lower frio.IO, ctx *talloc.Context) *talloc.Context {
	if s, ok := lower.(frio.Shard); ok {
		return s.Context()
	}
	return ctx
}

// Sharded is one listen with several sockets, each a shard. Open, Close, Describe and Debug act on the whole.
type Sharded struct {
	shards []frio.IO
	state  frio.State
}

var (
	_ frio.IO       = (*Sharded)(nil)
	_ frio.Sharder  = (*Sharded)(nil)
	_ frio.Gated    = (*Sharded)(nil)
	_ frio.Admitter = (*Sharded)(nil)
	_ frio.Parent   = (*Sharded)(nil)
)

// Shard makes the IO of each address, and one IO of them if they are more than one.
func Shard(ctx *talloc.Context, addrs []netip.AddrPort, one func(*talloc.Context, netip.AddrPort) (frio.IO, error)) (frio.IO, error) {
	shards := make([]frio.IO, 0, len(addrs))
	for _, a := range addrs {
		s, err := one(ctx, a)
		if err != nil {
			for _, made := range shards {
				_ = made.Close()
			}
			return nil, err
		}
		shards = append(shards, s)
	}
	if len(shards) == 1 {
		return shards[0], nil
	}
	return NewSharded(shards), nil
}

// NewSharded makes one IO of shards, which are of one method.
func NewSharded(shards []frio.IO) *Sharded { return &Sharded{shards: shards} }

// Shards returns the sockets. The slice is not to be changed.
func (s *Sharded) Shards() []frio.IO { return s.shards }

// Describe names all of them; those of one port once: "udp 192.0.2.1:1812 (4 shards)".
func (s *Sharded) Describe() string {
	text := ""
	for i := 0; i < len(s.shards); {
		one, count := s.shards[i].Describe(), 0
		for ; i < len(s.shards) && s.shards[i].Describe() == one; i++ {
			count++
		}
		if text != "" {
			text += ", "
		}
		text += one
		if count > 1 {
			text += fmt.Sprintf(" (%d shards)", count)
		}
	}
	return text
}

// Kind is that of the shards.
func (s *Sharded) Kind() frio.Kind { return s.shards[0].Kind() }

// State tells whether it listens.
func (s *Sharded) State() frio.State { return s.state }

// Open opens all shards, or none.
func (s *Sharded) Open() error {
	for i, one := range s.shards {
		if err := one.Open(); err != nil {
			for _, open := range s.shards[:i] {
				_ = open.Close()
			}
			return err
		}
	}
	s.state = frio.StateListening
	return nil
}

// Close closes all shards.
func (s *Sharded) Close() error {
	var errs []error
	for _, one := range s.shards {
		errs = append(errs, one.Close())
	}
	s.state = frio.StateClosed
	return errors.Join(errs...)
}

// SetGate gives the gate to each shard, which asks it on its own thread: with shards on several, g must bear that.
func (s *Sharded) SetGate(g frio.Gate) error {
	for _, one := range s.shards {
		gated, ok := one.(frio.Gated)
		if !ok {
			return errors.ErrUnsupported
		}
		if err := gated.SetGate(g); err != nil {
			return err
		}
	}
	return nil
}

// SetAdmit gives admit to each shard, which asks it on its own thread.
func (s *Sharded) SetAdmit(admit frio.Admit) error {
	for _, one := range s.shards {
		a, ok := one.(frio.Admitter)
		if !ok {
			return errors.ErrUnsupported
		}
		if err := a.SetAdmit(admit); err != nil {
			return err
		}
	}
	return nil
}

// Children visits those of all shards.
func (s *Sharded) Children(visit func(frio.Handle) bool) {
	more := true
	for _, one := range s.shards {
		if p, ok := one.(frio.Parent); ok && more {
			p.Children(func(h frio.Handle) bool {
				more = visit(h)
				return more
			})
		}
	}
}

// Debug writes each shard.
func (s *Sharded) Debug(w io.Writer) {
	fmt.Fprintf(w, "%d sockets\n", len(s.shards))
	for _, one := range s.shards {
		one.Debug(frio.Indent(w))
	}
}

// What moves data is the shards'.
func (s *Sharded) Accept(*talloc.Context) (frio.IO, error) { return nil, errors.ErrUnsupported }
func (s *Sharded) Connect() error                          { return errors.ErrUnsupported }
func (s *Sharded) Read([]byte) (int, error)                { return 0, errors.ErrUnsupported }
func (s *Sharded) Write([]byte) (int, error)               { return 0, errors.ErrUnsupported }
func (s *Sharded) Event(*event.Loop, func(), func()) error { return errors.ErrUnsupported }
