package dtls

import (
	"crypto"
	"encoding/binary"
	"fmt"
)

// Handshake types (RFC 5246, Section 7.4; RFC 6347, Section 4.3.2; RFC 5077, Section 3.3).
const (
	typeHelloRequest       = 0
	typeClientHello        = 1
	typeServerHello        = 2
	typeHelloVerifyRequest = 3
	typeNewSessionTicket   = 4
	typeCertificate        = 11
	typeServerKeyExchange  = 12
	typeCertificateRequest = 13
	typeServerHelloDone    = 14
	typeCertificateVerify  = 15
	typeClientKeyExchange  = 16
	typeFinished           = 20

	// changeCipherSpec stands in a flight for the record of that type, which is not a handshake message.
	changeCipherSpec = 0xff
)

const messageHeader = 12

var messageNames = map[uint8]string{
	typeHelloRequest: "hello_request", typeClientHello: "client_hello", typeServerHello: "server_hello",
	typeHelloVerifyRequest: "hello_verify_request", typeNewSessionTicket: "new_session_ticket",
	typeCertificate: "certificate", typeServerKeyExchange: "server_key_exchange",
	typeCertificateRequest: "certificate_request", typeServerHelloDone: "server_hello_done",
	typeCertificateVerify: "certificate_verify", typeClientKeyExchange: "client_key_exchange",
	typeFinished: "finished",
}

func messageName(typ uint8) string {
	if s, ok := messageNames[typ]; ok {
		return s
	}
	return fmt.Sprintf("handshake type %d", typ)
}

// message is one handshake message, sent or received. make gives the body of one that is not kept: chains belong to
// the Config and are encoded again for each use, so that a half-open association stays small.
type message struct {
	typ  uint8
	seq  uint16
	body []byte
	make func() []byte
}

func (m *message) bytes() []byte {
	if m.make != nil {
		return m.make()
	}
	return m.body
}

// epoch is the one that m is sent in: only a Finished comes after a change_cipher_spec.
func (m *message) epoch() uint16 {
	if m.typ == typeFinished {
		return 1
	}
	return 0
}

// appendMessageHeader appends the header of a fragment (RFC 6347, Section 4.2.2).
func appendMessageHeader(b []byte, typ uint8, seq uint16, length, off, n int) []byte {
	b = append24(append(b, typ), length)
	b = append16(b, seq)
	return append24(append24(b, off), n)
}

// transcript is all messages so far, for the signatures and the Finished. It refers to what is kept anyway for
// retransmission, and is hashed when needed, with whatever hash is needed.
type transcript []message

func (t transcript) bytes() []byte {
	var b []byte
	for i := range t {
		m := &t[i]
		body := m.bytes()
		// RFC 6347, Section 4.2.6: as if sent in one fragment.
		b = appendMessageHeader(b, m.typ, m.seq, len(body), 0, len(body))
		b = append(b, body...)
	}
	return b
}

func (t transcript) sum(hash crypto.Hash) []byte {
	h := hash.New()
	h.Write(t.bytes())
	return h.Sum(nil)
}

// fragment is one handshake fragment as received; data points into the record.
type fragment struct {
	typ    uint8
	seq    uint16
	length int
	off    int
	data   []byte
}

// parseFragment cuts the first fragment off b.
func parseFragment(b []byte) (f fragment, rest []byte, ok bool) {
	if len(b) < messageHeader {
		return f, nil, false
	}
	f.typ = b[0]
	f.length = int(binary.BigEndian.Uint32(b) & 0xffffff)
	f.seq = binary.BigEndian.Uint16(b[4:])
	f.off = int(binary.BigEndian.Uint32(b[5:]) & 0xffffff)
	n := int(binary.BigEndian.Uint32(b[8:]) & 0xffffff)
	if n > len(b)-messageHeader || f.off+n > f.length || n == 0 && f.length != 0 {
		return f, nil, false
	}
	f.data = b[messageHeader : messageHeader+n]
	return f, b[messageHeader+n:], true
}

// certificateBody encodes a chain (RFC 5246, Section 7.4.2).
func certificateBody(chain [][]byte) []byte {
	n := 0
	for _, c := range chain {
		n += 3 + len(c)
	}
	b := append24(make([]byte, 0, 3+n), n)
	for _, c := range chain {
		b = appendVec(b, 3, c)
	}
	return b
}

// parseCertificateBody splits a chain. The certificates point into b.
func parseCertificateBody(b []byte) ([][]byte, error) {
	r := reader{b: b}
	list := reader{b: r.vec(3)}
	var chain [][]byte
	for len(list.b) > 0 {
		c := list.vec(3)
		if len(chain) == maxCertificates {
			return nil, decodeError("certificate: more than %d certificates", maxCertificates)
		}
		if len(c) == 0 {
			return nil, decodeError("certificate: empty entry in certificate_list (RFC 5246, Section 7.4.2)")
		}
		chain = append(chain, c)
	}
	if list.bad || !r.done() {
		return nil, malformed(typeCertificate, "RFC 5246, Section 7.4.2")
	}
	return chain, nil
}

// keyExchange is a ServerKeyExchange (RFC 8422, Section 5.4).
type keyExchange struct {
	curve  uint16
	point  []byte
	scheme uint16
	sig    []byte
	params []byte // what is signed, besides the randoms
}

func parseKeyExchange(b []byte) (k keyExchange, err error) {
	r := reader{b: b}
	kind := r.u8()
	k.curve = r.u16()
	k.point = r.vec(1)
	k.params = b[:len(b)-len(r.b)]
	k.scheme = r.u16()
	k.sig = r.vec(2)
	if !r.done() {
		return k, malformed(typeServerKeyExchange, "RFC 8422, Section 5.4")
	}
	if kind != 3 {
		return k, illegal("server_key_exchange: curve_type %d is not named_curve (RFC 8422, Section 5.4)", kind)
	}
	return k, nil
}

func appendSignature(b []byte, scheme uint16, sig []byte) []byte {
	return appendVec(append16(b, scheme), 2, sig)
}

// certificateRequest is a CertificateRequest (RFC 5246, Section 7.4.4).
type certificateRequest struct {
	schemes []uint16
	names   [][]byte
}

func (q *certificateRequest) bytes() []byte {
	b := []byte{2, 64, 1} // certificate_types: ecdsa_sign (Ed25519 too: RFC 8422, Section 5.5), rsa_sign
	b = append16(b, uint16(2*len(q.schemes)))
	for _, s := range q.schemes {
		b = append16(b, s)
	}
	n := 0
	for _, name := range q.names {
		n += 2 + len(name)
	}
	b = append16(b, uint16(n))
	for _, name := range q.names {
		b = appendVec(b, 2, name)
	}
	return b
}

func parseCertificateRequest(b []byte) (*certificateRequest, error) {
	r := reader{b: b}
	r.vec(1)
	schemes, even := uint16s(r.vec(2))
	names := reader{b: r.vec(2)}
	q := &certificateRequest{schemes: schemes}
	for len(names.b) > 0 {
		q.names = append(q.names, names.vec(2))
	}
	if names.bad || !even || !r.done() {
		return nil, malformed(typeCertificateRequest, "RFC 5246, Section 7.4.4")
	}
	return q, nil
}

func parseCertificateVerify(b []byte) (scheme uint16, sig []byte, err error) {
	r := reader{b: b}
	scheme = r.u16()
	sig = r.vec(2)
	if !r.done() {
		return 0, nil, malformed(typeCertificateVerify, "RFC 5246, Section 7.4.8")
	}
	return scheme, sig, nil
}

func parseTicket(b []byte) (lifetime uint32, ticket []byte, err error) {
	r := reader{b: b}
	lifetime = uint32(r.uint(4))
	ticket = r.vec(2)
	if !r.done() {
		return 0, nil, malformed(typeNewSessionTicket, "RFC 5077, Section 3.3")
	}
	return lifetime, ticket, nil
}
