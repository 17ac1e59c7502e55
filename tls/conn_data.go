package tls

import (
	ctls "crypto/tls"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/tls/dtls"
)

// connect starts or goes on with the layer below, and begins the handshake when that is up.
func (c *Conn) connect() {
	c.state = frio.StateConnecting
	err := c.lower.Connect()
	switch {
	case err == frio.ErrAgain:
		c.rewish()
		return
	case err != nil:
		c.fail(err)
		return
	}
	how := c.how()
	c.begin()
	c.s.checked = uint32(how.reloads.Load()) // before what it is judged by is taken
	if how.kind == frio.Datagram {
		c.s.eng, err = dtls.NewClient(how.set.datagram())
	} else {
		c.s.eng = c.newStream(true)
	}
	if err == nil {
		err = c.s.eng.Start(c.now())
	}
	c.collect()
	if err != nil {
		c.failed(err)
		return
	}
	c.arm()
	c.rewish()
}

// begin is the beginning of the handshake.
func (c *Conn) begin() {
	c.state = frio.StateHandshaking
	c.since = c.now().UnixNano()
	c.share.add(c)
}

func (c *Conn) newStream(client bool) *stream {
	_, peer := addrs(c.lower)
	cfg := c.how().set.stream()
	if client && offers(cfg) {
		c.s.offered = cfg
	}
	e := newStream(&c.ctx, cfg, client, peer)
	e.wire.wake = c.newWaker().fire
	return e
}

// startServer makes the engine, when there is something for it.
func (c *Conn) startServer() error {
	s := c.session()
	if s.eng != nil {
		return nil
	}
	s.times.Start(time.Unix(0, c.since), &c.how().limits)
	s.checked = uint32(c.how().reloads.Load()) // before what it is judged by is taken
	if !c.datagram() {
		s.eng = c.newStream(false)
		return nil
	}
	e, err := dtls.NewServer(c.how().set.datagram())
	if err != nil {
		return err
	}
	s.eng = e
	return nil
}

// pump reads from below once and goes on with all that was read.
func (c *Conn) pump() {
	if c.s != nil && (c.s.readErr != nil || c.s.stalled) {
		c.feedHeld()
		return
	}
	if c.feedHeld() {
		return
	}
	c.pull()
}

// advance goes on with what is held, or reads from below once; false, with ErrAgain or the end, if there is nothing.
func (c *Conn) advance() (bool, error) {
	if c.feedHeld() || c.pull() {
		return true, nil
	}
	if c.s.readErr != nil {
		return true, nil
	}
	return false, frio.ErrAgain
}

// pull reads from below and feeds; false if there was nothing.
func (c *Conn) pull() bool {
	if c.datagram() {
		return c.pullDatagrams()
	}
	if c.wholeHeld() {
		return false // it waits for its turn, an answer or the upper: an end below must not overtake it
	}
	if c.s != nil && c.s.out.len() >= highWater {
		if c.flush(); c.s.out.len() >= highWater {
			return false // what is read could make more
		}
	}
	var fresh input // while there is no session
	in := &fresh
	if c.s != nil {
		in = &c.s.in
	}
	room, err := in.open(&c.ctx)
	if err != nil {
		c.fail(err)
		return false
	}
	n, err := c.lower.Read(room[c.tail.copyTo(room):])
	if n > 0 {
		n += c.tail.len()
		c.dropTail()
		in.end += uint16(n)
		switch {
		case in == &fresh && c.keepTail(in.bytes()):
			in.release()
			return true
		case in == &fresh:
			in = &c.session().in
			*in = fresh
		}
		c.feedHeld()
	}
	in.settle(&c.ctx)
	if n == 0 && err != frio.ErrAgain {
		c.lowerEnded(err)
	}
	return n > 0
}

// lowerEnded takes the end of the layer below. An end without close_notify is no end in order (RFC 8446, Section 6.1).
func (c *Conn) lowerEnded(err error) {
	if err == io.EOF {
		err = frio.ErrTruncated
	}
	if c.s != nil && c.s.writeErr != nil && errors.Is(c.s.writeErr, frio.ErrReset) {
		err = c.s.writeErr // Write met it first
	}
	if c.unseen() && (errors.Is(err, frio.ErrTruncated) || errors.Is(err, frio.ErrReset)) {
		err = fmt.Errorf("%w (nothing came since the handshake: the peer may have refused our certificate)", err)
	}
	c.failed(err)
}

// unheard tells whether it is a client that has heard nothing of its peer but the handshake.
func (c *Conn) unheard() bool {
	return c.role == frio.Client && c.state == frio.StateOpen && c.s.bytesIn == 0
}

// unseen tells whether it may be that the server has not seen our certificate before: in TLS 1.3 the client is done first.
func (c *Conn) unseen() bool {
	return c.unheard() && c.s.bytesOut > 0 && c.s.eng.ConnectionState().Version == ctls.VersionTLS13
}

// failed ends the connection by err, which in a handshake gets its reason.
func (c *Conn) failed(err error) {
	if c.state == frio.StateHandshaking || c.refusedLate(err) {
		if _, received, ok := alertOf(err); ok && received && c.s != nil && c.s.offered != nil {
			distrust(c.s.offered)
		}
		err = c.how().set.handshakeError(err)
	} else {
		err = inWords(err)
	}
	c.fail(err)
}

// refusedLate tells whether err is the peer's refusal of our handshake: the alert comes, in TLS 1.3, as the first thing on a connection that is open.
func (c *Conn) refusedLate(err error) bool {
	if !c.unheard() {
		return false
	}
	_, received, ok := alertOf(err)
	return ok && received
}

// feedHeld gives the engine whole records that are held, until one has data; false if there was none.
func (c *Conn) feedHeld() (progress bool) {
	if c.datagram() || c.s == nil {
		return false
	}
	stepped := false
	for s := c.s; s.in.len() > 0; {
		b := s.in.bytes()
		n, err := cut(b, !s.fed)
		if err != nil {
			c.badRecord(b[:n], err)
			return true
		}
		if n == 0 {
			return progress
		}
		if err := c.startServer(); err != nil {
			c.failed(err)
			return true
		}
		if s.readErr != nil || s.eng.Held() || s.eng.State() == dtls.Awaiting {
			return progress
		}
		if c.state == frio.StateHandshaking && !stepped {
			if stepped = c.share.step(c); !stepped {
				c.stall()
				return progress
			}
		}
		s.fed = true
		used, err := s.eng.Feed(c.now(), b[:n])
		s.in.drop(used)
		progress = true
		c.collect()
		if !c.afterFeed(err) {
			return true
		}
	}
	return progress
}

// stall puts the handshake off, until its turn comes in run.
func (c *Conn) stall() {
	if s := c.session(); !s.stalled {
		s.stalled = true
		c.share.waiting++
		c.how().counts.Deferred.Add(1)
		c.loop().Defer(&s.task)
	}
}

// unstall says that it does not wait any more.
func (c *Conn) unstall() {
	if s := c.s; s != nil && s.stalled {
		s.stalled = false
		if c.loop() != nil { // else it was counted when it left
			c.share.waiting--
		}
	}
}

// badRecord ends a connection that sends what is no record.
func (c *Conn) badRecord(header []byte, err error) {
	s := c.session()
	if s.fed && s.eng != nil && s.eng.State() != dtls.Awaiting {
		// crypto/tls refuses the header by itself, with an alert under the present keys.
		if _, own := s.eng.Feed(c.now(), header); own != nil {
			c.collect()
			c.failed(own)
			return
		}
	}
	description := byte(alertUnexpectedMessage)
	if err == errTooLong {
		description = alertRecordOverflow
	}
	if addErr := s.out.add(&c.ctx, plainAlert(description)); addErr != nil {
		err = addErr
	}
	c.failed(err)
}

// afterFeed sees what Feed has changed; false if the connection is over.
func (c *Conn) afterFeed(err error) bool {
	if err != nil {
		c.failed(err)
		return false
	}
	switch c.s.eng.State() {
	case dtls.Open, dtls.PeerClosed:
		if c.state == frio.StateHandshaking {
			c.opened()
		}
	}
	c.noticeEngine(nil)
	return c.state == frio.StateHandshaking || c.state == frio.StateOpen
}

// opened is the end of the handshake.
func (c *Conn) opened() {
	s := c.s
	how := c.how()
	c.share.remove(c, true)
	c.state = frio.StateOpen
	c.share.add(c)
	c.unstall()
	how.counts.Handshakes.Add(1)
	if s.eng.ConnectionState().DidResume {
		how.counts.Resumed.Add(1)
	}
	if c.role == frio.Client {
		s.times.Start(c.now(), &how.limits)
	} else {
		s.times.Took(c.now())
	}
	s.waker = nil
	c.freeSlot()
	c.arm()
	c.catchUp() // the peer may have been judged before a reload, and the handshake gone on
}

// noticeEngine takes over an end that the engine knows of, when nothing is held before it.
func (c *Conn) noticeEngine(err error) {
	s := c.s
	if s.readErr != nil || s.eng.Held() {
		return
	}
	switch s.eng.State() {
	case dtls.PeerClosed:
		s.readErr = io.EOF
		if c.datagram() && s.writeErr == nil {
			s.writeErr = syscall.EPIPE // close_notify ends both directions there
		}
	case dtls.Failed:
		if err == nil {
			err = s.eng.Err()
		}
		c.failed(err)
	}
}

// collect sends, or keeps, what the engine itself wants sent.
func (c *Conn) collect() {
	s := c.s
	if s.eng == nil {
		return
	}
	if c.datagram() {
		c.sendFlight()
		return
	}
	for _, b := range s.eng.Out() {
		if s.shut || s.writeErr != nil {
			break // our direction has ended: an answer to a KeyUpdate has no way any more
		}
		if err := s.out.add(&c.ctx, b); err != nil {
			s.eng.Sent(c.now())
			c.fail(err)
			return
		}
	}
	s.eng.Sent(c.now())
	if s.out.len() > 0 {
		c.flush()
	}
}

// writeFailed ends our direction: what the peer sent before is still there to be read.
func (c *Conn) writeFailed(err error) {
	if c.s.writeErr == nil {
		c.s.writeErr = err
	}
	c.s.out.release()
}

// flush sends what is kept, unless that is corked.
func (c *Conn) flush() {
	if c.s != nil && !c.s.corked {
		c.flushAll()
	}
}

func (c *Conn) flushAll() {
	s := c.s
	for s.out.len() > 0 && s.writeErr == nil {
		if c.datagram() {
			_ = c.sendDatagrams() // they were taken before: their loss is the network's
			break
		}
		n, err := c.lower.Write(s.out.bytes())
		if err != nil {
			if err != frio.ErrAgain {
				c.writeFailed(err)
			}
			return
		}
		s.out.drop(n)
	}
	if s.shut && !s.shutSent && s.out.len() == 0 && s.writeErr == nil {
		s.shutSent = true
		if w, ok := c.lower.(frio.CloseWriter); ok {
			if err := w.CloseWrite(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				c.writeFailed(err)
			}
		}
	}
}
