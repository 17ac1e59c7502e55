package radius

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

// packet returns a packet of raw octets behind a header whose length is right.
func packet(code Code, attributes ...byte) []byte {
	b := append([]byte{byte(code), 7, 0, 0}, make([]byte, 16)...)
	b = append(b, attributes...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// length is b with another value in its Length field.
func length(b []byte, n int) []byte {
	b = bytes.Clone(b)
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	return b
}

func TestParse(t *testing.T) {
	big := packet(1, bytes.Repeat([]byte{250, 4, 1, 2}, (MaxSize-HeaderSize)/4)...)
	for _, c := range []struct {
		name string
		b    []byte
		n    int
		err  error
	}{
		{"nothing", nil, 0, ErrTooShort},
		{"19 octets", packet(1)[:19], 0, ErrTooShort},
		{"header only", packet(1), 20, nil},
		{"any code", packet(99), 20, nil},
		{"length 0", length(packet(1), 0), 0, ErrTooShort},
		{"length 19", length(packet(1), 19), 0, ErrTooShort},
		{"length beyond", length(packet(1), 21), 0, ErrTruncated},
		{"length 4097", length(append(big, 0), 4097), 0, ErrTooLong},
		{"length 65535", length(packet(1), 65535), 0, ErrTooLong},
		{"4096 octets", big, MaxSize, nil},
		{"padding", append(packet(1, 1, 3, 'a'), 1, 0, 9), 23, nil},
		{"empty value", packet(1, 1, 2), 22, nil},
		{"attribute length 0", packet(1, 1, 0), 0, ErrAttributeLength},
		{"attribute length 1", packet(1, 1, 1), 0, ErrAttributeLength},
		{"attribute beyond", packet(1, 1, 4, 'a'), 0, ErrAttributeLength},
		{"attribute type only", packet(1, 1, 3, 'a', 1), 0, ErrAttributeLength},
		{"attribute beyond the length, in the padding", append(packet(1, 1, 4, 'a'), 'b'), 0, ErrAttributeLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse(c.b)
			if err != c.err || len(p) != c.n {
				t.Errorf("%d octets, %v; want %d, %v", len(p), err, c.n, c.err)
			}
			if err == nil && cap(p) != len(p) {
				t.Errorf("the packet can grow into what lies behind it")
			}
		})
	}
}

// TestParseTruncated: each shorter input fails.
func TestParseTruncated(t *testing.T) {
	for _, text := range []string{papRequest, chapRequest, statusRequest} {
		b := unhex(t, text)
		for n := range b {
			if p, err := Parse(b[:n]); err == nil {
				t.Errorf("%d of %d octets are %x", n, len(b), p)
			}
			if n < HeaderSize {
				continue
			}
			// The length is right, the last attribute is not, but where it ends.
			p, err := Parse(length(b[:n], n))
			if err == nil {
				for a := range p.Attributes() {
					_ = a.Value
				}
			}
		}
	}
}

func TestFrame(t *testing.T) {
	p := packet(1, 1, 3, 'a')
	two := append(bytes.Clone(p), p...)
	for n := range two {
		size, err := Frame(two[:n])
		want := len(p)
		if n < 4 {
			want = 0
		}
		if err != nil || size != want {
			t.Errorf("Frame of %d octets: %d %v, want %d", n, size, err, want)
		}
	}
	for n, want := range map[int]error{0: ErrTooShort, 19: ErrTooShort, 20: nil, 4096: nil, 4097: ErrTooLong, 65535: ErrTooLong} {
		if size, err := Frame(length(p, n)); err != want || err == nil && size != n {
			t.Errorf("Frame, length %d: %d %v", n, size, err)
		}
	}
}

func TestAccessors(t *testing.T) {
	p := parse(t, packet(AccessRequest,
		1, 5, 'b', 'o', 'b',
		26, 12, 0, 0, 0, 9, 1, 3, 'x', 2, 3, 'y',
		26, 6, 0, 0, 0, 9, // no data
		26, 9, 0, 0, 0, 9, 1, 4, 'z', // does not add up
		26, 4, 0, 0, // not even a vendor
		26, 9, 0, 0, 1, 55, 16, 3, 'k',
		26, 9, 0, 0, 0, 9, 1, 3, 'w',
		33, 4, 1, 2,
		33, 2,
	))
	if p.Code() != AccessRequest || p.ID() != 7 || len(p.Authenticator()) != 16 {
		t.Errorf("%v %d %x", p.Code(), p.ID(), p.Authenticator())
	}
	var types []Type
	var subs []string
	for a := range p.Attributes() {
		if p[a.Offset] != byte(a.Type) || int(p[a.Offset+1]) != 2+len(a.Value) {
			t.Errorf("offset %d of %v", a.Offset, a)
		}
		types = append(types, a.Type)
		for s := range a.Subs() {
			vendor, _, _ := a.Vendor()
			if a.Value[s.Offset] != byte(s.Type) {
				t.Errorf("offset %d of %v", s.Offset, s)
			}
			subs = append(subs, fmt.Sprintf("%d.%d=%s", vendor, s.Type, s.Value))
		}
	}
	if got, want := fmt.Sprint(types), "[1 26 26 26 26 26 26 33 33]"; got != want {
		t.Errorf("types %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(subs), "[9.1=x 9.2=y 311.16=k 9.1=w]"; got != want {
		t.Errorf("sub-attributes %s, want %s", got, want)
	}
	for range p.Attributes() {
		break
	}
	if v, ok := p.Find(UserName); !ok || string(v) != "bob" {
		t.Errorf("User-Name %q %v", v, ok)
	}
	if v, ok := p.Find(State); ok {
		t.Errorf("State %q", v)
	}
	for _, c := range []struct {
		vendor uint32
		typ    uint8
		want   string
	}{{9, 1, "x"}, {9, 2, "y"}, {311, 16, "k"}, {9, 3, ""}, {311, 1, ""}, {0, 1, ""}} {
		if v, ok := p.FindVendor(c.vendor, c.typ); string(v) != c.want || ok != (c.want != "") {
			t.Errorf("%d.%d: %q %v, want %q", c.vendor, c.typ, v, ok, c.want)
		}
	}
	for prefix, want := range map[string]bool{"\x01": true, "\x01\x02": true, "\x01\x02\x03": false, "\x02": false} {
		if got := p.LoopBy([]byte(prefix)); got != want {
			t.Errorf("LoopBy(%q) = %v", prefix, got)
		}
	}
}

// TestNames: each reason and code has a name of its own.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for r := range ReasonCount {
		if seen[r.String()] || r.String() == "" {
			t.Errorf("reason %d is %q", r, r)
		}
		seen[r.String()] = true
	}
	if ReasonOf(ErrTTL) != ReasonTTL || ReasonOf(nil) != ReasonNone || ReasonOf(errors.New("x")) != ReasonNone {
		t.Errorf("ReasonOf")
	}
	if ReasonCount.String() != "unknown" {
		t.Errorf("%v", ReasonCount)
	}
	for c := range 256 {
		name := Code(c).String()
		if seen[name] {
			t.Errorf("code %d is %q", c, name)
		}
		seen[name] = true
		for other := range 256 {
			if Code(c).Answers(Code(other)) && !(Code(c).IsReply() && Code(other).IsRequest()) {
				t.Errorf("%v answers %v", Code(c), Code(other))
			}
		}
	}
	if AccessRequest.String() != "Access-Request" || Code(99).String() != "Code-99" {
		t.Errorf("%v %v", AccessRequest, Code(99))
	}
}
