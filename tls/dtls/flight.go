package dtls

import "time"

// flight is the messages that this side has sent and that wait for the peer's next flight (RFC 6347, Section 4.2.4).
type flight struct {
	messages []message
	timeout  time.Duration
	deadline time.Time // zero until Sent
	sent     time.Time
	tries    int // retransmissions by time-out
	answers  int // retransmissions because the peer repeated its flight
	peerLast int // message_seq of the last message of the peer's flight before; -1 for none
	repeated bool
}

// lastFlight is the last of a handshake, of the side that sent it: repeated when the peer repeats its Finished.
type lastFlight struct {
	messages []message
	peerLast uint16
	sent     time.Time
	until    time.Time
	answers  int
}

// send makes messages the present flight.
func (e *Engine) send(messages []message) error {
	f := &e.hs.flight
	if f.tries == 0 && f.answers == 0 {
		// RFC 6347, Section 4.2.4.1: a longer time-out stays until a flight needed no repetition.
		f.timeout = e.cfg.retransmitInitial()
	}
	*f = flight{messages: messages, timeout: f.timeout, peerLast: int(e.hs.in.next) - 1}
	return e.pack(messages)
}

// again sends the present flight once more.
func (e *Engine) again() error {
	e.counts.Retransmits++
	e.hs.flight.deadline = time.Time{}
	return e.pack(e.hs.flight.messages)
}

// pack cuts messages into fragments and records of at most mtu bytes a datagram, into Out; what was there is void.
func (e *Engine) pack(messages []message) (err error) {
	p := packer{e: e, mtu: int(e.mtu)}
	for i := range messages {
		m := &messages[i]
		if m.typ == changeCipherSpec {
			p.room(recordHeader + 1)
			p.cur, err = e.appendRecord(p.cur, typeChangeCipherSpec, 0, []byte{1})
		} else {
			err = p.message(m)
		}
		if err != nil {
			return err
		}
	}
	p.flush()
	e.out = p.out
	return nil
}

type packer struct {
	e   *Engine
	mtu int
	cur []byte
	out [][]byte
	tmp []byte
}

func (p *packer) flush() {
	if len(p.cur) > 0 {
		p.out = append(p.out, p.cur)
		p.cur = nil
	}
}

// room begins another datagram if n bytes do not fit this one, and returns how many fit.
func (p *packer) room(n int) int {
	if len(p.cur) > 0 && p.mtu-len(p.cur) < n {
		p.flush()
	}
	return p.mtu - len(p.cur)
}

const minFragment = 32 // bytes of a message that are worth a record of their own

func (p *packer) message(m *message) (err error) {
	body := m.bytes()
	overhead := recordHeader + messageHeader
	if m.epoch() == 1 {
		overhead += p.e.suite.overhead()
	}
	for off := 0; ; {
		rest := len(body) - off
		n := min(rest, p.room(overhead+min(rest, minFragment))-overhead, maxPlaintext-messageHeader)
		if m.typ == typeClientHello {
			n = rest // RFC 6347, Section 4.2.1: a server without state takes it in one piece only
		}
		p.tmp = appendMessageHeader(p.tmp[:0], m.typ, m.seq, len(body), off, n)
		p.tmp = append(p.tmp, body[off:off+n]...)
		if p.cur, err = p.e.appendRecord(p.cur, typeHandshake, m.epoch(), p.tmp); err != nil {
			return err
		}
		if off += n; off == len(body) {
			return nil
		}
	}
}

// Deadline is when Expire has something to do; zero for never.
func (e *Engine) Deadline() time.Time {
	switch {
	case e.state == Handshaking:
		return e.hs.flight.deadline
	case e.state == Open && e.last != nil:
		return e.last.until
	}
	return time.Time{}
}

// Expire does what is due at now: it sends the flight again, with twice the time-out, or fails with ErrTimeout. It
// does nothing before Deadline.
func (e *Engine) Expire(now time.Time) error {
	if e.state == Failed {
		return e.err
	}
	if d := e.Deadline(); d.IsZero() || now.Before(d) {
		return nil
	}
	if e.state == Open {
		e.last = nil
		return nil
	}
	f := &e.hs.flight
	if f.tries == e.cfg.retransmits() {
		return e.fail(ErrTimeout)
	}
	f.tries++
	f.timeout = min(2*f.timeout, e.cfg.retransmitMax())
	if f.tries%2 == 0 {
		e.lowerMTU() // RFC 6347, Section 4.1.1.1: perhaps the datagrams are too long for the path
	}
	if err := e.again(); err != nil {
		return e.fail(err)
	}
	return nil
}

// MTUExceeded says that a datagram of Out was refused as too long (EMSGSIZE). It halves the MTU, at least 256 bytes,
// and cuts what Out holds anew. It is false if the MTU cannot get smaller.
func (e *Engine) MTUExceeded() bool {
	if !e.lowerMTU() {
		return false
	}
	var err error
	switch {
	case len(e.out) == 0:
	case e.hs != nil && len(e.hs.flight.messages) > 0:
		err = e.again()
	case e.last != nil:
		err = e.lastAgain()
	}
	if err != nil {
		e.fail(err)
	}
	return true
}

func (e *Engine) lowerMTU() bool {
	if e.mtu == minMTU {
		return false
	}
	e.mtu = max(e.mtu/2, minMTU)
	return true
}

// repeat answers a repeated flight of the peer by ours (RFC 6347, Section 4.2.4). Duplicates made on the way come
// close together: they get one answer.
func (e *Engine) repeat(now time.Time) error {
	gap := e.cfg.retransmitInitial() / 4
	if h := e.hs; h != nil {
		f := &h.flight
		if e.state != Handshaking || len(f.messages) == 0 || f.deadline.IsZero() ||
			now.Sub(f.sent) < gap || f.answers == maxPeerRetransmits {
			return nil
		}
		f.answers++
		return e.again()
	}
	l := e.last
	if l == nil || now.Sub(l.sent) < gap || l.answers == maxPeerRetransmits {
		return nil
	}
	l.answers++
	l.sent = now
	e.counts.Retransmits++
	return e.lastAgain()
}

// lastAgain sends the last flight once more, with our close_notify after it if that was made: it may be in Out still.
func (e *Engine) lastAgain() error {
	err := e.pack(e.last.messages)
	if e.closed {
		e.alert(levelWarning, alertCloseNotify)
	}
	return err
}
