package dtls

import (
	"crypto/tls"
	"fmt"
	"time"
)

// Feed takes one whole datagram from the peer and does everything that follows from it: afterwards Out may have
// datagrams, Held a record, and State may be another. It keeps nothing of in. used is len(in), or 0 if the engine
// takes nothing at present: records are held, which Read must take first, or a callback is pending. What is invalid
// is discarded and counted (RFC 6347, Section 4.1.2.7); an error is the end of the association.
func (e *Engine) Feed(now time.Time, in []byte) (used int, err error) {
	switch {
	case e.state == Failed:
		return len(in), e.err
	case e.state == PeerClosed:
		return len(in), nil
	case e.state == Awaiting || e.Held():
		return 0, nil
	}
	for rest := in; len(rest) > 0; {
		r, tail, ok := parseRecord(rest)
		if !ok {
			e.counts.Malformed++
			break
		}
		rest = tail
		if err := e.record(now, r); err != nil {
			return len(in), e.fail(err)
		}
		if e.state != Handshaking && e.state != Open {
			break
		}
	}
	if err := e.advance(now); err != nil {
		return len(in), err
	}
	return len(in), nil
}

// record takes in one record. Handshake messages are put together only; advance acts on them.
func (e *Engine) record(now time.Time, r record) error {
	h := e.hs
	switch {
	case r.epoch == 0 && h != nil:
		return e.plainRecord(now, r)
	case r.epoch != 1 || h != nil && h.expect == wantClientHello:
		e.counts.OtherEpoch++
		return nil
	case h != nil && (e.rd.aead == nil || r.typ == typeApplicationData):
		// No keys so far, or data that overtook the Finished: reordered (RFC 6347, Section 4.1).
		if len(h.early) == maxEarly || h.earlyBytes+len(r.body) > maxEarlyBytes {
			e.counts.Early++
			return nil
		}
		h.early = append(h.early, rawRecord(r))
		h.earlyBytes += len(r.body)
		return nil
	}
	return e.sealedRecord(now, r)
}

// rawRecord copies r, as it stood in its datagram.
func rawRecord(r record) []byte {
	b := append16([]byte{r.typ}, r.version)
	b = append16(b, r.epoch)
	b = append(b, make([]byte, 6)...)
	put48(b[5:], r.seq)
	return append(append16(b, uint16(len(r.body))), r.body...)
}

// takeEarly takes the records that came before the keys, or before the end of the handshake.
func (e *Engine) takeEarly(now time.Time, early [][]byte) error {
	for _, b := range early {
		if r, _, ok := parseRecord(b); ok && (e.state == Handshaking || e.state == Open) {
			if err := e.record(now, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) plainRecord(now time.Time, r record) error {
	switch r.typ {
	case typeHandshake:
		return e.fragments(now, r, r.body)
	case typeAlert:
		if e.hs.expect == wantClientHello {
			break
		}
		return e.alertIn(r.body)
	case typeChangeCipherSpec:
		// It has no information: the epoch of a record says under which keys it is, and only a verified
		// Finished opens the association. It may be lost or reordered (RFC 6347, Section 4.1).
		if len(r.body) != 1 || r.body[0] != 1 {
			e.counts.Malformed++
		}
		return nil
	}
	e.counts.OtherEpoch++
	return nil
}

func (e *Engine) sealedRecord(now time.Time, r record) error {
	e.room(2 + len(r.body))
	start := len(e.in.b)
	b, ok := e.open(append(e.in.b, 0, 0), r)
	n := len(b) - start - 2
	if !ok {
		b, n = b[:start], 0
	}
	if ok && r.typ == typeApplicationData && n > 0 {
		b[start], b[start+1] = byte(n>>8), byte(n)
		e.in.b = b
		e.warnings, e.useless = 0, 0
		e.last = nil // the peer has seen our Finished: it sends no data before
		return nil
	}
	e.in.b = b[:start]
	defer e.releaseInbox()
	switch {
	case !ok:
		if e.counts.Forged >= maxForged {
			return ErrLimit
		}
		return nil
	case r.typ == typeHandshake && n == 0: // RFC 5246, Section 6.2.1: there must be none
		e.counts.Malformed++
		return e.noData()
	case r.typ == typeHandshake:
		return e.fragments(now, r, b[start+2:])
	case r.typ == typeAlert && n != 2:
		e.counts.Malformed++
		return e.noData()
	case r.typ == typeAlert:
		return e.alertIn(b[start+2:])
	case r.typ == typeApplicationData:
		e.counts.Empty++
		e.last = nil
		return e.noData()
	}
	return alertf(alertUnexpectedMessage, "change_cipher_spec in epoch 1 (RFC 5246, Section 7.1)")
}

// noData counts an authenticated record that has nothing for the application and does nothing for the association. Only the peer can
// make them, so that it is the peer who ends the association by too many; what others forge is discarded before.
func (e *Engine) noData() error {
	if e.state != Open {
		return nil // a handshake has limits of its own
	}
	if e.useless++; e.useless > maxUseless {
		return alertf(alertUnexpectedMessage, "more than %d records without data between two with data", maxUseless)
	}
	return nil
}

// fragments takes the handshake fragments of one record.
func (e *Engine) fragments(now time.Time, r record, b []byte) error {
	for len(b) > 0 {
		f, rest, ok := parseFragment(b)
		if !ok {
			e.counts.Malformed++
			return e.noData()
		}
		b = rest
		if err := e.fragment(now, r, f); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) fragment(now time.Time, r record, f fragment) error {
	h := e.hs
	if h == nil {
		return e.late(now, f)
	}
	if (f.typ == typeFinished) != (r.epoch == 1) {
		e.counts.Fragments++
		return nil
	}
	if h.expect == wantClientHello {
		if !e.server || f.typ != typeClientHello || len(f.data) != f.length || f.length > maxHello ||
			f.seq > maxHelloSeq || r.seq > maxFirstRecordSeq || h.in.slots[0] != nil {
			e.counts.Fragments++
			return nil
		}
		// RFC 6347, Section 4.2.2: our numbers go on where the cookie exchange, of which there is no state,
		// has left them.
		h.in.next, h.seq = f.seq, f.seq
		e.wseq[0] = r.seq
	}
	if int16(f.seq-h.in.next) < 0 {
		if int(f.seq) == h.flight.peerLast && f.off+len(f.data) == f.length {
			h.flight.repeated = true
		}
		return nil
	}
	limit := e.messageLimit(f.typ)
	if limit < 0 && f.seq == h.in.next {
		return unexpected(f.typ)
	}
	if f.length > limit && limit >= 0 && f.seq == h.in.next {
		return decodeError("%s: length %d above %d", messageName(f.typ), f.length, limit)
	}
	if f.length > limit || !h.in.add(f) {
		e.counts.Fragments++
	}
	return nil
}

// late takes a handshake message after the handshake.
func (e *Engine) late(now time.Time, f fragment) error {
	if l := e.last; l != nil && f.typ == typeFinished && f.seq == l.peerLast {
		return e.repeat(now)
	}
	if f.typ != typeHelloRequest && f.typ != typeClientHello {
		e.counts.Fragments++
		return e.noData()
	}
	// No renegotiation (RFC 5246, Section 7.2.2).
	if e.refusals == maxRefusals {
		return alertf(alertUnexpectedMessage, "%s: renegotiation asked for again and again", messageName(f.typ))
	}
	e.refusals++
	e.alert(levelWarning, alertNoRenegotiation)
	return nil
}

func (e *Engine) alertIn(b []byte) error {
	if len(b) != 2 {
		e.counts.Malformed++
		return nil
	}
	switch {
	case b[1] == alertCloseNotify && e.state == Open:
		// RFC 5246, Section 7.2.1: answer in kind; both directions end.
		e.closeNotify()
		e.state = PeerClosed
		e.last = nil
		return nil
	case b[0] == levelFatal || b[1] == alertCloseNotify:
		return &AlertError{Alert: tls.AlertError(b[1]), Received: true}
	}
	e.counts.Warnings++
	if e.state == Open {
		if e.warnings++; e.warnings > maxWarnings {
			return alertf(alertUnexpectedMessage, "more than %d warning alerts without data", maxWarnings)
		}
	}
	return nil
}

// advance acts on the handshake messages that are whole and in order.
func (e *Engine) advance(now time.Time) error {
	for e.state == Handshaking {
		m, ok := e.hs.in.pop()
		if !ok {
			break
		}
		e.hs.flight.repeated = false
		if err := e.step(e.message(now, m)); err != nil {
			return err
		}
	}
	if e.state == Handshaking && e.hs.flight.repeated {
		e.hs.flight.repeated = false
		if err := e.repeat(now); err != nil {
			return e.fail(err)
		}
	}
	return nil
}

// step turns the result of a part of the handshake into a state.
func (e *Engine) step(err error) error {
	if err == nil {
		return nil
	}
	if err == ErrPending {
		e.state = Awaiting
		return nil
	}
	return e.fail(err)
}

func (e *Engine) message(now time.Time, m message) error {
	if e.server {
		return e.serverMessage(now, m)
	}
	if m.typ == typeHelloRequest {
		return nil // RFC 5246, Section 7.4.1.1: ignored during a handshake, and not part of the transcript
	}
	return e.clientMessage(now, m)
}

// ask runs a part of the handshake that calls back and may have to wait.
func (e *Engine) ask(now time.Time, part func(now time.Time) error) error {
	e.hs.resume = part
	return part(now)
}

// Resume goes on after ErrPending: the callback is called again and has its answer, or is pending once more. The
// error is as of Feed. In any other state than Awaiting it does nothing.
func (e *Engine) Resume(now time.Time) error {
	if e.state == Failed {
		return e.err
	}
	if e.state != Awaiting {
		return nil
	}
	e.state = Handshaking
	if err := e.step(e.hs.resume(now)); err != nil {
		return err
	}
	return e.advance(now)
}

// finish opens the association. last is our last flight, if ours was the last.
func (e *Engine) finish(now time.Time, last []message) error {
	h := e.hs
	early := h.early
	if last != nil {
		e.last = &lastFlight{messages: last, peerLast: h.in.next - 1, sent: now, until: now.Add(lastFlightTime)}
	}
	if !h.peerKept {
		e.peer = h.provenPeer(e.peer)
		for i, der := range e.peer {
			e.peer[i] = append([]byte(nil), der...) // not the whole message
		}
	}
	e.state = Open
	e.dropHandshake()
	return e.takeEarly(now, early)
}

func (e *Engine) checkFinished(m message, client bool) error {
	if !equal(m.body, e.hs.finishedBody(e.suite, client)) {
		return alertf(alertDecryptError, "finished: verify_data is wrong (RFC 5246, Section 7.4.9)")
	}
	return nil
}

// appendOut numbers a message of ours and adds it to the transcript and to the flight.
func (h *handshake) appendOut(to []message, typ uint8, body []byte, make func() []byte) []message {
	m := message{typ: typ, seq: h.seq, body: body, make: make}
	h.seq++
	h.transcript = append(h.transcript, m)
	return append(to, m)
}

// finishing adds our change_cipher_spec and Finished to a flight.
func (e *Engine) finishing(to []message) []message {
	h := e.hs
	body := h.finishedBody(e.suite, !e.server)
	h.finishedOut = true
	return h.appendOut(append(to, message{typ: changeCipherSpec}), typeFinished, body, nil)
}

func keyError(err error) error {
	return &AlertError{Alert: alertIllegalParameter, Err: fmt.Errorf("public key of the exchange: %w", err)}
}
