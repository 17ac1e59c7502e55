package netconn

import (
	"context"
	"net"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// Dial connects one, a connecting side, on the thread t, and waits until it is up: a handshake is over. mem is the context that one was
// parsed in, a root that no thread owns. Both are Dial's from then on: they are freed after an error, and by Close. It is a *Conn.
// The time that it takes is limited by the IO's own limits, and by ctx. Thread: any that is not the pool's.
func Dial(ctx context.Context, t *thread.Thread, mem *talloc.Context, one frio.IO) (net.Conn, error) {
	c := new(Conn)
	result := make(chan error, 1)
	c.init(one, mem, one.Connect, func(err error) { result <- err })
	err := enter(t, mem, one, func() error {
		_, err := t.Add(one, mem, nil, (*coreUser)(&c.c))
		return err
	})
	if err == nil {
		select {
		case err = <-result:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			c.c.mu.Lock()
			c.c.leaveLocked()
			_ = c.c.waitLocked() // nothing was written
			c.c.mu.Unlock()
		}
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: c.stack, Err: err}
	}
	return c, nil
}
