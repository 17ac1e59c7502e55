package thread

import (
	"fmt"
	"net"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

// Shards are the members of one listen: of each of its sockets, in order.
type Shards []*Member

// End ends the whole listen: each socket is closed on its own thread, and its children learn of it (Member.End). Thread: any.
func (s Shards) End(reason error) {
	for _, m := range s {
		m.End(reason)
	}
}

// Spread gives a listener that is open and in no loop, with ctx, which owns its memory, to a network thread: to number first of Threads,
// counted round. The shards of a frio.Sharder are members of their own, each with its own context (frio.Shard), on the threads from there on,
// one after the other; ctx stays the caller's then. user makes the User of each before it goes. If one cannot be placed all are
// closed, those that were placed soon. Thread: that of ctx, which is none of the pool's.
func (p *Pool) Spread(io frio.IO, ctx *talloc.Context, first int, user func(shard int, io frio.IO, ctx *talloc.Context) User) (Shards, error) {
	list := []frio.IO{io}
	if s, ok := io.(frio.Sharder); ok {
		list = s.Shards()
	}
	threads := p.Threads()
	made := make(Shards, 0, len(list))
	for i, one := range list {
		own := ctx
		if shard, ok := one.(frio.Shard); ok && len(list) > 1 {
			own = shard.Context()
		} else if len(list) > 1 {
			panic("thread: " + one.Describe() + " is a shard without a context of its own")
		}
		m, err := threads[(first+i)%len(threads)].bring(one, own, user(i, one, own))
		if err != nil {
			made.End(err)
			for _, left := range list[i+1:] {
				_ = left.Close() // a listener leaves nothing unsent
			}
			return nil, fmt.Errorf("spread %s: %w", one.Describe(), err)
		}
		made = append(made, m)
	}
	return made, nil
}

// bring makes io, which is the caller's, a member on t. If that fails io is closed, and ctx freed.
func (t *Thread) bring(io frio.IO, ctx *talloc.Context, user User) (*Member, error) {
	type result struct {
		m   *Member
		err error
	}
	done := make(chan result, 1)
	ctx.Detach()
	discard := func(err error) result {
		_ = io.Close()
		ctx.Free()
		return result{err: err}
	}
	err := t.Send(func() {
		err := t.root.Adopt(ctx)
		if err != nil {
			done <- discard(err)
			return
		}
		m, err := t.Add(io, ctx, nil, user)
		if err != nil {
			done <- discard(err)
			return
		}
		done <- result{m: m}
	})
	if err != nil {
		r := discard(err)
		return nil, r.err
	}
	select {
	case r := <-done:
		return r.m, r.err
	case <-t.ended:
	}
	select {
	case r := <-done:
		return r.m, r.err
	default: // it ended before it came to this
		r := discard(net.ErrClosed)
		return nil, r.err
	}
}
