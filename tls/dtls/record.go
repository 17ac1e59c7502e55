package dtls

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
)

const (
	version12     = 0xfefd // DTLS 1.2
	version10     = 0xfeff // DTLS 1.0; versions count down
	recordHeader  = 13
	maxCiphertext = maxPlaintext + 24 // the longest record of the engine's suites
)

// Content types (RFC 5246, Section 6.2.1).
const (
	typeChangeCipherSpec = 20
	typeAlert            = 21
	typeHandshake        = 22
	typeApplicationData  = 23
)

// record is one record of a datagram (RFC 6347, Section 4.1). body points into the datagram.
type record struct {
	typ     uint8
	version uint16
	epoch   uint16
	seq     uint64
	body    []byte
}

// parseRecord cuts the first record off b. ok is false if b holds no whole record with a valid header; the rest of
// the datagram is void then (RFC 6347, Section 4.1.2.7: discard silently).
func parseRecord(b []byte) (r record, rest []byte, ok bool) {
	if len(b) < recordHeader {
		return r, nil, false
	}
	r.typ = b[0]
	r.version = binary.BigEndian.Uint16(b[1:])
	r.epoch = binary.BigEndian.Uint16(b[3:])
	r.seq = get48(b[5:])
	n := int(binary.BigEndian.Uint16(b[11:]))
	// Any minor version: a hello comes with that of DTLS 1.0 (RFC 6347, Section 4.2.1).
	if r.typ < typeChangeCipherSpec || r.typ > typeApplicationData || r.version>>8 != version12>>8 ||
		n > maxCiphertext || n > len(b)-recordHeader {
		return r, nil, false
	}
	r.body = b[recordHeader : recordHeader+n : recordHeader+n]
	return r, b[recordHeader+n:], true
}

// window tells records that were seen, for replay detection (RFC 6347, Section 4.1.2.6).
type window struct {
	next uint64 // one above the highest sequence number seen
	seen uint64 // bit i: next-1-i was seen
}

const windowSize = 64

func (w *window) fresh(seq uint64) bool {
	if seq >= w.next {
		return true
	}
	age := w.next - 1 - seq
	return age < windowSize && w.seen>>age&1 == 0
}

// mark notes an authenticated record.
func (w *window) mark(seq uint64) {
	if seq >= w.next {
		w.seen = w.seen<<(seq+1-w.next) | 1 // a shift of 64 and more gives 0
		w.next = seq + 1
		return
	}
	w.seen |= 1 << (w.next - 1 - seq)
}

// half is one direction of epoch 1.
type half struct {
	aead   cipher.AEAD
	iv     [12]byte
	blocks uint64 // of 16 bytes under this key
}

// scratch is what sealing and opening pass to the AEAD; it lives in the engine so that nothing escapes per record.
type scratch struct {
	nonce [12]byte
	ad    [recordHeader]byte
}

// prepare fills nonce and additional data for a record of n bytes of plaintext (RFC 5246, Section 6.2.3.3).
func (h *half) prepare(s *suite, x *scratch, typ uint8, seq uint64, n int) {
	number := uint64(1)<<48 | seq // epoch and sequence number
	x.nonce = h.iv
	if s.explicit {
		binary.BigEndian.PutUint64(x.nonce[4:], number) // RFC 5288, Section 3: the number is unique under a key
	} else {
		// RFC 7905, Section 2
		low := binary.BigEndian.Uint64(x.nonce[4:])
		binary.BigEndian.PutUint64(x.nonce[4:], low^number)
	}
	binary.BigEndian.PutUint64(x.ad[:], number)
	x.ad[8] = typ
	binary.BigEndian.PutUint16(x.ad[9:], version12)
	binary.BigEndian.PutUint16(x.ad[11:], uint16(n))
}

// ErrLimit says that the keys of the association were used as long as is safe; a new association is needed.
var ErrLimit = errors.New("dtls: limit of the keys reached (RFC 9147, Section 4.5.3)")

// appendRecord appends one record, sealed in epoch 1. It takes the next sequence number of its epoch.
func (e *Engine) appendRecord(dst []byte, typ uint8, epoch uint16, p []byte) ([]byte, error) {
	seq := e.wseq[epoch]
	if seq > maxSeq {
		return dst, ErrLimit // RFC 6347, Section 4.1: never wrap
	}
	e.wseq[epoch]++
	var h [recordHeader + 8]byte
	h[0] = typ
	binary.BigEndian.PutUint16(h[1:], version12)
	binary.BigEndian.PutUint16(h[3:], epoch)
	put48(h[5:], seq)
	if epoch == 0 {
		binary.BigEndian.PutUint16(h[11:], uint16(len(p)))
		dst = append(dst, h[:recordHeader]...)
		return append(dst, p...), nil
	}
	e.wr.blocks += uint64(len(p)/16 + 2) // with the last part and the additional data
	e.wr.prepare(e.suite, &e.scratch, typ, seq, len(p))
	binary.BigEndian.PutUint16(h[11:], uint16(len(p)+e.suite.overhead()))
	n := recordHeader
	if e.suite.explicit {
		copy(h[recordHeader:], e.scratch.nonce[4:])
		n += 8
	}
	dst = append(dst, h[:n]...)
	dst = e.wr.aead.Seal(dst, e.scratch.nonce[:], p, e.scratch.ad[:])
	e.counts.RecordsOut++
	return dst, nil
}

// open checks r and appends its plaintext to dst. ok is false for a record to discard; why is counted.
func (e *Engine) open(dst []byte, r record) (out []byte, ok bool) {
	if r.version != version12 || len(r.body) < e.suite.overhead() {
		e.counts.Malformed++
		return dst, false
	}
	if !e.window.fresh(r.seq) {
		e.counts.Replayed++
		return dst, false
	}
	n := len(r.body) - e.suite.overhead()
	if n > maxPlaintext {
		e.counts.Malformed++
		return dst, false
	}
	e.rd.prepare(e.suite, &e.scratch, r.typ, r.seq, n)
	body := r.body
	if e.suite.explicit {
		copy(e.scratch.nonce[4:], body)
		body = body[8:]
	}
	out, err := e.rd.aead.Open(dst, e.scratch.nonce[:], body, e.scratch.ad[:])
	if err != nil {
		e.counts.Forged++
		return dst, false
	}
	e.window.mark(r.seq) // RFC 6347, Section 4.1.2.6: only after the record was verified
	e.counts.RecordsIn++
	return out, true
}
