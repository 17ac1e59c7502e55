package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/chap"
	"github.com/frio-io/frio/radius/dict"
)

// Bounds of what is read.
const (
	lineMax     = 64 << 10
	requestsMax = 100_000
)

// What stands among the attributes and is none. The vendor cannot be on the wire.
var (
	packetType  = dict.Attr{ID: radius.ID{Vendor: math.MaxUint32, Type: 1}, Name: "Packet-Type", Kind: dict.String}
	msPassword  = dict.Attr{ID: radius.ID{Vendor: math.MaxUint32, Type: 2}, Name: "MS-CHAP-Password", Kind: dict.String, Secret: true}
	ms2Password = dict.Attr{ID: radius.ID{Vendor: math.MaxUint32, Type: 3}, Name: "MS-CHAP2-Password", Kind: dict.String, Secret: true}
)

// request is what is read of one request; each time that it is sent a packet is made of it.
type request struct {
	number int // of those read, from 1
	line   int // its first
	code   radius.Code
	pairs  []dict.Pair
}

// readRequests reads lines of attributes, with empty ones between requests. code is for those that do not say what they are; 0: by what
// they hold.
func readRequests(name string, from io.Reader, code radius.Code) (list []*request, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, lineMax)
	var r *request
	end := func() error {
		if r == nil {
			return nil
		}
		if len(list) == requestsMax {
			return fmt.Errorf("%s:%d: more than %d requests", name, r.line, requestsMax)
		}
		if err := r.settle(code); err != nil {
			return fmt.Errorf("%s:%d: %w", name, r.line, err)
		}
		r.number = len(list) + 1
		list, r = append(list, r), nil
		return nil
	}
	number := 0
	for lines.Scan() {
		number++
		if strings.TrimSpace(lines.Text()) == "" {
			if err := end(); err != nil {
				return nil, err
			}
			continue
		}
		pairs, err := dict.Parse(lines.Text(), packetType, msPassword, ms2Password)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		if len(pairs) == 0 {
			continue // a comment
		}
		if r == nil {
			r = &request{line: number}
		}
		r.pairs = append(r.pairs, pairs...)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("%s:%d: the line is longer than %d bytes", name, number+1, lineMax)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return list, end()
}

// settle says what the request is.
func (r *request) settle(code radius.Code) error {
	r.code = code
	if code == 0 {
		r.code = radius.AccessRequest
		if r.has(radius.AcctStatusType) {
			r.code = radius.AccountingRequest
		}
	}
	rest := r.pairs[:0]
	for _, p := range r.pairs {
		if p.Attr.ID != packetType.ID {
			rest = append(rest, p)
			continue
		}
		var ok bool
		if r.code, ok = codeOf(string(p.Value)); !ok {
			return fmt.Errorf("Packet-Type: %q is no request", p.Value)
		}
	}
	r.pairs = rest
	return nil
}

func (r *request) has(t radius.Type) bool { _, ok := r.find(t); return ok }

// find returns the value of a standard attribute.
func (r *request) find(t radius.Type) ([]byte, bool) {
	at := slices.IndexFunc(r.pairs, func(p dict.Pair) bool { return p.Attr.ID == radius.ID{Type: uint8(t)} })
	if at < 0 {
		return nil, false
	}
	return r.pairs[at].Value, true
}

// password is the one that is sent as MS-CHAPv2.
func (r *request) password() ([]byte, bool) {
	at := slices.IndexFunc(r.pairs, func(p dict.Pair) bool { return p.Attr.ID == ms2Password.ID })
	if at < 0 {
		return nil, false
	}
	return r.pairs[at].Value, true
}

// codeOf reads the name or the number of a request.
func codeOf(text string) (radius.Code, bool) {
	for c := radius.Code(1); c < 255; c++ {
		if c.IsRequest() && (strings.EqualFold(c.String(), text) || strconv.Itoa(int(c)) == text) {
			return c, true
		}
	}
	return 0, false
}

// build appends a packet: its authenticator, and the challenges in it, are fresh.
func (r *request) build(dst []byte, k *radius.Keys, id uint8) ([]byte, error) {
	var authenticator, challenge, peer [16]byte
	rand.Read(authenticator[:])
	b := radius.NewRequest(dst, r.code, id, authenticator)
	for _, p := range r.pairs {
		switch p.Attr.ID {
		case radius.ID{Type: uint8(radius.CHAPPassword)}:
			if isMade(p.Value) {
				p.Add(&b, k)
				continue
			}
			given, _ := r.find(radius.CHAPChallenge)
			chap.Add(&b, id, p.Value, given)
		case msPassword.ID:
			rand.Read(challenge[:])
			chap.AddMS(&b, [8]byte(challenge[:]), p.Value)
		case ms2Password.ID:
			rand.Read(challenge[:])
			rand.Read(peer[:])
			name, _ := r.find(radius.UserName)
			chap.AddMS2(&b, id, challenge, peer, name, p.Value)
		default:
			p.Add(&b, k)
		}
	}
	return b.Seal(k)
}

// isMade tells a CHAP-Password as it is sent, an ident and an MD5, from one in the clear.
func isMade(v []byte) bool {
	return len(v) == 17 && slices.ContainsFunc(v, func(c byte) bool { return c < ' ' || c > '~' })
}
