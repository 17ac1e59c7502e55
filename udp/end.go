package udp

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// end is what a Client and a Connected have in common: a socket of their own that has one peer, and their place in a loop.
type end struct {
	socket
	of            ended
	reg           event.FD
	timer         event.Timer
	notice        event.Task // announces what the poller does not know of
	loop          *event.Loop
	read, write   func()
	local, remote netip.AddrPort
	closed        bool
	err           error // final, of both directions
	readEnded     bool  // it was returned
	writeEnded    bool
}

// ended is who has an end.
type ended interface {
	Describe() string
	// holds tells whether there is something to read that the poller does not know of.
	holds() bool
	// fail makes err the result of both directions.
	fail(err error)
	// move leaves one loop for another, leave leaves it.
	move(loop *event.Loop) error
	leave()
}

// The parts of an end that its loop calls.
type (
	endNotice end
	endReady  end
)

func (e *endNotice) RunTask()         { (*end)(e).announce() }
func (e *endNotice) Describe() string { return e.of.Describe() }

func (e *endReady) Ready(r event.Ready) { (*end)(e).ready(r) }
func (e *endReady) Describe() string    { return e.of.Describe() }

// event is Event.
func (e *end) event(loop *event.Loop, read, write func()) error {
	sock.CheckLoop(e.kernel, loop)
	if e.closed {
		return net.ErrClosed
	}
	if loop != e.loop {
		if err := e.of.move(loop); err != nil {
			return fmt.Errorf("event %s: %w", e.of.Describe(), err)
		}
	}
	e.read, e.write = read, write
	if err := e.wish(); err != nil {
		e.of.leave()
		return fmt.Errorf("event %s: %w", e.of.Describe(), err)
	}
	return nil
}

// enter enters a loop; nil: none.
func (e *end) enter(loop *event.Loop) error {
	if e.loop != nil && loop != nil {
		return errTwoLoops
	}
	e.of.leave()
	if loop != nil && e.fd >= 0 {
		if err := e.reg.Attach(loop); err != nil {
			return err
		}
	}
	e.loop = loop
	return nil
}

// exit leaves the loop.
func (e *end) exit() {
	e.reg.Detach()
	e.timer.Stop()
	e.notice.Cancel()
	e.loop, e.read, e.write = nil, nil, nil
}

// wish tells the loop what the end waits for.
func (e *end) wish() error {
	if e.loop == nil {
		return nil
	}
	if e.fd >= 0 {
		var want event.Ready
		if e.read != nil {
			want |= event.Read
		}
		if e.write != nil {
			want |= event.Write
		}
		if err := e.reg.Want(want); err != nil {
			return err
		}
	}
	e.tell()
	return nil
}

// tell has what the poller does not know of announced.
func (e *end) tell() {
	if e.loop != nil && e.announces() {
		e.loop.Defer(&e.notice)
	}
}

// announces tells whether there is something that the poller does not know of, and somebody to be told.
func (e *end) announces() bool {
	if e.err == nil {
		return e.read != nil && e.of.holds()
	}
	return e.read != nil && !e.readEnded || e.write != nil && !e.writeEnded
}

// announce is called once a turn while announces.
func (e *end) announce() {
	loop := e.loop
	if e.read != nil && !e.readEnded && (e.err != nil || e.of.holds()) {
		e.read()
	}
	if e.loop == loop && e.write != nil && !e.writeEnded && e.err != nil {
		e.write()
	}
	if e.loop == loop {
		e.tell()
	}
}

// ready is called by the loop.
func (e *end) ready(r event.Ready) {
	loop := e.loop
	if r&event.Read != 0 && e.read != nil && !e.of.holds() { // else announce does it
		e.read()
	}
	if r&event.Write != 0 && e.loop == loop && e.fd >= 0 && e.write != nil {
		e.write()
	}
}

func (e *end) now() time.Time {
	if e.loop != nil {
		return e.loop.Now()
	}
	return e.kernel.Now()
}

// didRead makes the result of reading, and announces what the poller does not know of.
func (e *end) didRead(err error) error {
	e.tell()
	if _, ok := err.(*frio.PacketError); ok || err == nil || err == frio.ErrAgain {
		return err
	}
	err, final := e.readError(err)
	if final {
		e.of.fail(err)
		return e.endRead()
	}
	return err
}

// sendOne sends p to the peer.
func (e *end) sendOne(p []byte) (int, error) {
	if _, err := e.kernel.Send(e.fd, p); err != nil {
		return 0, e.writeFailed(err)
	}
	e.sent(1, len(p))
	return len(p), nil
}

// sendPackets sends the Data of each to the peer. A Remote, where one is set, must be the peer's: another one is EISCONN.
func (e *end) sendPackets(packets []frio.Packet) (int, error) {
	s := getSlab()
	defer putSlab(s)
	if !s.address(packets, e.remote, frio.Packet{}) {
		e.counts.Errors.add(errOtherPeer.Err)
		return 0, errOtherPeer
	}
	count, err := e.send(s.out[:s.outCount])
	if err != nil {
		return 0, e.writeFailed(err)
	}
	return count, nil
}

func (e *end) writeFailed(err error) error {
	err, final := e.writeError(err)
	if final {
		e.of.fail(err)
		return e.endWrite()
	}
	return err
}

// endRead returns the end, which from now on counts as announced to the reader.
func (e *end) endRead() error {
	e.readEnded = true
	return e.err
}

func (e *end) endWrite() error {
	e.writeEnded = true
	return e.err
}

// debugState writes the state and what the end waits for; more stands behind the state.
func (e *end) debugState(w io.Writer, state frio.State, more string) {
	fmt.Fprintf(w, "state %v%s%s%s%s\n", state, more, word(e.read != nil && !e.readEnded, ", wants read"),
		word(e.write != nil && !e.writeEnded, ", wants write"), word(e.loop == nil, ", no loop"))
}

// Kind is Datagram.
func (e *end) Kind() frio.Kind { return frio.Datagram }

// LocalAddr is the address of ours that the peer speaks to, RemoteAddr the peer's; zero until there is a socket.
func (e *end) LocalAddr() netip.AddrPort  { return e.local }
func (e *end) RemoteAddr() netip.AddrPort { return e.remote }

// SocketAddr is LocalAddr and RemoteAddr.
func (e *end) SocketAddr() (local, remote netip.AddrPort) { return e.local, e.remote }

// Counts are those of the socket. Thread: any.
func (e *end) Counts() *Counts { return &e.counts }
