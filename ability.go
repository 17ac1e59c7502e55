package frio

import (
	"io"
	"iter"
	"net/netip"
	"time"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
)

// The rare abilities are found by type assertion; a layer forwards those that it keeps.

// PacketIO reads and writes datagrams in batches, with their addresses.
type PacketIO interface {
	// ReadPackets fills packets from the front and returns how many datagrams it took
	// from the kernel. A bad one has Data of length 0 and its *PacketError in Err. A pending
	// socket error is (0, *PacketError) and used up no Packet.
	ReadPackets(packets []Packet) (count int, err error)
	// WritePackets returns how many were sent. It stops before a bad Packet; the next call
	// returns (0, *PacketError), which used up exactly that one. It never sets Err.
	WritePackets(packets []Packet) (count int, err error)
}

// CloseWriter ends the writing direction after what was written; reading goes on.
type CloseWriter interface{ CloseWrite() error }

// Addresser tells the addresses that count: after a PROXY header those it gave.
type Addresser interface {
	LocalAddr() netip.AddrPort
	RemoteAddr() netip.AddrPort
}

// SocketAddresser tells the addresses of the socket itself, whatever a PROXY header said.
type SocketAddresser interface {
	SocketAddr() (local, remote netip.AddrPort)
}

// PathAddresser tells the names of a Unix socket's two ends, "@name" for an abstract one; "" is an end without a name, and both ends
// of any other socket. Layers do not forward it: it is found by Lower.
type PathAddresser interface {
	SocketPaths() (local, remote string)
}

// Corker gathers what is written until Uncork, so that it goes in few calls; a datagram stays one. Uncork's error is that of Write, of any of
// what was gathered.
type Corker interface {
	Cork()
	Uncork() error
}

// Identity is who the peer proved to be. A method fills in what it knows.
type Identity struct {
	// A Unix socket's peer; HasCred tells whether UID, GID and PID are set.
	HasCred  bool
	UID, GID uint32
	PID      int32
	// Certificate is what the tls layer verified; nil without one.
	Certificate any
}

// Peer tells who the peer proved to be; nil before that is known.
type Peer interface{ PeerIdentity() *Identity }

// Handle is what a parent knows of a child, wherever that lives.
type Handle struct {
	ID     uint64
	Name   string
	Thread string // "" is the parent's own
	State  State
}

// Parent lists its children until visit returns false.
type Parent interface {
	Children(visit func(Handle) bool)
}

// Layer tells what an IO stands on.
type Layer interface{ Lower() IO }

// Stack is an IO and what it stands on, the outermost first; none of nil.
func Stack(io IO) iter.Seq[IO] {
	return func(yield func(IO) bool) {
		for one := io; one != nil && yield(one); {
			layer, ok := one.(Layer)
			if !ok {
				return
			}
			one = layer.Lower()
		}
	}
}

// Socket is what a stack stands on; nil of nil.
func Socket(top IO) (socket IO) {
	for one := range Stack(top) {
		socket = one
	}
	return socket
}

// Stater tells the state.
type Stater interface{ State() State }

// Sharder is one IO with several sockets. Open, Close, Describe and Debug act on the whole;
// Accept, Read, Write and Event on the shards. Each of these is a Shard. Once one has gone to another thread, the whole is not called
// any more: who closes it closes each shard on its own thread.
type Sharder interface{ Shards() []IO }

// Shard is a listener with a context of its own, which holds its memory, with that of the layers on it and of nothing else. So it goes to
// another thread while it is in no loop: Detach there, Adopt here. Of its children only those that are Tied go along.
type Shard interface {
	IO
	Context() *talloc.Context
}

// Verdict is what a Gate says about a datagram.
type Verdict uint8

const (
	GateDrop    Verdict = iota // unknown peer: forget it. Known peer: nothing special, its child gets it
	GateReply                  // send reply to where it came from; keep nothing
	GateChild                  // the peer's child gets it; an unknown peer gets a child first
	GateReplace                // the peer's old child ends with ErrReset, a fresh one gets the datagram
)

// Gate looks at every datagram before there is state for it. It keeps nothing of p and no state of its own,
// allocates nothing, and may build reply in scratch. Thread: the listener's.
type Gate func(p *Packet, scratch []byte) (reply []byte, v Verdict)

// Gated takes a Gate. It must be set before Open.
type Gated interface{ SetGate(Gate) error }

// Admit tells whether a peer may come. It allocates nothing. Thread: the listener's; of a listen with shards on several, each of these.
type Admit func(peer netip.AddrPort, now time.Time) bool

// Admitter is a listener that asks about the peers of its socket before there is any state for them: no child, no handshake. A connection that may
// not come is closed unread, a datagram dropped. A layer that learns a peer's real address later has it not. It must be set before Open.
type Admitter interface{ SetAdmit(Admit) error }

// Link is what a child tells its parent. Thread: any.
type Link interface {
	// ChildClosed says, exactly once, that the child is gone.
	ChildClosed(id uint64)
	// Release says that a slot is free: try to accept again.
	Release()
}

// Remote is the Link of a child that its parent may not touch any more, because it may live on another thread: it stands for
// the child there.
type Remote interface {
	Link
	Identified
	// Handle tells what is known of the child. Thread: the parent's.
	Handle() Handle
	// CloseNow has the child closed on its thread. The parent has closed: it is told of nothing any more. Thread: the parent's.
	CloseNow()
}

// Linked is a child whose Link can be replaced, at hand-over to another thread. With a Remote the parent keeps that in
// the child's place, until it is told ChildClosed; with another Link it forgets the child.
type Linked interface{ SetLink(Link) }

// Tied is a child that may live on its parent's descriptor: then it has no loop and thread of its own, and moves with it only.
type Tied interface{ Tied() bool }

// Lingerer closes like Close, after sending tail as well. It copies the tail.
type Lingerer interface{ CloseTail(tail []byte) error }

// Identified is a child that knows the number its parent gave it.
type Identified interface{ ID() uint64 }

// AddrSetter is a connecting side that tells its peer on whose behalf it speaks: the PROXY protocol.
type AddrSetter interface {
	// SetAddrs gives the real client's address and the one that it connected to, of one family; two zero values stand for
	// the proxy's own connections. It must come before Connect: when the header is on its way it is an error.
	SetAddrs(source, destination netip.AddrPort) error
}

// Copier makes another IO of the same configuration in ctx, as if its section had been parsed again: not connected. Every
// connecting side has it; what they share does not change after Parse, so a section is read once. Thread: any.
type Copier interface {
	Copy(ctx *talloc.Context) (IO, error)
}

// Noter is an IO whose configuration is good, but about which there is something to say: a key without effect, a
// certificate that ends soon. Each begins with "note: " or "warning: ".
type Noter interface{ Notes() conf.Errors }

// Heir is a listener that can go on with the socket of another one, so that nobody is refused in between and nothing that waits in it is lost.
type Heir interface {
	// Inherit has the next Open take a duplicate of from's socket. from is open, and not closed during the call; when Open is called it takes
	// nobody any more. With that it leaves the name of a Unix socket to who opens. shared: its children go on reading that socket, so Open has
	// to wait until from is closed. The error is errors.ErrUnsupported if from's is not what Open would make: another method, address or
	// interface. A nil from takes it back.
	Inherit(from IO) (shared bool, err error)
}

// Quitter is a listener that can give up its socket while its children, which have their own, go on: the address is free, and who comes is refused
// at once instead of waiting for nobody. Accept returns net.ErrClosed from then on. Thread: the listener's.
type Quitter interface{ Quit() }

// Reloader is a layer that keeps what files say, certificates and CRLs, and whose section may change while it is open.
type Reloader interface {
	// Reload has the layer, and all connections of it, do what the section of as says, whose files were read when that was parsed: an IO of the
	// same method, role and kind that was never opened, or the error is errors.ErrUnsupported. The sections of other methods, and limit { }, are
	// not looked at. Of nil the files of its own section are read again; with a mistake what was read before stays. Thread: any that may
	// block on files.
	Reload(as IO) error
	// OnReload has failed told of files that are looked after by time and were found changed and wrong, from any goroutine.
	OnReload(failed func(error))
}

// Indent is Debug's nesting: it returns a writer that indents every line.
func Indent(w io.Writer) io.Writer { return &indenter{w: w, start: true} }

type indenter struct {
	w     io.Writer
	start bool
}

func (i *indenter) Write(p []byte) (int, error) {
	total := 0
	for len(p) > 0 {
		if i.start {
			if _, err := io.WriteString(i.w, "\t"); err != nil {
				return total, err
			}
			i.start = false
		}
		line := p
		for k, b := range p {
			if b == '\n' {
				line, i.start = p[:k+1], true
				break
			}
		}
		n, err := i.w.Write(line)
		total += n
		if err != nil {
			return total, err
		}
		p = p[len(line):]
	}
	return total, nil
}
