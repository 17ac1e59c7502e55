package tls

import (
	"context"
	ctls "crypto/tls"
	"fmt"
	"io"
	"iter"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/tls/dtls"
)

// stream is the engine of TLS over a stream: crypto/tls above a net.Conn that is only memory.
//
// The handshake runs as a coroutine, because crypto/tls reads in the middle of it: without bytes the wire yields, and Feed resumes
// it with the next record. Afterwards tls.Conn.Read is called directly, with one whole record at a time, so that it is known whether
// there is another. That a record has application data is known only when it is opened: Feed opens it, by reading its first
// byte, and the rest stays in crypto/tls.
type stream struct {
	conn  *ctls.Conn
	wire  wire
	state dtls.State
	err   error // of Failed

	ctx    *talloc.Context // whose thread the coroutine is of
	next   func() (struct{}, bool)
	stop   func()
	result error // of the handshake, when the coroutine has ended
	done   bool
	taken  int // bytes of records that the handshake was given

	lent   talloc.Buffer // the record that crypto/tls has at present
	first  [1]byte       // of the application data, if held
	held   bool
	rest   int // crypto/tls has at most so much more of that record
	extra  int // at least so many bytes of a record are not data
	closed bool
	outs   [1][]byte
}

// newStream makes one end. ctx is whose thread the engine belongs to; peer may be zero.
func newStream(ctx *talloc.Context, cfg *ctls.Config, client bool, peer netip.AddrPort) *stream {
	e := &stream{ctx: ctx}
	e.wire.engine, e.wire.peer = e, peer
	if client {
		e.conn = ctls.Client(&e.wire, cfg)
	} else {
		e.conn = ctls.Server(&e.wire, cfg)
	}
	e.next, e.stop = iter.Pull(e.handshake)
	return e
}

// handshake is the coroutine.
func (e *stream) handshake(yield func(struct{}) bool) {
	e.wire.yield = yield
	e.wire.thread.Inherit()
	defer func() { e.wire.thread.Disinherit() }()
	e.result = e.conn.HandshakeContext(context.Background())
	e.done = true
}

// resume runs the coroutine until it wants more, or ends.
func (e *stream) resume() error {
	e.wire.thread = e.ctx.Thread()
	if err := e.run(func() { e.next() }); err != nil {
		return e.fail(err)
	}
	if !e.done {
		return nil
	}
	e.dropCoroutine()
	if e.result != nil {
		closerAlert(e.wire.out, e.result)
		return e.fail(e.result)
	}
	e.state = dtls.Open
	s := e.conn.ConnectionState()
	e.extra = leastOverhead(s.Version, s.CipherSuite)
	e.reclaim()
	return nil
}

// run calls f, which switches to the coroutine, and makes an error of a panic there.
func (e *stream) run(f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in the handshake: %v", v)
		}
	}()
	f()
	return nil
}

// dropCoroutine ends the coroutine if it has not ended. Without that it would wait for ever.
func (e *stream) dropCoroutine() {
	if e.stop == nil {
		return
	}
	stop := e.stop
	e.next, e.stop = nil, nil
	e.wire.dead = true
	e.wire.thread = e.ctx.Thread()
	// What it panics with while it unwinds is of no interest any more: the connection has ended.
	_ = e.run(stop)
	e.wire.yield, e.wire.in, e.wire.wake = nil, nil, nil
}

func (e *stream) fail(err error) error {
	if e.state == dtls.Failed {
		return e.err
	}
	e.state, e.err = dtls.Failed, err
	e.dropCoroutine()
	e.held, e.rest = false, 0
	e.lent.Free() // crypto/tls is not called any more
	e.lent = talloc.Buffer{}
	return err
}

// Start begins a client's handshake.
func (e *stream) Start(time.Time) error {
	if e.state != dtls.Handshaking {
		return e.err
	}
	return e.resume()
}

// Feed takes whole records, until one has application data.
func (e *stream) Feed(_ time.Time, in []byte) (used int, err error) {
	for used < len(in) && !e.held {
		n := len(in) - used
		if n > headerLen {
			n = min(n, headerLen+int(in[used+3])<<8+int(in[used+4]))
		}
		record := in[used : used+n]
		switch e.state {
		case dtls.Awaiting:
			return used, nil
		case dtls.Failed:
			return len(in), e.err
		case dtls.PeerClosed:
			return len(in), nil
		case dtls.Handshaking:
			err = e.step(record)
		default:
			err = e.open(record)
		}
		used += n
		if err != nil {
			return used, err
		}
	}
	return used, nil
}

// handshakeMax is how much a peer may send until its handshake is over: a hello of 64 KiB, which crypto/tls takes, and a chain of twenty
// certificates of 3 KiB. crypto/tls by itself keeps up to 256 KiB of a chain until the last byte of it has come.
const handshakeMax = 128 << 10

// step gives the handshake one record.
func (e *stream) step(record []byte) error {
	if e.taken += len(record); e.taken > handshakeMax {
		return e.fail(errHandshakeMax)
	}
	e.wire.in = record
	err := e.resume()
	if e.state == dtls.Awaiting {
		e.wire.in = slices.Clone(e.wire.in) // the record is the caller's
	} else {
		e.wire.in = nil
	}
	return err
}

// spare is how much more than a record's own length is lent: crypto/tls looks for a next header in what room there is
// (5 bytes and bytes.MinRead), and would take memory of its own without it.
const spare = 5 + 512

// open gives crypto/tls one record after the handshake.
func (e *stream) open(record []byte) error {
	if canLend {
		mem, err := e.ctx.Alloc(len(record) + spare)
		if err != nil {
			return e.fail(err)
		}
		e.lent = mem
		lend(e.conn, append(mem.Bytes()[:0], record...))
	} else {
		e.wire.in = record
	}
	n, err := e.conn.Read(e.first[:])
	e.wire.in = nil
	if n > 0 {
		e.held, e.rest = true, max(0, len(record)-headerLen-e.extra-1)
	}
	if !e.held {
		e.reclaim()
	}
	switch {
	case err == nil || err == error(again):
		return nil
	case err == io.EOF:
		e.state = dtls.PeerClosed
		return nil
	}
	return e.fail(err)
}

// reclaim takes back what was lent, if crypto/tls has used it up.
func (e *stream) reclaim() {
	if canLend && takeBack(e.conn) {
		e.lent.Free()
		e.lent = talloc.Buffer{}
	}
}

// Read takes what was opened.
func (e *stream) Read(p []byte) (n int, err error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case e.held:
	case e.state == dtls.Failed:
		return 0, e.err
	case e.state == dtls.PeerClosed:
		return 0, io.EOF
	default:
		return 0, syscall.EAGAIN
	}
	p[0], e.held, n = e.first[0], false, 1
	if e.rest > 0 && len(p) > 1 {
		more, err := e.conn.Read(p[1:])
		n += more
		e.rest -= more
		if err != nil || n < len(p) {
			e.rest = 0
		}
	}
	// A record may be padded, so that only reading tells whether there is a rest.
	if e.rest > 0 {
		if more, _ := e.conn.Read(e.first[:]); more > 0 {
			e.held = true
			e.rest--
		} else {
			e.rest = 0
		}
	}
	if !e.held {
		e.reclaim()
	}
	return n, nil
}

// Held tells whether a record was opened and not read to its end.
func (e *stream) Held() bool { return e.held }

// Seal encrypts all of p, as many records. After the peer's close_notify it goes on: each direction ends by itself.
func (e *stream) Seal(dst, p []byte) (out []byte, n int, err error) {
	switch {
	case e.state == dtls.Failed:
		return dst, 0, e.err
	case e.closed:
		return dst, 0, net.ErrClosed
	case e.state != dtls.Open && e.state != dtls.PeerClosed:
		return dst, 0, syscall.EAGAIN
	}
	own := e.wire.out
	e.wire.out = append(dst, own...)
	n, err = e.conn.Write(p)
	out, e.wire.out = e.wire.out, nil
	if err != nil {
		return dst, 0, e.fail(err)
	}
	return out, n, nil
}

// Out is what crypto/tls wrote by itself.
func (e *stream) Out() [][]byte {
	if len(e.wire.out) == 0 {
		return nil
	}
	e.outs[0] = e.wire.out
	return e.outs[:]
}

// Sent forgets it.
func (e *stream) Sent(time.Time) { e.wire.out, e.outs[0] = nil, nil }

// State tells where the connection is.
func (e *stream) State() dtls.State { return e.state }

// Err is why it failed.
func (e *stream) Err() error { return e.err }

// Deadline is never: the stream below repeats what is lost.
func (e *stream) Deadline() time.Time { return time.Time{} }

// Expire has nothing to do.
func (e *stream) Expire(time.Time) error { return e.err }

// Resume goes on with a handshake whose callback has its answer.
func (e *stream) Resume(time.Time) error {
	if e.state != dtls.Awaiting || !e.wire.answered.Load() {
		return e.err
	}
	e.state = dtls.Handshaking
	err := e.resume()
	if e.state != dtls.Awaiting {
		e.wire.in = nil
	}
	return err
}

// CloseNotify ends our direction. A handshake that is under way has no way to end in order: it fails.
func (e *stream) CloseNotify() {
	switch {
	case e.closed || e.state == dtls.Failed:
	case e.state == dtls.Open || e.state == dtls.PeerClosed:
		e.closed = true
		if err := e.conn.CloseWrite(); err != nil {
			_ = e.fail(err) // State tells
		}
	default:
		_ = e.fail(net.ErrClosed)
	}
}

// Abort ends the engine.
func (e *stream) Abort() {
	_ = e.fail(net.ErrClosed)
	e.wire.out = nil
}

// ConnectionState is crypto/tls's. During the handshake crypto/tls holds its lock, so it is empty then.
func (e *stream) ConnectionState() ctls.ConnectionState {
	if e.stop != nil {
		return ctls.ConnectionState{}
	}
	return e.conn.ConnectionState()
}

// leastOverhead is how many bytes of a record's body are no data at least: IV or nonce, tag or MAC, and what TLS 1.3 adds
// for the type.
func leastOverhead(version, suite uint16) int {
	name := ctls.CipherSuiteName(suite)
	switch {
	case version == ctls.VersionTLS13:
		return 16 + 1
	case strings.Contains(name, "GCM"):
		return 8 + 16
	case strings.Contains(name, "CHACHA20"):
		return 16
	}
	return 20
}
