package frio

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// IO is one end of a path for bytes or datagrams: a socket, or a layer on another IO.
//
// An IO is not safe for concurrent use. It never blocks, keeps nothing that its caller
// lends it, and calls its callbacks from its loop only, never inside one of these calls.
// Deadlines live in the IO: with a loop, the loop drives connect, handshake, flush and
// time-outs; without one, each Connect, Read or Write makes at most one step.
//
// Results: ErrAgain (not now), io.EOF (the peer ended its direction in order), ErrReset,
// ErrTruncated, ErrTimeout (the connection is lost), a *PacketError (cost one datagram),
// errors.ErrUnsupported, net.ErrClosed after Close. Any other error is final and repeats.
type IO interface {
	// Describe says in one line what the IO is, outermost layer first:
	// "tls+tcp 127.0.0.1:2083 <- 127.0.0.1:40112". The addresses are the real ones once known.
	Describe() string

	// Open makes a server's socket: options, bind, listen. On a client it is ErrUnsupported.
	Open() error

	// Close ends the IO, in any state; twice is fine. What Write took goes on being
	// delivered by the loop, within its close time-out. Without a loop, or with the loop's
	// closing list full, Close makes one attempt and returns the count of bytes unsent in
	// an *UnsentError. After Close no callback comes and the context may be freed.
	Close() error

	// Accept returns the next child of a listener, or ErrAgain. The child's memory
	// comes from ctx: a context of the calling thread, or a detached one.
	Accept(ctx *talloc.Context) (IO, error)

	// Connect starts or goes on with the client side: nil when up, ErrAgain on the way.
	Connect() error

	// Read reads bytes, or one datagram, into p. n > 0 comes with a nil error; n is 0
	// with a nil error only for an empty p. A datagram longer than p is dropped: a *PacketError.
	Read(p []byte) (n int, err error)

	// Write takes bytes of p, or all of p as one datagram. A stream may take less than all.
	Write(p []byte) (n int, err error)

	// Event puts the IO into a loop or changes its wishes; a nil callback removes that
	// wish. Event(loop, nil, nil) stays attached: time-outs and flushing go on.
	// Event(nil, nil, nil) leaves the loop, so that the IO can go into another one.
	// Callbacks are level-triggered: they come every turn while there is something.
	// A loop of another Kernel than the IO's, and callbacks without a loop, panic.
	Event(loop *event.Loop, read, write func()) error

	// Debug writes everything about the IO, nested: what is below it and its children
	// are indented under it. Secrets print as <hidden>.
	Debug(w io.Writer)

	Kinder
}

// Results that are compared with errors.Is.
var (
	// ErrAgain means not now; the loop will call. It is never logged and never wrapped.
	ErrAgain error = syscall.EAGAIN
	// ErrReset means that the connection was lost. The error that wraps it carries the errno.
	ErrReset = errors.New("connection lost")
	// ErrTruncated means that the stream ended without the end that its layer demands.
	ErrTruncated = errors.New("truncated")
	// ErrTooLong means that a datagram did not fit.
	ErrTooLong = errors.New("datagram too long")
	// ErrTimeout means that a limit of time closed the IO; a *TimeoutError names it.
	ErrTimeout = errors.New("timed out")
	// ErrDenied means that a peer is not allowed (networks, peercred).
	ErrDenied = errors.New("denied")
)

// Kind is what an IO offers upward.
type Kind uint8

const (
	Stream   Kind = iota // bytes in order
	Datagram             // messages with boundaries
)

func (k Kind) String() string {
	if k == Datagram {
		return "datagram"
	}
	return "stream"
}

// Kinder is an ability that every IO has.
type Kinder interface{ Kind() Kind }

// Role says which side of a path an IO is.
type Role uint8

const (
	Server Role = iota // listens, or was accepted
	Client             // connects
)

func (r Role) String() string {
	if r == Client {
		return "client"
	}
	return "server"
}

// Packet is one datagram. On reading, Data's capacity is the buffer and its length becomes the
// datagram's. Zone is always empty (Ifindex is the scope). A reply made from a request's Packet
// leaves from the address and interface that the request came to; a zero Local or Ifindex is the
// kernel's choice.
type Packet struct {
	Data          []byte
	Remote, Local netip.AddrPort
	Ifindex       uint32
	Time          int64 // arrival, nanoseconds since 1970
	ECN           uint8
	Err           error // reading only: a *PacketError, Data has length 0
}

// State is where an IO is in its life.
//
//	closed -> listening -> closed                          a server's socket
//	closed -> connecting -> handshaking -> open -> closed  a connection
//	any but closed -> failed -> closed
type State uint8

const (
	StateClosed State = iota
	StateListening
	StateConnecting
	StateHandshaking
	StateOpen
	StateFailed
)

var stateNames = [...]string{"closed", "listening", "connecting", "handshaking", "open", "failed"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}
