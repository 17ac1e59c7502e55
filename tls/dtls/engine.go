package dtls

import (
	"crypto/ecdh"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// State is where an association is. It says the same of TLS over a stream.
//
//	Handshaking <-> Awaiting          a callback is pending
//	Handshaking  -> Open -> PeerClosed
//	any          -> Failed            an alert, a time-out, Abort
type State uint8

// The states.
const (
	Handshaking State = iota
	Awaiting          // a callback returned ErrPending; only Resume and Abort go on
	Open              // application data passes
	PeerClosed        // the peer's close_notify came: Read ends with io.EOF
	Failed            // over; every call gives the same error
)

func (s State) String() string {
	switch s {
	case Handshaking:
		return "handshaking"
	case Awaiting:
		return "awaiting"
	case Open:
		return "open"
	case PeerClosed:
		return "peer closed"
	}
	return "failed"
}

// Errors of an association.
var (
	// ErrTimeout says that the peer did not answer a flight within all its retransmissions.
	ErrTimeout = errors.New("dtls: handshake timed out (RFC 6347, Section 4.2.4)")
	// ErrTooLong refuses application data longer than a record holds, 16384 bytes.
	ErrTooLong = errors.New("dtls: data above 16384 bytes (RFC 5246, Section 6.2.1)")
)

// Counts counts what an association met. All but RecordsIn and RecordsOut were discarded or had no effect.
type Counts struct {
	RecordsIn, RecordsOut uint64 // of epoch 1
	Forged                uint64 // authentication failed
	Malformed             uint64 // lengths or fields, the rest of the datagram void
	Replayed              uint64 // twice, or older than the window
	OtherEpoch            uint64
	Fragments             uint64 // handshake fragments out of limits or place
	Early                 uint64 // records of epoch 1 before its keys, beyond the limit
	Empty                 uint64 // application data of length 0
	Warnings              uint64 // alerts without effect
	Retransmits           uint64 // flights sent again
}

// Engine is one DTLS association without IO. See the package comment for how to drive it. It belongs to one thread.
type Engine struct {
	cfg    *Config
	state  State
	server bool
	closed bool // our close_notify was made
	mtu    uint16
	err    error // of Failed
	out    [][]byte
	hs     *handshake  // nil once open
	last   *lastFlight // nil unless this side sent the last flight
	in     *inbox      // application records to read, nil if none

	suite        *suite
	rd, wr       half
	wseq         [2]uint64
	window       window
	scratch      scratch
	clientRandom [32]byte

	resumed    bool
	warnings   uint8
	useless    uint8
	refusals   uint8
	peer       [][]byte // certificates, DER; may be one that TicketKeys keeps, and is never changed
	proto      string
	serverName string
	counts     Counts
}

// handshake is what only a handshake needs; it is dropped at its end.
type handshake struct {
	expect       expectation
	finishedOut  bool // our Finished was made: alerts go in epoch 1
	ticketDue    bool // the server announced a ticket
	requested    bool // client: the server asked for a certificate
	peerKept     bool // server: the peer's chain is one that TicketKeys keeps
	seq          uint16
	cookies      uint8
	transcript   transcript
	in           incoming
	serverRandom [32]byte
	master       [masterLen]byte
	key          *ecdh.PrivateKey
	preMaster    []byte
	hello        *clientHello
	session      *Session // client: offered; server: from the ticket
	newTicket    *Session // client: to be kept at the end
	request      *certificateRequest
	resume       func(now time.Time) error
	certs        []*x509.Certificate
	chains       [][]*x509.Certificate
	early        [][]byte
	earlyBytes   int
	flight       flight
}

// expectation is the message that a handshake waits for.
type expectation uint8

const (
	wantClientHello expectation = iota
	wantClientCertificate
	wantClientKeyExchange
	wantCertificateVerify
	wantServerHello
	wantServerCertificate
	wantServerKeyExchange
	wantRequestOrDone
	wantDone
	wantTicket
	wantFinished
)

// NewClient makes the client's end of an association. It errs for a config that cannot work.
func NewClient(c *Config) (*Engine, error) { return newEngine(c, false) }

// NewServer makes the server's end. Its first Feed has to be the datagram whose hello a Gate accepted.
func NewServer(c *Config) (*Engine, error) { return newEngine(c, true) }

func newEngine(c *Config, server bool) (*Engine, error) {
	if err := c.check(server); err != nil {
		return nil, err
	}
	e := &Engine{cfg: c, server: server, mtu: uint16(c.mtu()), hs: new(handshake)}
	e.hs.flight.timeout = c.retransmitInitial()
	e.hs.flight.peerLast = -1
	return e, nil
}

// Start makes a client's first flight; Out has it then. A server does nothing. Starting twice panics.
func (e *Engine) Start(now time.Time) error {
	if e.state == Failed {
		return e.err
	}
	if e.server {
		return nil
	}
	if e.hs == nil || e.hs.hello != nil {
		panic("dtls: started twice")
	}
	if err := e.clientStart(now); err != nil {
		return e.fail(err)
	}
	return nil
}

// Read takes one application record into p and returns its length. A record longer than p is dropped, with
// io.ErrShortBuffer. Without a record it returns EAGAIN; after the peer's close_notify io.EOF; after a failure its
// error, each time the same.
func (e *Engine) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if e.Held() {
		b := e.in.b[e.in.r:]
		n := int(b[0])<<8 | int(b[1])
		b = b[2 : 2+n]
		e.in.r += 2 + n
		if n > len(p) {
			n, err = 0, io.ErrShortBuffer
		} else {
			copy(p, b)
		}
		e.releaseInbox()
		return n, err
	}
	switch e.state {
	case Failed:
		return 0, e.err
	case PeerClosed:
		return 0, io.EOF
	}
	return 0, syscall.EAGAIN
}

// Held is true while Read has a record to give.
func (e *Engine) Held() bool { return e.in != nil && e.in.r < len(e.in.b) }

// Seal appends to dst the datagram that carries p, and returns it with the length of p. The caller owns the datagram
// and has to send it after what Out holds. Before the handshake's end: EAGAIN. After the peer's close_notify: EPIPE,
// after our own: net.ErrClosed. ErrTooLong for p above 16384 bytes, ErrLimit at the end of the keys' life. dst needs
// room for len(p) + 37 bytes if Seal shall not allocate.
func (e *Engine) Seal(dst, p []byte) (out []byte, n int, err error) {
	switch {
	case e.state == Failed:
		return dst, 0, e.err
	case e.closed && e.state != PeerClosed:
		return dst, 0, net.ErrClosed
	case e.state == PeerClosed:
		return dst, 0, syscall.EPIPE
	case e.state != Open:
		return dst, 0, syscall.EAGAIN
	case len(p) > maxPlaintext:
		return dst, 0, ErrTooLong
	case e.wr.blocks > maxBlocks && e.suite.explicit || e.wseq[1] > maxSeq-16: // room for alerts
		return dst, 0, ErrLimit
	}
	out, err = e.appendRecord(dst, typeApplicationData, 1, p)
	if err != nil {
		return dst, 0, err
	}
	return out, len(p), nil
}

// Out returns the datagrams that the engine itself wants sent, in order. They stay valid, and Out returns the same,
// until Sent or the next call that changes the engine.
func (e *Engine) Out() [][]byte { return e.out }

// Sent says that everything in Out was sent, or lost: the time-out of the flight starts.
func (e *Engine) Sent(now time.Time) {
	if len(e.out) == 0 {
		return
	}
	e.out = nil
	if e.hs != nil && len(e.hs.flight.messages) > 0 {
		f := &e.hs.flight
		f.sent = now
		f.deadline = now.Add(f.timeout)
	}
}

// State returns where the association is.
func (e *Engine) State() State { return e.state }

// Err returns the error of Failed, nil in any other state.
func (e *Engine) Err() error { return e.err }

// Counts returns what was counted since the beginning.
func (e *Engine) Counts() Counts { return e.counts }

// ClientRandom returns the random of the client's hello, by which a server tells a repeated hello from that of
// another association. Zero before the hello.
func (e *Engine) ClientRandom() [32]byte { return e.clientRandom }

// MTU returns the present limit of handshake datagrams, in bytes.
func (e *Engine) MTU() int { return int(e.mtu) }

// CloseNotify ends the association in order: Out has the close_notify, and Seal refuses. What the peer has sent
// before can still be read. During the handshake it fails the engine with net.ErrClosed.
func (e *Engine) CloseNotify() {
	switch e.state {
	case Open:
		e.closeNotify()
	case Handshaking, Awaiting:
		if e.hs.expect != wantClientHello {
			e.out = nil
			e.alert(levelWarning, alertCloseNotify)
		}
		e.end(net.ErrClosed)
	}
}

func (e *Engine) closeNotify() {
	if !e.closed {
		e.closed = true
		e.alert(levelWarning, alertCloseNotify)
	}
}

// Abort drops everything at once, without an alert. The engine is Failed with net.ErrClosed; a failure before stays.
func (e *Engine) Abort() {
	e.out = nil
	if e.in != nil {
		e.in.r = len(e.in.b)
		e.releaseInbox()
	}
	e.end(net.ErrClosed)
}

// end is the way to Failed: secrets go, what was held for Read and what is in Out stays.
func (e *Engine) end(err error) {
	if e.state == Failed {
		return
	}
	e.state, e.err = Failed, err
	e.dropHandshake()
	e.last = nil
	e.rd, e.wr = half{}, half{}
	e.peer = nil
}

func (e *Engine) dropHandshake() {
	if h := e.hs; h != nil {
		clear(h.master[:])
		clear(h.preMaster)
		for _, s := range []*Session{h.session, h.newTicket} {
			if s != nil {
				s.wipe()
			}
		}
		*h = handshake{}
		e.hs = nil
	}
}

// fail ends the association by err, with the alert that err carries.
func (e *Engine) fail(err error) error {
	var a *AlertError
	if errors.As(err, &a) {
		if e.cfg.Sessions != nil && !e.server {
			e.cfg.Sessions.Remove(e.cfg.ServerName) // RFC 5246, Section 7.2.2
			if a.Received && e.hs != nil && e.hs.session != nil {
				e.cfg.Sessions.refuse()
			}
		}
		if !a.Received {
			e.out = nil // an unsent flight is void
			e.alert(levelFatal, uint8(a.Alert))
		}
	}
	e.end(err)
	return e.err
}

// alert adds an alert to Out. It goes in epoch 1 from our Finished on.
func (e *Engine) alert(level, description uint8) {
	epoch := uint16(0)
	if e.hs == nil || e.hs.finishedOut {
		epoch = 1
	}
	if d, err := e.appendRecord(nil, typeAlert, epoch, []byte{level, description}); err == nil {
		e.out = append(e.out, d)
	}
}

// inbox holds opened application records: for each its length in 2 bytes and its bytes.
type inbox struct {
	b []byte
	r int
}

const (
	smallInbox = 2 << 10
	largeInbox = maxCiphertext + 2
	// wholeInbox holds all records of the longest datagram, so that it grows once however many follow a long one: a record has 2 bytes
	// here before its own, and 13 there.
	wholeInbox = 64 << 10
)

// Idle associations hold no buffer: inboxes are shared by all of a process. Thread: any.
var smallInboxes, largeInboxes = sync.Pool{New: func() any { return newInbox(smallInbox) }},
	sync.Pool{New: func() any { return newInbox(largeInbox) }}

func newInbox(size int) *inbox { return &inbox{b: make([]byte, 0, size)} }

// room makes place for n more bytes in the inbox.
func (e *Engine) room(n int) {
	old := e.in
	if old != nil && cap(old.b)-len(old.b) >= n {
		return
	}
	need := n
	if old != nil {
		need += len(old.b)
	}
	switch {
	case need <= smallInbox:
		e.in = smallInboxes.Get().(*inbox)
	case need <= largeInbox:
		e.in = largeInboxes.Get().(*inbox)
	default: // a datagram of several long records
		e.in = newInbox(max(need, wholeInbox))
	}
	if old != nil {
		e.in.b = append(e.in.b, old.b...)
		e.in.r = old.r
		old.r = len(old.b)
		old.release()
	}
}

func (b *inbox) release() {
	b.b, b.r = b.b[:0], 0
	switch cap(b.b) {
	case smallInbox:
		smallInboxes.Put(b)
	case largeInbox:
		largeInboxes.Put(b)
	}
}

func (e *Engine) releaseInbox() {
	if e.in != nil && e.in.r == len(e.in.b) {
		e.in.release()
		e.in = nil
	}
}
