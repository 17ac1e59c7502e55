package tls

import (
	ctls "crypto/tls"
	"time"

	"github.com/frio-io/frio/tls/dtls"
)

// engine is TLS or DTLS without IO: the plumbing feeds it and sends what it says. All calls come from the owner's thread;
// none blocks. *dtls.Engine is one, *stream the other.
type engine interface {
	// Start makes a client's first flight. A server does nothing.
	Start(now time.Time) error
	// Feed takes what the peer sent: of a stream whole records, else exactly one datagram. It keeps nothing of in. used is less
	// than len(in) while a record is held, which Read must take first, or while an answer is awaited. An error is final.
	Feed(now time.Time, in []byte) (used int, err error)
	// Read takes application data; a rest of a stream's record stays, a datagram longer than p is lost (io.ErrShortBuffer).
	// EAGAIN without data, io.EOF after the peer's close_notify.
	Read(p []byte) (n int, err error)
	// Held tells whether Read has something to give.
	Held() bool
	// Seal appends p, encrypted, to dst. The caller sends it after what Out holds.
	Seal(dst, p []byte) (out []byte, n int, err error)
	// Out is what the engine itself wants sent: flights, alerts, answers to a KeyUpdate. Valid until Sent or the next call.
	Out() [][]byte
	// Sent says that all of Out was sent, or lost.
	Sent(now time.Time)
	State() dtls.State
	// Err is why it failed; nil if it has not.
	Err() error
	// Deadline is when Expire has something to do; zero: never.
	Deadline() time.Time
	Expire(now time.Time) error
	// Resume goes on after an answer was awaited, if it is there.
	Resume(now time.Time) error
	// CloseNotify ends the writing direction: Out has the alert.
	CloseNotify()
	// Abort ends the engine without a word, in any state, and frees what it holds.
	Abort()
	// ConnectionState tells what was agreed. Only once it is open.
	ConnectionState() ctls.ConnectionState
}

var (
	_ engine = (*dtls.Engine)(nil)
	_ engine = (*stream)(nil)
)
