package tls

import (
	"fmt"
	"io"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
)

// sharded is the layer on a listen with several sockets: a Listener on each, with shared keys, limits and counts.
type sharded struct {
	*base.Sharded // of the Listeners
	lower         frio.IO
	how           *shared
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
	list := make([]frio.IO, 0, len(shards))
	for _, shard := range shards {
		l, err := newListener(ctx, how, shard)
		if err != nil {
			return nil, err
		}
		if err := one(l); err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return &sharded{base.NewSharded(list), lower, how}, nil
}

// Lower is the whole below.
func (s *sharded) Lower() frio.IO { return s.lower }

// Describe names all sockets.
func (s *sharded) Describe() string { return "tls+" + s.lower.Describe() }

// Reload is that of each shard's Listener; they share what is read.
func (s *sharded) Reload(as frio.IO) error { return s.how.reload(as) }

// OnReload is told when files that are looked after by time were found changed and wrong.
func (s *sharded) OnReload(failed func(error)) { s.how.onReload(failed) }

// Notes are what there is to say about the section.
func (s *sharded) Notes() conf.Errors { return s.how.set.notes() }

// Debug writes each shard.
func (s *sharded) Debug(w io.Writer) {
	fmt.Fprintf(w, "tls, %d sockets\n", len(s.Shards()))
	for _, shard := range s.Shards() {
		shard.Debug(frio.Indent(w))
	}
}
