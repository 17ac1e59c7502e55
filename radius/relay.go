package radius

import (
	"encoding/binary"
)

// Forward is what a request gets on its way to a home server.
type Forward struct {
	ID            uint8
	Authenticator [16]byte // random; for Access-Request and Status-Server, in the others it is a hash
	ProxyState    []byte   // ours, behind those of the others; nil: none. Left off where the packet would not fit otherwise
	LeftOff       bool     // a result: ProxyState was left off, so LoopBy does not find the packet if it comes back
	UserName      []byte   // replaces User-Name, between In and Out; nil: as it came
	In, Out       *Rewrite // of the client and of the home server; nil: none
	TTL           *TTL     // counted between In and Out; nil: none
}

// AppendRequest appends to dst the request p, checked with from, as it goes to the home server whose keys are to. Attributes keep their
// order and what no rule names its octets, except:
//
//   - Message-Authenticator comes first. It is always there in Access-Request and Status-Server, in the others where it was.
//   - User-Password and what else is hidden with the secret is hidden anew; in requests whose authenticator is a hash, with 16
//     zeros in its place, as FreeRADIUS has it: the hash is over the hidden values.
//   - CHAP-Challenge is added where CHAP-Password was made with the authenticator of p (RFC 2865, Section 5.40).
//   - the Proxy-State of f is the last.
//
// With an error dst is returned as it was. Nothing is allocated if dst has room for MaxSize bytes and no rule modifies a value. from and
// to may be the same.
func AppendRequest(dst []byte, p Packet, from, to *Keys, f *Forward) ([]byte, error) {
	code := p.Code()
	if !code.IsRequest() {
		return dst, codeError(code)
	}
	c := copier{
		out: dst, base: len(dst), hop: hop{from: from, to: to}, userName: f.UserName, ttl: f.TTL,
		stages: [2]stage{{rules: f.In}, {rules: f.Out}},
	}
	if code.signed() {
		copy(c.hop.fromVector[:], p.Authenticator())
		c.hop.toVector = f.Authenticator
	}
	_, was := p.Find(MessageAuthenticator)
	mac := c.header(code, f.ID, was, code.signed())

	chap, challenge := false, false
	for off := HeaderSize; off < len(p); {
		end := off + int(p[off+1])
		switch Type(p[off]) {
		case MessageAuthenticator:
		case ProxyState:
			c.raw(p[off:end])
		case CHAPPassword:
			at := len(c.out)
			c.attribute(p[off:end])
			chap = chap || len(c.out) > at
		case CHAPChallenge:
			challenge = true
			c.attribute(p[off:end])
		default:
			c.attribute(p[off:end])
		}
		off = end
	}
	c.added()
	if chap && !challenge && code == AccessRequest {
		c.out = append(c.out, uint8(CHAPChallenge), 2+16)
		c.out = append(c.out, p.Authenticator()...)
	}
	f.LeftOff = len(f.ProxyState) > 0 && len(c.out)-c.base+2+len(f.ProxyState) > MaxSize
	if len(f.ProxyState) > 0 && !f.LeftOff {
		if len(f.ProxyState) > MaxValue {
			panic("radius: Proxy-State of ours above 253 bytes")
		}
		c.out = append(c.out, uint8(ProxyState), uint8(2+len(f.ProxyState)))
		c.out = append(c.out, f.ProxyState...)
	}
	if err := c.finish(); err != nil {
		return dst, err
	}
	to.seal(c.out[c.base:], mac, !code.signed())
	return c.out, nil
}

// Answer is what a reply gets on its way back to a client.
type Answer struct {
	Request              Packet // of the client: the reply has its identifier and Proxy-State, and is made for its authenticator
	HomeRequest          []byte // authenticator of what was sent to the home server
	UserName             []byte // replaces User-Name, where there is one, between In and Out; nil: as it came
	In, Out              *Rewrite
	MessageAuthenticator bool // put one into every reply, not only into those to an Access-Request
}

// AppendReply appends to dst the reply of a home server, checked with from, as it goes to the client whose keys are to. Attributes keep
// their order and what no rule names its octets, except:
//
//   - Message-Authenticator comes first, always in the replies to an Access-Request, in an Accounting-Response only where a forces it, and
//     else where it was.
//   - what is hidden with the secret is hidden anew, with a fresh salt.
//   - the Proxy-State of the client's request are the last, in their order, whatever the home server made of them (RFC 2865, Section
//     5.33): one that leaves them off, or mixes them up, would have the reply dropped by the proxies before us.
//
// No RFC says which authenticator the one of an Accounting-Response is made with: FreeRADIUS takes zeros, others that of the request, and
// each drops what the other makes. The Response Authenticator protects the same octets.
//
// With an error dst is returned as it was. Nothing is allocated if dst has room for MaxSize bytes and no rule modifies a value. from and
// to may be the same.
func AppendReply(dst []byte, reply Packet, from, to *Keys, a *Answer) ([]byte, error) {
	code := reply.Code()
	if !code.IsReply() {
		return dst, codeError(code)
	}
	c := copier{
		out: dst, base: len(dst), hop: hop{from: from, to: to, reply: true}, userName: a.UserName,
		stages: [2]stage{{rules: a.In}, {rules: a.Out}},
	}
	copy(c.hop.fromVector[:], a.HomeRequest)
	copy(c.hop.toVector[:], a.Request.Authenticator())

	_, was := reply.Find(MessageAuthenticator)
	mac := c.header(code, a.Request.ID(), was && code != AccountingResponse, a.MessageAuthenticator || code.access())
	for off := HeaderSize; off < len(reply); {
		end := off + int(reply[off+1])
		switch Type(reply[off]) {
		case MessageAuthenticator, ProxyState:
		default:
			c.attribute(reply[off:end])
		}
		off = end
	}
	c.added()
	for off := HeaderSize; off < len(a.Request); {
		end := off + int(a.Request[off+1])
		if Type(a.Request[off]) == ProxyState {
			c.raw(a.Request[off:end])
		}
		off = end
	}
	if err := c.finish(); err != nil {
		return dst, err
	}
	to.seal(c.out[c.base:], mac, true)
	return c.out, nil
}

// header starts a packet, whose length is written by finish. If a Message-Authenticator was there, or must be, zeros for it are the first
// attribute; mac is where, 0 without.
func (c *copier) header(code Code, id uint8, was, must bool) (mac int) {
	c.fresh = must && !was
	c.out = append(c.out, uint8(code), id, 0, 0)
	c.out = append(c.out, c.hop.toVector[:]...)
	if was || must {
		c.out = append(c.out, uint8(MessageAuthenticator), 2+16)
		c.out = append(c.out, zeros[:]...)
		mac = HeaderSize + 2
	}
	return mac
}

// finish writes the length.
func (c *copier) finish() error {
	n := len(c.out) - c.base
	if c.err == nil && n > MaxSize {
		c.err = ErrTooBig
		if c.fresh && n-(2+16) <= MaxSize {
			c.err = ErrNoRoom
		}
	}
	if c.err != nil {
		return c.err
	}
	binary.BigEndian.PutUint16(c.out[c.base+2:], uint16(n))
	return nil
}

// seal makes the Message-Authenticator of a packet that holds zeros in its place, at mac, and then, if hashed, the authenticator. What the
// hashes are made with stands in the authenticator's place. mac 0: there is no Message-Authenticator.
func (k *Keys) seal(p []byte, mac int, hashed bool) {
	if mac > 0 {
		k.mac.Reset()
		k.mac.Write(p)
		k.mac.Sum(k.sum[:0])
		copy(p[mac:mac+16], k.sum[:])
	}
	if hashed {
		k.md5.Reset()
		k.md5.Write(p)
		k.md5.Write(k.secret)
		k.md5.Sum(k.sum[:0])
		copy(p[4:HeaderSize], k.sum[:])
	}
}
