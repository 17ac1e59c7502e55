package dtls

import (
	"bytes"
	"slices"
)

// incoming puts handshake messages together from fragments that come in any order, overlapping or twice, and hands
// them out in the order of message_seq (RFC 6347, Section 4.2.2 and 4.2.3).
type incoming struct {
	next  uint16 // the message_seq that is handed out next
	bytes int    // announced lengths of all in slots
	slots [maxAhead]*assembly
}

// assembly is one message. It holds what came, and not what is announced: one fragment of a byte may announce 32 KiB.
type assembly struct {
	typ    uint8
	length int
	parts  []part // sorted, apart from each other
}

type part struct {
	off int
	b   []byte
}

func (p *part) end() int { return p.off + len(p.b) }

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
		a = &assembly{typ: f.typ, length: f.length}
		in.bytes += f.length
		in.slots[ahead] = a
	}
	if a.typ != f.typ || a.length != f.length {
		return false
	}
	return a.insert(f.off, f.data)
}

// insert copies data to off. What is there already stays: a second copy cannot change the first. It is false if there
// would be too many parts.
func (a *assembly) insert(off int, data []byte) bool {
	hi := off + len(data)
	i := 0
	for i < len(a.parts) && a.parts[i].end() < off {
		i++
	}
	j := i
	for j < len(a.parts) && a.parts[j].off <= hi {
		j++
	}
	if i == j {
		if len(a.parts) == maxParts {
			return false
		}
		a.parts = slices.Insert(a.parts, i, part{off, bytes.Clone(data)})
		return true
	}
	// The parts i to j-1 overlap or touch data, and become one; data fills the gaps.
	m := a.parts[i]
	if off < m.off {
		m = part{off, slices.Concat(data[:m.off-off], m.b)}
	}
	for _, p := range a.parts[i+1 : j] {
		m.b = append(m.b, data[m.end()-off:p.off-off]...)
		m.b = append(m.b, p.b...)
	}
	if m.end() < hi {
		m.b = append(m.b, data[m.end()-off:]...)
	}
	a.parts[i] = m
	a.parts = slices.Delete(a.parts, i+1, j)
	return true
}

func (a *assembly) whole() bool { return len(a.parts) == 1 && len(a.parts[0].b) == a.length }

// pop hands out the next message if it is whole.
func (in *incoming) pop() (m message, ok bool) {
	a := in.slots[0]
	if a == nil || !a.whole() {
		return m, false
	}
	m = message{typ: a.typ, seq: in.next, body: a.parts[0].b}
	in.bytes -= a.length
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
