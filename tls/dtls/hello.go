package dtls

import "crypto/tls"

// Extensions that the engine knows.
const (
	extServerName     = 0      // RFC 6066
	extGroups         = 10     // RFC 8422
	extPointFormats   = 11     // RFC 8422
	extSignatures     = 13     // RFC 5246
	extALPN           = 16     // RFC 7301
	extMasterSecret   = 23     // RFC 7627
	extSessionTicket  = 35     // RFC 5077
	extRenegotiation  = 0xff01 // RFC 5746
	renegotiationSCSV = 0x00ff // RFC 5746
)

// clientHello is a ClientHello (RFC 5246, Section 7.4.1.2; RFC 6347, Section 4.2.1). Parsed slices point into the body.
type clientHello struct {
	version       uint16
	random        [32]byte
	sessionID     []byte
	cookie        []byte
	suites        []uint16
	uncompressed  bool // compression_methods has null
	serverName    string
	groups        []uint16
	points        []byte // nil: extension absent
	schemes       []uint16
	protos        []string
	hasTicket     bool
	ticket        []byte
	ems           bool
	renegotiation bool // the extension or the SCSV
	extensions    []uint16
}

func (h *clientHello) bytes() []byte {
	b := append16(make([]byte, 0, 256+len(h.ticket)), h.version)
	b = append(b, h.random[:]...)
	b = appendVec(b, 1, h.sessionID)
	b = appendVec(b, 1, h.cookie)
	b = append16(b, uint16(2*len(h.suites)))
	for _, id := range h.suites {
		b = append16(b, id)
	}
	b = append(b, 1, 0) // compression_methods: null
	var x []byte
	if h.serverName != "" {
		name := appendVec([]byte{0}, 2, []byte(h.serverName)) // host_name
		x = appendExtension(x, extServerName, appendVec(nil, 2, name))
	}
	x = appendExtension(x, extMasterSecret, nil)
	x = appendExtension(x, extRenegotiation, []byte{0})
	x = appendExtension(x, extGroups, vec16s(h.groups))
	x = appendExtension(x, extPointFormats, []byte{1, 0}) // uncompressed
	x = appendExtension(x, extSignatures, vec16s(h.schemes))
	if len(h.protos) > 0 {
		x = appendExtension(x, extALPN, protoList(h.protos))
	}
	if h.hasTicket {
		x = appendExtension(x, extSessionTicket, h.ticket)
	}
	return appendVec(b, 2, x)
}

func appendExtension(b []byte, id uint16, body []byte) []byte {
	return appendVec(append16(b, id), 2, body)
}

func vec16s(list []uint16) []byte {
	b := append16(nil, uint16(2*len(list)))
	for _, v := range list {
		b = append16(b, v)
	}
	return b
}

func protoList(protos []string) []byte {
	var b []byte
	for _, p := range protos {
		b = appendVec(b, 1, []byte(p))
	}
	return appendVec(nil, 2, b)
}

func parseClientHello(b []byte) (*clientHello, error) {
	h := new(clientHello)
	r := reader{b: b}
	h.version = r.u16()
	copy(h.random[:], r.take(32))
	h.sessionID = r.vec(1)
	h.cookie = r.vec(1)
	var even bool
	h.suites, even = uint16s(r.vec(2))
	for _, c := range r.vec(1) {
		h.uncompressed = h.uncompressed || c == 0
	}
	if r.bad || !even || len(h.suites) == 0 {
		return nil, malformed(typeClientHello, "RFC 5246, Section 7.4.1.2")
	}
	if len(h.sessionID) > 32 {
		return nil, decodeError("client_hello: session_id length %d above 32 (RFC 5246, Section 7.4.1.2)", len(h.sessionID))
	}
	for _, id := range h.suites {
		h.renegotiation = h.renegotiation || id == renegotiationSCSV
	}
	if len(r.b) == 0 {
		return h, nil
	}
	exts := reader{b: r.vec(2)}
	if !r.done() {
		return nil, malformed(typeClientHello, "RFC 5246, Section 7.4.1.4")
	}
	for len(exts.b) > 0 {
		id := exts.u16()
		body := exts.vec(2)
		if exts.bad {
			break
		}
		for _, old := range h.extensions {
			if old == id {
				return nil, illegal("client_hello: extension %d twice (RFC 5246, Section 7.4.1.4)", id)
			}
		}
		h.extensions = append(h.extensions, id)
		if !h.parseExtension(id, reader{b: body}) {
			return nil, decodeError("client_hello: extension %d of %d bytes is malformed (RFC 5246, Section 7.4.1.4)", id, len(body))
		}
	}
	if exts.bad {
		return nil, malformed(typeClientHello, "RFC 5246, Section 7.4.1.4")
	}
	return h, nil
}

func (h *clientHello) parseExtension(id uint16, r reader) bool {
	even := true
	switch id {
	case extServerName:
		list := reader{b: r.vec(2)}
		for len(list.b) > 0 {
			kind, name := list.u8(), list.vec(2)
			if kind == 0 {
				if h.serverName != "" || len(name) == 0 {
					return false // RFC 6066, Section 3: one name of a kind
				}
				h.serverName = string(name)
			}
		}
		return !list.bad && r.done()
	case extGroups:
		h.groups, even = uint16s(r.vec(2))
	case extPointFormats:
		h.points = r.vec(1)
		return r.done() && len(h.points) > 0
	case extSignatures:
		h.schemes, even = uint16s(r.vec(2))
	case extALPN:
		var ok bool
		h.protos, ok = parseProtos(&r)
		return ok && r.done()
	case extMasterSecret:
		h.ems = true
	case extSessionTicket:
		h.hasTicket, h.ticket = true, r.take(len(r.b))
	case extRenegotiation:
		h.renegotiation = true
		return len(r.vec(1)) == 0 && r.done() // RFC 5746, Section 3.6: empty in a first handshake
	default:
		return true
	}
	return even && r.done()
}

func parseProtos(r *reader) (protos []string, ok bool) {
	list := reader{b: r.vec(2)}
	for len(list.b) > 0 {
		p := list.vec(1)
		if len(p) == 0 {
			return nil, false // RFC 7301, Section 3.1
		}
		protos = append(protos, string(p))
	}
	return protos, !list.bad && len(protos) > 0
}

// serverHello is a ServerHello (RFC 5246, Section 7.4.1.3).
type serverHello struct {
	version       uint16
	random        [32]byte
	sessionID     []byte
	suite         uint16
	compression   uint8
	nameAck       bool
	proto         string
	points        bool
	ems           bool
	ticket        bool
	renegotiation bool
}

func (h *serverHello) bytes() []byte {
	b := append16(make([]byte, 0, 128), h.version)
	b = append(b, h.random[:]...)
	b = appendVec(b, 1, h.sessionID)
	b = append(append16(b, h.suite), h.compression)
	var x []byte
	if h.renegotiation {
		x = appendExtension(x, extRenegotiation, []byte{0})
	}
	if h.nameAck {
		x = appendExtension(x, extServerName, nil)
	}
	if h.ems {
		x = appendExtension(x, extMasterSecret, nil)
	}
	if h.points {
		x = appendExtension(x, extPointFormats, []byte{1, 0})
	}
	if h.proto != "" {
		x = appendExtension(x, extALPN, protoList([]string{h.proto}))
	}
	if h.ticket {
		x = appendExtension(x, extSessionTicket, nil)
	}
	return appendVec(b, 2, x)
}

func parseServerHello(b []byte) (*serverHello, error) {
	h := new(serverHello)
	r := reader{b: b}
	h.version = r.u16()
	copy(h.random[:], r.take(32))
	h.sessionID = r.vec(1)
	h.suite = r.u16()
	h.compression = r.u8()
	if r.bad {
		return nil, malformed(typeServerHello, "RFC 5246, Section 7.4.1.3")
	}
	if len(h.sessionID) > 32 {
		return nil, decodeError("server_hello: session_id length %d above 32 (RFC 5246, Section 7.4.1.3)", len(h.sessionID))
	}
	if len(r.b) == 0 {
		return h, nil
	}
	exts := reader{b: r.vec(2)}
	if !r.done() {
		return nil, malformed(typeServerHello, "RFC 5246, Section 7.4.1.4")
	}
	var seen []uint16
	for len(exts.b) > 0 {
		id := exts.u16()
		body := reader{b: exts.vec(2)}
		if exts.bad {
			break
		}
		for _, old := range seen {
			if old == id {
				return nil, illegal("server_hello: extension %d twice (RFC 5246, Section 7.4.1.4)", id)
			}
		}
		seen = append(seen, id)
		n := len(body.b)
		ok := true
		switch id {
		case extServerName:
			h.nameAck = true
		case extMasterSecret:
			h.ems = true
		case extSessionTicket:
			h.ticket = true
		case extPointFormats:
			points := body.vec(1)
			for _, p := range points {
				h.points = h.points || p == 0
			}
			ok = h.points // RFC 8422, Section 5.2: uncompressed has to be there
		case extRenegotiation:
			h.renegotiation = true
			ok = len(body.vec(1)) == 0
		case extALPN:
			var protos []string
			protos, ok = parseProtos(&body)
			ok = ok && len(protos) == 1 // RFC 7301, Section 3.1
			if ok {
				h.proto = protos[0]
			}
		default:
			return nil, alertf(alertUnsupportedExtension,
				"server_hello: extension %d was not offered (RFC 5246, Section 7.4.1.4)", id)
		}
		if !ok || !body.done() {
			return nil, decodeError("server_hello: extension %d of %d bytes is malformed (RFC 5246, Section 7.4.1.4)", id, n)
		}
	}
	if exts.bad {
		return nil, malformed(typeServerHello, "RFC 5246, Section 7.4.1.4")
	}
	return h, nil
}

func parseHelloVerify(b []byte) (cookie []byte, err error) {
	r := reader{b: b}
	r.u16()
	cookie = r.vec(1)
	if !r.done() {
		return nil, malformed(typeHelloVerifyRequest, "RFC 6347, Section 4.2.1")
	}
	return cookie, nil
}

// info is what a certificate callback is told.
func (h *clientHello) info() *tls.ClientHelloInfo {
	info := &tls.ClientHelloInfo{
		CipherSuites:      h.suites,
		ServerName:        h.serverName,
		SupportedPoints:   h.points,
		SupportedProtos:   h.protos,
		SupportedVersions: []uint16{tls.VersionTLS12},
		Extensions:        h.extensions,
	}
	for _, g := range h.groups {
		info.SupportedCurves = append(info.SupportedCurves, tls.CurveID(g))
	}
	for _, s := range h.schemes {
		info.SignatureSchemes = append(info.SignatureSchemes, tls.SignatureScheme(s))
	}
	return info
}
