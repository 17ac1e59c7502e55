package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/talloc"
)

// readsMax bounds what one call of the loop reads of one connection.
const readsMax = 16

var errStalled = errors.New("the peer does not take what is sent")

// link is one connection, or socket, and the requests that wait for an answer on it.
type link struct {
	s    *sender
	ctx  talloc.Context
	conn frio.IO // nil when it is closed
	up   bool
	// heard: a right reply has come. Until then nothing tells that there is a server that knows us.
	heard   bool
	flights [identifiers]*flight
	last    uint8 // the identifier given out last
	count   int   // flights
	queue   []*flight
	written int                      // bytes of the first in queue
	in      [2 * radius.MaxSize]byte // of a stream: what is no whole packet yet
	held    int
}

// flight is a packet on its way. It is used again when it has ended.
type flight struct {
	link    *link
	request *request
	id      uint8
	packet  []byte
	tries   int
	queued  bool
	begun   time.Time
	timer   event.Timer
	bad     error // why a reply was dropped; the last datagram error else
}

// open makes and begins a connection.
func (s *sender) open() *link {
	l := &link{s: s}
	s.links = append(s.links, l)
	err := l.ctx.Init(s.ctx, "link")
	var conn frio.IO
	if err == nil {
		conn, err = s.prototype.(frio.Copier).Copy(&l.ctx)
	}
	if err != nil {
		l.fail(err)
		return l
	}
	l.conn = conn
	l.connect()
	return l
}

func (l *link) isDatagram() bool { return l.conn.Kind() == frio.Datagram }

// connect goes on until the connection is up.
func (l *link) connect() {
	if !l.wish() {
		return
	}
	err := l.conn.Connect()
	switch {
	case err == frio.ErrAgain:
	case err != nil:
		l.fail(err)
	default:
		l.up = true
		l.s.say("Connected %s", l.conn.Describe())
		for _, f := range l.queue {
			l.s.wait(f)
		}
		l.flush()
	}
}

// wish tells the loop what is waited for.
func (l *link) wish() bool {
	var read, write func()
	if l.up {
		read = l.readable
	}
	if !l.up || len(l.queue) > 0 {
		write = l.writable
	}
	if err := l.conn.Event(l.s.loop, read, write); err != nil {
		l.fail(err)
		return false
	}
	return true
}

func (l *link) writable() {
	if !l.up {
		l.connect()
		return
	}
	l.flush()
}

// send has a packet written, for the first time or again.
func (l *link) send(f *flight) {
	f.queued = true
	l.queue = append(l.queue, f)
	if l.up {
		l.s.wait(f)
		l.flush()
	}
}

// flush writes what is queued, each packet by a call of its own, so that it is a datagram or a record of TLS.
func (l *link) flush() {
	again := false // a pending error of a socket has cost a packet, which is tried once more
	for len(l.queue) > 0 {
		f := l.queue[0]
		n, err := l.conn.Write(f.packet[l.written:])
		var packet *frio.PacketError
		switch {
		case err == frio.ErrAgain:
			l.wish()
			return
		case errors.As(err, &packet):
			if l.bounced(err); l.conn == nil {
				return
			}
			f.bad = err
			if again = !again; again {
				continue
			}
			n = len(f.packet)
		case err != nil:
			l.fail(err)
			return
		}
		if l.written += n; l.written < len(f.packet) {
			continue
		}
		l.unqueue(f)
		f.tries++
		l.s.sent(f)
		l.s.wait(f)
	}
	l.wish()
}

// unqueue takes f out of the queue.
func (l *link) unqueue(f *flight) {
	f.queued = false
	at := slices.Index(l.queue, f)
	l.queue = slices.Delete(l.queue, at, at+1)
	if at == 0 {
		l.written = 0
	}
}

// bounced takes the error of one datagram. Where nobody ever answered, that nobody listens is the end.
func (l *link) bounced(err error) {
	if !l.heard && errors.Is(err, syscall.ECONNREFUSED) {
		l.fail(err)
		return
	}
	l.s.say("%s: %v", l.conn.Describe(), err)
	for _, f := range l.flights {
		if f != nil {
			f.bad = err
		}
	}
}

func (l *link) readable() {
	for range readsMax {
		n, err := l.conn.Read(l.in[l.held:])
		var packet *frio.PacketError
		switch {
		case err == frio.ErrAgain:
			return
		case errors.As(err, &packet):
			l.bounced(err)
		case err == io.EOF:
			l.fail(errors.New("the peer has closed the connection"))
		case err != nil:
			l.fail(err)
		case l.isDatagram():
			l.receive(l.in[:n])
		default:
			l.held += n
			l.cut()
		}
		if l.conn == nil {
			return
		}
	}
}

// cut takes whole packets out of what was read.
func (l *link) cut() {
	off := 0
	for {
		n, err := radius.Frame(l.in[off:l.held])
		if err != nil {
			l.fail(fmt.Errorf("what comes is no RADIUS: %w", err))
			return
		}
		if n == 0 || n > l.held-off {
			break
		}
		l.receive(l.in[off : off+n])
		off += n
	}
	l.held = copy(l.in[:], l.in[off:l.held])
}

// receive takes one message, which may be anything.
func (l *link) receive(b []byte) {
	p, err := radius.Parse(b)
	if err != nil {
		l.s.drop(l, nil, err)
		return
	}
	f := l.flights[p.ID()]
	if f == nil || f.tries == 0 {
		l.s.say("Unexpected %v Id %d from %s", p.Code(), p.ID(), l.conn.Describe())
		l.s.counts.dropped++
		return
	}
	err = l.s.keys.CheckReply(p, f.packet[4:radius.HeaderSize], l.s.strict)
	if err == nil && !p.Code().Answers(f.request.code) {
		err = fmt.Errorf("%v is no answer to %v", p.Code(), f.request.code)
	}
	if err != nil {
		l.s.drop(l, f, err)
		return
	}
	l.heard = true
	l.s.answered(f, p)
}

// take gives f an identifier; the one that was free longest.
func (l *link) take(f *flight) {
	for {
		l.last++
		if l.flights[l.last] == nil {
			break
		}
	}
	f.link, f.id, l.flights[l.last] = l, l.last, f
	l.count++
}

// release ends a flight's claim.
func (l *link) release(f *flight) {
	if f.queued {
		l.unqueue(f)
	}
	l.flights[f.id] = nil
	l.count--
}

// fail ends the connection, and what waits on it. No packet of it is sent on another: it may have been answered there.
func (l *link) fail(err error) {
	if l.up {
		err = fmt.Errorf("%s: %w", l.conn.Describe(), err)
	}
	l.s.tell("%v", err)
	if l.count > 0 && !l.s.quiet {
		l.s.tell("requests lost with the connection: %d", l.count)
	}
	heard := l.heard
	l.close()
	for _, f := range l.flights {
		if f != nil {
			l.s.lose(f)
		}
	}
	if !heard {
		l.s.stop() // the next one would fare no better
	}
}

// close takes the link from the sender.
func (l *link) close() {
	if at := slices.Index(l.s.links, l); at >= 0 {
		l.s.links = slices.Delete(l.s.links, at, at+1)
	}
	if l.conn == nil {
		return
	}
	l.s.say("Closed %s", l.conn.Describe())
	if err := l.conn.Close(); err != nil {
		l.s.say("close: %v", err)
	}
	l.conn = nil
	l.ctx.Free()
}
