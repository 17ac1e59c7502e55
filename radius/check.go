package radius

// scan is what the checks must know of the attributes.
type scan struct {
	mac   int // offset of the value of the Message-Authenticator; 0: none
	eap   bool
	proxy bool
}

func (p Packet) scan() (s scan, err error) {
	for off := HeaderSize; off < len(p); {
		size := int(p[off+1])
		switch Type(p[off]) {
		case MessageAuthenticator:
			if size != 18 {
				return s, ErrMessageAuthenticatorLength
			}
			if s.mac != 0 {
				return s, ErrMessageAuthenticatorTwice
			}
			s.mac = off + 2
		case EAPMessage:
			s.eap = true
		case ProxyState:
			s.proxy = true
		}
		off += size
	}
	return s, nil
}

// IsEAP tells whether what the EAP-Message attributes hold together is as long as its header says (RFC 3748, Section 4), or nothing
// at all: without any, and as EAP-Start (RFC 3579, Section 2.1). It allocates nothing.
func (p Packet) IsEAP() bool {
	var header [4]byte
	n := 0
	for off := HeaderSize; off < len(p); {
		end := off + int(p[off+1])
		if Type(p[off]) == EAPMessage {
			value := p[off+2 : end]
			if n < len(header) {
				copy(header[n:], value)
			}
			n += len(value)
		}
		off = end
	}
	return n == 0 || n >= len(header) && n == int(header[2])<<8|int(header[3])
}

// CheckRequest checks that p is a request that was made with these keys: the authenticator where it is a hash, and the
// Message-Authenticator where there is one. There must be one in a Status-Server and beside EAP-Message, and if requireMA, in every
// Access-Request. It allocates nothing.
func (k *Keys) CheckRequest(p Packet, requireMA bool) error {
	code := p.Code()
	if !code.IsRequest() {
		return codeError(code)
	}
	s, err := p.scan()
	if err != nil {
		return err
	}
	vector := zeros[:]
	if code.signed() {
		vector = p.Authenticator()
	} else {
		// RFC 2866, Section 3, and RFC 5176, Section 2.3: a hash over 16 zeros. The Message-Authenticator is made with
		// the same zeros.
		k.digest(p, vector)
		if !k.isSum(p.Authenticator()) {
			return ErrAuthenticator
		}
	}
	if s.mac == 0 {
		if s.eap {
			return ErrEAP
		}
		// RFC 5997, Section 3.
		if code == StatusServer || requireMA && code == AccessRequest {
			return ErrMissingMessageAuthenticator
		}
		return nil
	}
	k.sign(p, s.mac, vector)
	if !k.isSum(p[s.mac : s.mac+16]) {
		return ErrMessageAuthenticator
	}
	return nil
}

// CheckProxyState returns ErrProxyState for an Access-Request that holds a Proxy-State and no Message-Authenticator: what
// an attacker needs who wants to forge the reply (limit_proxy_state of FreeRADIUS).
func (p Packet) CheckProxyState() error {
	if p.Code() == AccessRequest {
		if s, err := p.scan(); err == nil && s.proxy && s.mac == 0 {
			return ErrProxyState
		}
	}
	return nil
}

// CheckReply checks that p answers the request whose authenticator is given, of 16 octets, and was made with these keys. The
// Response Authenticator is verified before anything else. With requireMA the replies to an Access-Request must hold a
// Message-Authenticator; with EAP-Message all must. It allocates nothing.
func (k *Keys) CheckReply(p Packet, request []byte, requireMA bool) error {
	k.digest(p, request)
	if !k.isSum(p.Authenticator()) {
		return ErrAuthenticator
	}
	code := p.Code()
	if !code.IsReply() {
		return codeError(code)
	}
	s, err := p.scan()
	if err != nil {
		return err
	}
	if s.mac == 0 {
		if s.eap {
			return ErrEAP
		}
		if requireMA && code.access() {
			return ErrMissingMessageAuthenticator
		}
		return nil
	}
	k.sign(p, s.mac, request)
	if k.isSum(p[s.mac : s.mac+16]) {
		return nil
	}
	// RFC 5176, Section 3.4, says the authenticator of the request. FreeRADIUS up to version 3.2 takes zeros in all replies but those
	// to an Access-Request. Both are made with the secret.
	if !code.access() {
		k.sign(p, s.mac, zeros[:])
		if k.isSum(p[s.mac : s.mac+16]) {
			return nil
		}
	}
	return ErrMessageAuthenticator
}

// codeError tells a code of the other side from one that does not exist.
func codeError(c Code) error {
	if c.IsRequest() || c.IsReply() || c == StatusClient {
		return ErrCode
	}
	return ErrUnknownCode
}
