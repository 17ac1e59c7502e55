package tls

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// sharded is the layer on a listen with several sockets: a Listener on each, with shared keys, limits and counts. Open, Close,
// Describe and Debug act on the whole.
type sharded struct {
	lower  frio.IO
	how    *shared
	shards []frio.IO
	closed bool
}

var (
	_ frio.IO       = (*sharded)(nil)
	_ frio.Sharder  = (*sharded)(nil)
	_ frio.Parent   = (*sharded)(nil)
	_ frio.Layer    = (*sharded)(nil)
	_ frio.Stater   = (*sharded)(nil)
	_ frio.Admitter = (*sharded)(nil)
)

// newSharded makes a listener on each of lower's shards.
func newSharded(ctx *talloc.Context, how *shared, lower frio.IO, shards []frio.IO, one func(*Listener) error) (*sharded, error) {
	s := &sharded{lower: lower, how: how}
	for _, shard := range shards {
		l, err := newListener(ctx, how, shard)
		if err != nil {
			return nil, err
		}
		if err := one(l); err != nil {
			return nil, err
		}
		s.shards = append(s.shards, l)
	}
	return s, nil
}

// Shards returns the listeners. The slice is not to be changed.
func (s *sharded) Shards() []frio.IO { return s.shards }

// Lower is the whole below.
func (s *sharded) Lower() frio.IO { return s.lower }

// Describe names all sockets.
func (s *sharded) Describe() string { return "tls+" + s.lower.Describe() }

// Kind is that of the shards.
func (s *sharded) Kind() frio.Kind { return s.how.kind }

// State tells whether it listens.
func (s *sharded) State() frio.State {
	if st, ok := s.lower.(frio.Stater); ok && !s.closed {
		return st.State()
	}
	return frio.StateClosed
}

// Open opens all, or none.
func (s *sharded) Open() error {
	if s.closed {
		return net.ErrClosed
	}
	return s.lower.Open()
}

// Close closes all, children first.
func (s *sharded) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, shard := range s.shards {
		errs = append(errs, shard.Close())
	}
	errs = append(errs, s.lower.Close())
	return errors.Join(errs...)
}

// Reload is that of each shard's Listener; they share what is read.
func (s *sharded) Reload() error { return s.how.reload() }

// OnReload is told when files that are looked after by time were found changed and wrong.
func (s *sharded) OnReload(failed func(error)) { s.how.onReload(failed) }

// Notes are what there is to say about the section.
func (s *sharded) Notes() conf.Errors { return s.how.set.notes() }

// Children visits those of all shards.
func (s *sharded) Children(visit func(frio.Handle) bool) {
	more := true
	for _, shard := range s.shards {
		if p, ok := shard.(frio.Parent); ok && more {
			p.Children(func(h frio.Handle) bool {
				more = visit(h)
				return more
			})
		}
	}
}

// Debug writes each shard.
func (s *sharded) Debug(w io.Writer) {
	fmt.Fprintf(w, "tls, %d sockets\n", len(s.shards))
	for _, shard := range s.shards {
		shard.Debug(frio.Indent(w))
	}
}

// What moves data is the shards'.
func (s *sharded) Accept(*talloc.Context) (frio.IO, error) { return nil, errors.ErrUnsupported }
func (s *sharded) Connect() error                          { return errors.ErrUnsupported }
func (s *sharded) Read([]byte) (int, error)                { return 0, errors.ErrUnsupported }
func (s *sharded) Write([]byte) (int, error)               { return 0, errors.ErrUnsupported }
func (s *sharded) Event(*event.Loop, func(), func()) error { return errors.ErrUnsupported }
