package dict

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/frio-io/frio/radius"
)

// Pair is an attribute with a value, read from text.
type Pair struct {
	Attr  Attr
	Op    string // "=", ":=" or "+="; what they mean is up to the reader
	Value []byte // as on the wire, with its tag in front; where the wire hides it, in the clear and without a tag
	Tag   uint8
}

// Parse reads one line of a request as radclient takes it: pairs with commas between, `Name = value`, `Name := value` or `Name += value`; a
// tag as in `Tunnel-Type:1 = VLAN`. An empty line, or one that starts with #, holds none.
//
// Text stands in quotes, where \n, \r, \t, \\, \" and three octal digits mean what they mean in C, or is one word. Octets are
// 0x and hex digits, or text. Integers are numbers or names of values. A secret value is never part of an error.
//
// The names of extra are known as well, before those of the dictionary: what a reader takes that is not for the wire.
func Parse(line string, extra ...Attr) ([]Pair, error) {
	var pairs []Pair
	rest := strings.TrimSpace(line)
	for rest != "" && rest[0] != '#' {
		at := strings.IndexAny(rest, "=:+")
		if tag := strings.IndexByte(rest, ':'); tag == at && tag >= 0 && tag+1 < len(rest) && rest[tag+1] != '=' {
			if next := strings.IndexAny(rest[tag+1:], "=:+"); next >= 0 {
				at = tag + 1 + next
			}
		}
		if at <= 0 {
			return nil, errors.New("not of the form name = value")
		}
		name := strings.TrimSpace(rest[:at])
		if strings.ContainsAny(name, " \t\"'") {
			// Not repeated: it may be a value.
			return nil, errors.New("not of the form name = value")
		}
		op := rest[at : at+1]
		if op != "=" {
			op = rest[at:min(at+2, len(rest))]
		}
		if op != "=" && op != ":=" && op != "+=" || strings.HasPrefix(rest[at:], "==") {
			return nil, fmt.Errorf("%s: the operator is none of = := +=", name)
		}
		text, quoted, after, err := word(strings.TrimSpace(rest[at+len(op):]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p, err := newPair(name, text, quoted, extra)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p.Op = op
		pairs = append(pairs, p)
		after = strings.TrimSpace(after)
		if after != "" && after[0] != '#' && after[0] != ',' {
			return nil, fmt.Errorf("%s: something stands behind the value; text with blanks needs quotes", name)
		}
		rest = strings.TrimSpace(strings.TrimPrefix(after, ","))
	}
	return pairs, nil
}

// word cuts the first value off rest.
func word(rest string) (text string, quoted bool, after string, err error) {
	if rest == "" {
		return "", false, "", errors.New("no value")
	}
	quote := rest[0]
	if quote != '"' && quote != '\'' {
		end := strings.IndexAny(rest, ", \t")
		if end < 0 {
			end = len(rest)
		}
		if end == 0 {
			return "", false, "", errors.New("no value")
		}
		return rest[:end], false, rest[end:], nil
	}
	var b []byte
	for i := 1; i < len(rest); i++ {
		c := rest[i]
		if c == quote {
			return string(b), true, rest[i+1:], nil
		}
		if c == '\\' && i+1 < len(rest) {
			i++
			switch c = rest[i]; {
			case quote == '\'' && c != '\'' && c != '\\':
				b = append(b, '\\')
			case c == 'n':
				c = '\n'
			case c == 'r':
				c = '\r'
			case c == 't':
				c = '\t'
			case c >= '0' && c <= '9':
				n, err := strconv.ParseUint(rest[i:min(i+3, len(rest))], 8, 8)
				if err != nil || i+3 > len(rest) {
					return "", false, "", errors.New("a \\ with digits needs three octal ones, up to \\377")
				}
				c = byte(n)
				i += 2
			}
		}
		b = append(b, c)
	}
	return "", false, "", errors.New("the quote is not closed")
}

// newPair makes a value of a name, with or without a tag, and text.
func newPair(name, text string, quoted bool, extra []Attr) (p Pair, err error) {
	base, tag, tagged := strings.Cut(name, ":")
	a, ok := Lookup(base)
	for _, x := range extra {
		if strings.EqualFold(x.Name, strings.TrimSpace(base)) {
			a, ok = x, true
		}
	}
	if !ok {
		return p, errors.New("no such attribute")
	}
	p.Attr = a
	if tagged {
		n, err := strconv.ParseUint(strings.TrimSpace(tag), 10, 8)
		if err != nil || n > 31 || !a.Tagged {
			return p, errors.New("a tag is a number up to 31, of an attribute that has tags")
		}
		p.Tag = uint8(n)
	}
	v, err := value(a, text, quoted)
	if err != nil {
		if a.Secret {
			return p, errors.New("the value is not of its kind")
		}
		return p, err
	}
	if a.Tagged && !radius.IsHidden(a.Vendor, a.Type) {
		switch {
		case a.Kind == Integer:
			if v[0] != 0 {
				return p, errors.New("a number with a tag has 24 bits")
			}
			v[0] = p.Tag
		case p.Tag != 0 || len(v) > 0 && v[0] <= 0x1f:
			v = append([]byte{p.Tag}, v...)
		}
	}
	p.Value = v
	limit := radius.MaxValue
	if a.Vendor != 0 {
		limit = radius.MaxVendorValue
	}
	if len(v) > limit && a.ID != (radius.ID{Type: uint8(radius.EAPMessage)}) {
		return p, fmt.Errorf("%d bytes are more than the %d of an attribute", len(v), limit)
	}
	return p, nil
}

// value encodes text.
func value(a Attr, text string, quoted bool) ([]byte, error) {
	if !quoted && a.Kind != String && a.Kind != Integer && a.Kind != Short && a.Kind != Byte && a.Kind != Integer64 {
		if digits, ok := strings.CutPrefix(text, "0x"); ok {
			v, err := hex.DecodeString(digits)
			if err != nil {
				return nil, errors.New("0x needs an even number of hex digits")
			}
			return v, nil
		}
	}
	switch a.Kind {
	case Integer:
		return integer(a, text, 32)
	case Short:
		return integer(a, text, 16)
	case Byte:
		return integer(a, text, 8)
	case Integer64:
		return integer(a, text, 64)
	case Signed:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number of 32 bits", text)
		}
		return binary.BigEndian.AppendUint32(nil, uint32(n)), nil
	case IPAddr, IPv6Addr:
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Is4() != (a.Kind == IPAddr) || addr.Zone() != "" {
			return nil, fmt.Errorf("%q is not an address of its family", text)
		}
		return addr.AsSlice(), nil
	case IPv4Prefix, IPv6Prefix:
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Is4() != (a.Kind == IPv4Prefix) {
			return nil, fmt.Errorf("%q is not a prefix of its family", text)
		}
		return append([]byte{0, uint8(p.Bits())}, p.Masked().Addr().AsSlice()...), nil
	case IFID:
		groups := strings.Split(text, ":")
		var v []byte
		for _, g := range groups {
			n, err := strconv.ParseUint(g, 16, 16)
			if err != nil || len(groups) != 4 {
				return nil, fmt.Errorf("%q is not four groups of hex digits", text)
			}
			v = binary.BigEndian.AppendUint16(v, uint16(n))
		}
		return v, nil
	case Ether:
		v, err := net.ParseMAC(text)
		if err != nil || len(v) != 6 {
			return nil, fmt.Errorf("%q is not an Ethernet address", text)
		}
		return v, nil
	case Date:
		return date(text)
	}
	return []byte(text), nil
}

func integer(a Attr, text string, bits int) ([]byte, error) {
	n, ok := a.ValueNumber(text)
	if !ok {
		var err error
		if digits, hexed := strings.CutPrefix(text, "0x"); hexed {
			n, err = strconv.ParseUint(digits, 16, bits)
		} else {
			n, err = strconv.ParseUint(text, 10, bits)
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither the name of a value nor a number of %d bits", text, bits)
		}
	}
	v := binary.BigEndian.AppendUint64(nil, n)
	return v[8-bits/8:], nil
}

func date(text string) ([]byte, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		var at time.Time
		for _, layout := range []string{dateLayout, time.RFC3339, "2006-01-02"} {
			if at, err = time.Parse(layout, text); err == nil {
				break
			}
		}
		if err != nil || at.Unix() < 0 || at.Unix() > 1<<32-1 {
			return nil, fmt.Errorf("%q is neither seconds since 1970 nor a date like 2006-01-02T15:04:05Z", text)
		}
		n = uint64(at.Unix())
	}
	return binary.BigEndian.AppendUint32(nil, uint32(n)), nil
}

// Add adds the pair to a packet, and hides with k what the wire hides. It reports whether it fitted.
func (p Pair) Add(b *radius.Builder, k *radius.Keys) bool {
	switch p.Attr.ID {
	case radius.ID{Type: uint8(radius.UserPassword)}:
		return b.HidePassword(k, p.Value)
	case radius.ID{Type: uint8(radius.TunnelPassword)}:
		return b.HideTunnelPassword(k, p.Tag, p.Value)
	case radius.ID{Type: uint8(radius.EAPMessage)}:
		return b.AddLong(radius.EAPMessage, p.Value)
	case radius.ID{Type: uint8(radius.MessageAuthenticator)}:
		b.Sign() // the value is computed, whatever was written
		return true
	case radius.ID{Vendor: radius.Microsoft, Type: 16}, radius.ID{Vendor: radius.Microsoft, Type: 17}:
		return b.HideKey(k, p.Attr.Type, p.Value)
	}
	if p.Attr.Vendor != 0 {
		return b.AddVendor(p.Attr.Vendor, p.Attr.Type, p.Value)
	}
	return b.Add(radius.Type(p.Attr.Type), p.Value)
}

// AppendAttribute reads a line of pairs and appends them to dst as on the wire. A value that the wire hides is an error: it needs
// the secret, which Pair.Add has.
func AppendAttribute(dst []byte, line string) ([]byte, error) {
	pairs, err := Parse(line)
	if err != nil {
		return dst, err
	}
	out := dst
	for _, p := range pairs {
		if radius.IsHidden(p.Attr.Vendor, p.Attr.Type) {
			return dst, fmt.Errorf("%s is hidden with the secret", p.Attr.Name)
		}
		v := p.Value
		for first := true; first || len(v) > 0; first = false {
			n := min(len(v), radius.MaxValue)
			if p.Attr.Vendor != 0 {
				out = append(out, uint8(radius.VendorSpecific), uint8(8+n))
				out = binary.BigEndian.AppendUint32(out, p.Attr.Vendor)
			}
			out = append(append(out, p.Attr.Type, uint8(2+n)), v[:n]...)
			v = v[n:]
		}
	}
	return out, nil
}
