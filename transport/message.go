package transport

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/queue"
)

var (
	// ErrNoRoom is told when datagrams were dropped because the socket had no room for them.
	ErrNoRoom = &frio.PacketError{Op: "write", Err: errors.New("no room in the socket")}
	// ErrFull is what Reserve gives when a connection has all the output that it may.
	ErrFull  = errors.New("the connection's output is full")
	errEmpty = &frio.PacketError{Op: "write", Err: errors.New("an empty datagram cannot be sent")}
)

// Addr is where a datagram comes from or goes to. A reply that is sent to the Addr of its request leaves from the address and the
// interface that were asked. Of a connection it is zero.
type Addr struct {
	Remote, Local netip.AddrPort
	Ifindex       uint32
}

// Message is a whole message in the ring of the thread that read it.
type Message struct {
	Data []byte // valid until the user's callback returns, or until Done of what Take returned
	Addr
	Time time.Time // when the turn began that read it

	m     queue.Message[header]
	taken bool
}

type header struct{}

// From is where a message came from: of a connection its peer.
func (m *Message) From(c *Conn) netip.AddrPort {
	if m.Remote.IsValid() {
		return m.Remote
	}
	return c.RemoteAddr()
}

// Take keeps the message beyond the callback: its memory stays as it is, also for another thread, until Done. One that is kept long
// keeps the ring from being used: such a one is copied.
func (m *Message) Take() Held {
	m.taken = true
	return Held{m.m}
}

// Held is a message that was taken. Thread: the holder's; sending it gives it away.
type Held struct{ m queue.Message[header] }

// Data is the message, valid until Done.
func (h Held) Data() []byte { return h.m.Data() }

// Done gives the memory back, once.
func (h Held) Done() { h.m.Done() }

// Framer says how long the first message in b is, in bytes: 0 while b does not tell yet. The length may be more than b has. An error is
// that of a stream whose framing is lost: it ends the connection. It keeps nothing of b.
type Framer func(b []byte) (n int, err error)

// Config is how a Conn treats its messages.
type Config struct {
	Frame      Framer        // of streams; nil: whatever is read is a message
	MessageMax int           // the longest message in bytes, at most 64 KiB; longer datagrams are dropped and told as a fault
	Timeout    time.Duration // message_timeout: for the rest of a message that has begun; 0: never
	OutMax     int           // what a stream may have to send, in bytes; default outMax; one message may always wait
	Counts     *Counts       // counts too, for all that share it; nil: nobody's
}

const (
	// readMax is what is read of a stream at once where it is cut, and chunkMax where it is not.
	readMax  = 16 << 10
	chunkMax = 64 << 10
	// readMessages is how many messages such a read may hold; more wait for the next turn.
	readMessages = 256
)

func (c *Config) withDefaults() Config {
	d := *c
	if d.MessageMax <= 0 || d.MessageMax > chunkMax {
		d.MessageMax = chunkMax
	}
	if d.OutMax <= 0 {
		d.OutMax = outMax
	}
	return d
}

// Stats are what a Conn has counted.
type Stats struct {
	In, Out           uint64 // messages
	BytesIn, BytesOut uint64
	Dropped           uint64 // datagrams that the socket had no room for
	Faults            uint64 // errors that cost a datagram
}

// Counts are what several Conns have counted together. Thread: any.
type Counts struct {
	In, Out           atomic.Uint64 // messages
	BytesIn, BytesOut atomic.Uint64
	Dropped           atomic.Uint64 // datagrams that the socket had no room for
}

// came and went count messages, and bytes of streams apart from them.
func (c *Conn) came(count, n int) {
	c.stats.In += uint64(count)
	c.stats.BytesIn += uint64(n)
	if k := c.cfg.Counts; k != nil {
		k.In.Add(uint64(count))
		k.BytesIn.Add(uint64(n))
	}
}

func (c *Conn) went(count, n int) {
	c.stats.Out += uint64(count)
	c.stats.BytesOut += uint64(n)
	if k := c.cfg.Counts; k != nil {
		k.Out.Add(uint64(count))
		k.BytesOut.Add(uint64(n))
	}
}

func (c *Conn) dropped(count int) {
	c.stats.Dropped += uint64(count)
	if k := c.cfg.Counts; k != nil {
		k.Dropped.Add(uint64(count))
	}
}
