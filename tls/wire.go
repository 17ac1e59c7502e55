package tls

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/tls/dtls"
)

// again says that the wire has no bytes now. crypto/tls keeps any error of a Read for ever, but a temporary net.Error.
var again net.Error = againError{}

type againError struct{}

func (againError) Error() string   { return "not now" }
func (againError) Timeout() bool   { return false }
func (againError) Temporary() bool { return true }

var errAborted = errors.New("the connection was closed during the handshake")

// wire is the net.Conn under crypto/tls. Read gives the record at hand; Write takes everything, since one error there is for ever.
type wire struct {
	engine   *stream
	in       []byte // the record at hand
	out      []byte
	yield    func(struct{}) bool
	thread   *talloc.Thread // of whoever resumed
	dead     bool           // no more resuming
	answered atomic.Bool    // what Await waits for is done
	wake     func()         // is told so, from any thread; may be nil
	peer     netip.AddrPort
}

// Awaiter is an ability of the Conn in the crypto/tls.ClientHelloInfo that certificate callbacks get.
type Awaiter interface {
	// Await runs work on a goroutine of its own and returns when it has ended; meanwhile the loop goes on, and only this
	// handshake waits. With an error, the connection has ended first: then work may still run, and its results must not
	// be touched.
	Await(work func()) error
}

var (
	_ net.Conn = (*wire)(nil)
	_ Awaiter  = (*wire)(nil)
)

func (w *wire) Read(p []byte) (int, error) {
	for len(w.in) == 0 {
		if w.yield == nil {
			return 0, again
		}
		if !w.pause() {
			return 0, errAborted
		}
	}
	n := copy(p, w.in)
	w.in = w.in[n:]
	return n, nil
}

// pause gives the thread back until the coroutine is resumed; false: it is to end.
func (w *wire) pause() bool {
	if w.dead {
		return false
	}
	w.thread.Disinherit()
	w.yield(struct{}{})
	w.thread.Inherit()
	return !w.dead
}

func (w *wire) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	return len(p), nil
}

// Await is called in the coroutine, by a callback of the handshake.
func (w *wire) Await(work func()) error {
	if w.yield == nil {
		panic("tls: Await outside of a handshake")
	}
	w.answered.Store(false)
	w.engine.state = dtls.Awaiting
	var thrown any
	wake := w.wake
	go func() {
		defer func() {
			thrown = recover()
			w.answered.Store(true)
			if wake != nil {
				wake()
			}
		}()
		work()
	}()
	for !w.answered.Load() {
		if !w.pause() {
			return net.ErrClosed
		}
	}
	w.engine.state = dtls.Handshaking
	if thrown != nil {
		panic(thrown)
	}
	return nil
}

// Close is for crypto/tls, which calls it where the connection is given up; whoever owns that closes it.
func (w *wire) Close() error { return nil }

func (w *wire) LocalAddr() net.Addr { return nil }

func (w *wire) RemoteAddr() net.Addr {
	if !w.peer.IsValid() {
		return nil
	}
	return net.TCPAddrFromAddrPort(w.peer)
}

// Deadlines are the plumbing's.
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
