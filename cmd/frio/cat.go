package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

const catUsage = `usage: frio cat [FLAGS] STACK ADDRESS

Connects standard input and output to ADDRESS over STACK, for example tcp, udp or unix. ADDRESS is host:port, [IPv6]:port, or for
unix a path or @name. With -listen it is the server's side: of a stream it serves one connection, of datagrams the first peer.

At the end of its input it ends its side of the connection, prints what still comes, and exits. After the end of the peer's side
it waits for input until none has come for the time of -wait. Over datagrams each read of the input, at most 65507
bytes (a line, where it is typed), is a datagram; it ends when the input has ended and no datagram has come for the time of -wait.
Exit code 1 if the connection fails or a datagram cannot be sent.

`

// catFlags are the flags of cat.
type catFlags struct {
	target
	verbose bool
	wait    time.Duration
}

func cat(args []string, std streams) int {
	var f catFlags
	fs := flags("cat", catUsage, std)
	fs.BoolVar(&f.listen, "listen", false, "wait for a peer at ADDRESS instead of connecting to it")
	fs.BoolVar(&f.verbose, "v", false, "say on standard error what happens")
	fs.DurationVar(&f.wait, "wait", time.Second, "how long to wait for what may still come")
	fs.DurationVar(&f.timeout, "timeout", 0, "how long a connect may take (default 10s)")
	fs.StringVar(&f.kind, "type", "", "stream or datagram, of a unix socket")
	f.flags(fs)
	rest, code, ok := parse(fs, args, std)
	switch {
	case !ok:
		return code
	case len(rest) != 2:
		return misuse(fs, std, "it takes STACK and ADDRESS, not %d arguments", len(rest))
	case f.wait < 0 || f.timeout < 0:
		return misuse(fs, std, "a time cannot be negative")
	case f.listen && f.timeout > 0:
		return misuse(fs, std, "-timeout has no effect with -listen")
	}
	text, err := f.section(rest[0], rest[1])
	if err != nil {
		return misuse(fs, std, "%v", err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)

	root := talloc.Root("cat")
	defer root.Free()
	c := &conversation{catFlags: f, std: std}
	one, mistakes := f.parse(root, text)
	if mistakes != nil {
		tell(std.err, "cat", mistakes)
		return exitUsage
	}
	loop, err := event.New(root, sock.System, event.Config{Name: "cat", OnError: c.fail})
	if err != nil {
		c.fail(err)
		return exitFailed
	}
	defer loop.Close()
	c.loop, c.ctx = loop, root
	return c.run(one, signals)
}

// conversation is one run of cat: input, an IO, output. It belongs to the loop's thread; two goroutines read the input
// and write the output, which may block.
type conversation struct {
	catFlags
	std   streams
	loop  *event.Loop
	ctx   *talloc.Context
	timer event.Timer // ends the waiting

	listener frio.IO // with -listen
	conn     frio.IO // nil before the peer is there
	up       bool
	heard    bool // the peer has sent something

	input  *reader
	output *writer
	unsent []byte // of the input's last read; a datagram whole
	shut   bool   // our side is ended
	ended  bool   // the peer's side is
	over   bool
	failed bool
}

// fail prints why the exit code will be 1.
func (c *conversation) fail(err error) {
	c.failed = true
	fmt.Fprintln(c.std.err, "frio cat:", err)
}

// bounced prints an error that cost one datagram, and of which connection.
func (c *conversation) bounced(err error) { c.fail(fmt.Errorf("%s: %w", c.conn.Describe(), err)) }

func (c *conversation) say(what string, one frio.IO) {
	if c.verbose {
		fmt.Fprintf(c.std.err, "%s %s\n", what, one.Describe())
	}
}

// run goes on until the conversation is over, and returns the exit code.
func (c *conversation) run(one frio.IO, signals <-chan os.Signal) int {
	c.timer.Init((*waiter)(c))
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-ended:
		case sig := <-signals:
			c.loop.Post(func() { c.finish(fmt.Errorf("%v", sig)) })
		}
	}()
	c.input = newReader(c.std.in, c.loop, ended, c.got)
	c.output = newWriter(c.std.out, c.loop, ended, c.printed)
	c.start(one)
	if !c.over {
		if err := c.loop.Run(); err != nil {
			c.fail(err)
		}
	}
	if c.failed {
		return exitFailed
	}
	return exitDone
}

func (c *conversation) start(one frio.IO) {
	if c.listen {
		c.await(one)
		return
	}
	c.conn = one
	if err := c.wish(false, true); err != nil {
		c.finish(err)
		return
	}
	c.connect()
}

// await opens the listener and waits for a peer.
func (c *conversation) await(one frio.IO) {
	c.listener = one
	if gated, ok := one.(frio.Gated); ok {
		err := gated.SetGate(func(*frio.Packet, []byte) ([]byte, frio.Verdict) { return nil, frio.GateChild })
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			c.finish(err)
			return
		}
	}
	if err := one.Open(); err != nil {
		c.finish(err)
		return
	}
	c.say("listen", one)
	for _, l := range shards(one) {
		if err := l.Event(c.loop, func() { c.accept(l) }, nil); err != nil {
			c.finish(err)
			return
		}
	}
}

// shards are the sockets of one.
func shards(one frio.IO) []frio.IO {
	if s, ok := one.(frio.Sharder); ok {
		return s.Shards()
	}
	return []frio.IO{one}
}

// accept takes the first peer, and nobody after it.
func (c *conversation) accept(l frio.IO) {
	child, err := l.Accept(c.ctx)
	switch {
	case err == frio.ErrAgain:
		return
	case errors.Is(err, errors.ErrUnsupported):
		child = l // it has no children: its Write answers whoever sent last
	case err != nil:
		c.finish(err)
		return
	}
	for _, other := range shards(c.listener) {
		if err := other.Event(c.loop, nil, nil); err != nil {
			c.finish(err)
			return
		}
	}
	c.conn = child
	c.say("accept", child)
	c.connect()
}

// connect goes on with the connection, or a layer's handshake, until it is up.
func (c *conversation) connect() {
	if c.listen {
		st, ok := c.conn.(frio.Stater)
		c.up = !ok || st.State() != frio.StateHandshaking
	} else {
		err := c.conn.Connect()
		if err != nil && err != frio.ErrAgain {
			c.finish(err)
			return
		}
		c.up = err == nil
		if c.up {
			c.say("connect", c.conn)
		}
	}
	c.settle()
}

// writable is called by the loop.
func (c *conversation) writable() {
	if !c.up {
		c.connect()
		return
	}
	c.settle()
}

// readable gives the output what has come.
func (c *conversation) readable() {
	n, err := c.conn.Read(c.output.buffer())
	var packet *frio.PacketError
	switch {
	case n > 0:
		c.heard = true
		c.output.write(n)
		if c.isDatagram() {
			c.timer.Stop() // the time begins anew
		}
	case err == frio.ErrAgain:
	case err == io.EOF:
		c.ended = true
	case errors.As(err, &packet):
		c.bounced(err)
	default:
		c.finish(err)
	}
	c.settle()
}

func (c *conversation) isDatagram() bool { return c.conn.Kind() == frio.Datagram }

// got takes a read of the input.
func (c *conversation) got(p []byte) {
	c.unsent = p
	c.timer.Stop() // the time begins anew
	c.settle()
}

// printed is called when the output has taken everything.
func (c *conversation) printed(err error) {
	if err != nil {
		c.finish(fmt.Errorf("standard output: %w", err))
		return
	}
	c.settle()
}

// settle sends what can be sent, and tells the loop what is waited for, or ends.
func (c *conversation) settle() {
	if c.conn == nil || c.over {
		return
	}
	if c.up {
		c.send()
		if c.over || c.isOver() {
			c.finish(nil)
			return
		}
	}
	if err := c.wish(c.up && !c.ended && !c.output.busy, !c.up || len(c.unsent) > 0 && c.maySend()); err != nil {
		c.finish(err)
		return
	}
	c.arm()
}

// maySend tells whether there is somebody to send to: a listener that is its own connection answers only.
func (c *conversation) maySend() bool { return c.heard || c.conn != c.listener }

// send writes what was read, and ends our side after the last of it.
func (c *conversation) send() {
	for len(c.unsent) > 0 && c.maySend() {
		n, err := c.conn.Write(c.unsent)
		var packet *frio.PacketError
		switch {
		case err == frio.ErrAgain:
			return
		case errors.As(err, &packet):
			c.bounced(err)
			n = len(c.unsent)
		case err != nil:
			c.finish(err)
			return
		}
		if c.unsent = c.unsent[n:]; len(c.unsent) == 0 {
			c.input.next()
		}
	}
	if len(c.unsent) > 0 || !c.input.ended || c.shut {
		return
	}
	c.shut = true
	if err := c.input.err; err != nil {
		c.fail(fmt.Errorf("standard input: %w", err))
	}
	if half, ok := c.conn.(frio.CloseWriter); ok && !c.ended {
		if err := half.CloseWrite(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			c.finish(err)
		}
	}
}

// isOver tells whether all has been said and printed.
func (c *conversation) isOver() bool {
	return c.ended && !c.output.busy && (c.shut || c.isDatagram())
}

// wish tells the loop what the connection waits for.
func (c *conversation) wish(reads, writes bool) error {
	var read, write func()
	if reads {
		read = c.readable
	}
	if writes {
		write = c.writable
	}
	return c.conn.Event(c.loop, read, write)
}

// arm has the waiting end where it must not be for ever.
func (c *conversation) arm() {
	waits := c.ended && !c.shut // for input, when the peer has ended
	if c.isDatagram() {
		waits = c.shut && (c.heard || !c.listen) // for datagrams, when the input has ended
	}
	if waits && c.timer.When().IsZero() {
		c.timer.Set(c.loop, c.loop.Now().Add(c.wait))
	}
}

// waiter is the conversation as its timer sees it.
type waiter conversation

func (w *waiter) Expire(time.Time) {
	c := (*conversation)(w)
	if c.output.busy {
		c.arm()
		return
	}
	c.finish(nil)
}

func (w *waiter) Describe() string { return "frio cat" }

// finish ends the conversation; err is why, if it did not end in order.
func (c *conversation) finish(err error) {
	if c.over {
		return
	}
	c.over = true
	if err != nil {
		c.fail(err)
	}
	c.timer.Stop()
	for _, one := range []frio.IO{c.conn, c.listener} {
		if one == nil {
			continue
		}
		c.say("close", one)
		if err := one.Close(); err != nil {
			c.fail(err)
		}
	}
	c.loop.Stop()
}
