package dtls

// incoming puts handshake messages together from fragments that come in any order, overlapping or twice, and hands
// them out in the order of message_seq (RFC 6347, Section 4.2.2 and 4.2.3).
type incoming struct {
	next  uint16 // the message_seq that is handed out next
	bytes int    // lengths of all in slots
	slots [maxAhead]*assembly
}

type assembly struct {
	typ   uint8
	body  []byte
	spans []span // what is there: sorted, apart from each other
}

type span struct{ lo, hi int }

// add takes one fragment whose seq is next or up to maxAhead-1 above. It is false for one that is dropped: too far
// ahead, over a limit, or in contradiction to what is there.
func (in *incoming) add(f fragment) bool {
	ahead := f.seq - in.next
	if ahead >= maxAhead {
		return false
	}
	a := in.slots[ahead]
	if a == nil {
		if in.bytes+f.length > maxReassembly {
			return false
		}
		a = &assembly{typ: f.typ, body: make([]byte, f.length)}
		in.bytes += f.length
		in.slots[ahead] = a
	}
	if a.typ != f.typ || len(a.body) != f.length {
		return false
	}
	return a.insert(f.off, f.data)
}

// insert copies data to off. What is there already stays: a second copy cannot change the first.
func (a *assembly) insert(off int, data []byte) bool {
	lo, hi := off, off+len(data)
	i := 0
	for i < len(a.spans) && a.spans[i].hi < lo {
		i++
	}
	j, at := i, lo
	merged := span{lo, hi}
	for j < len(a.spans) && a.spans[j].lo <= hi {
		s := a.spans[j]
		if at < s.lo {
			copy(a.body[at:s.lo], data[at-off:])
		}
		at = max(at, s.hi)
		merged.lo, merged.hi = min(merged.lo, s.lo), max(merged.hi, s.hi)
		j++
	}
	if j == i && len(a.spans) == maxSpans {
		return false
	}
	if at < hi {
		copy(a.body[at:hi], data[at-off:])
	}
	if j == i {
		a.spans = append(a.spans, span{})
		copy(a.spans[i+1:], a.spans[i:])
	} else {
		a.spans = append(a.spans[:i+1], a.spans[j:]...)
	}
	a.spans[i] = merged
	return true
}

func (a *assembly) whole() bool {
	return len(a.spans) == 1 && a.spans[0] == span{0, len(a.body)}
}

// pop hands out the next message if it is whole.
func (in *incoming) pop() (m message, ok bool) {
	a := in.slots[0]
	if a == nil || !a.whole() {
		return m, false
	}
	m = message{typ: a.typ, seq: in.next, body: a.body}
	in.bytes -= len(a.body)
	copy(in.slots[:], in.slots[1:])
	in.slots[maxAhead-1] = nil
	in.next++
	return m, true
}

// messageLimit is the longest body of a type that this role takes; -1 for one that it never takes.
func (e *Engine) messageLimit(typ uint8) int {
	switch typ {
	case typeClientHello:
		if e.server {
			return maxHello
		}
	case typeClientKeyExchange:
		if e.server {
			return 256
		}
	case typeCertificateVerify:
		if e.server && e.asksCertificate() {
			return maxSmallMessage
		}
	case typeCertificate:
		if !e.server || e.asksCertificate() {
			return maxCertificateMessage
		}
	case typeServerHello, typeServerKeyExchange:
		if !e.server {
			return maxSmallMessage
		}
	case typeHelloVerifyRequest:
		if !e.server {
			return 3 + 255
		}
	case typeHelloRequest, typeServerHelloDone:
		if !e.server {
			return 0
		}
	case typeNewSessionTicket:
		if !e.server {
			return maxTicketIn
		}
	case typeCertificateRequest:
		if !e.server {
			return maxCertificateRequest
		}
	case typeFinished:
		return 12
	}
	return -1
}
