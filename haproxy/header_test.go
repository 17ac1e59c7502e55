package haproxy

import (
	"errors"
	"hash/crc32"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// v2 makes a header of version 2 of its parts.
func v2(command, family byte, body string) string {
	return signature2 + string([]byte{command, family, byte(len(body) >> 8), byte(len(body))}) + body
}

// tlv makes one TLV.
func tlv(kind byte, value string) string {
	return string([]byte{kind, byte(len(value) >> 8), byte(len(value))}) + value
}

// sealed puts a CRC32C behind the other TLVs of a header whose body is given without it.
func sealed(command, family byte, body string) string {
	b := []byte(v2(command, family, body+tlv(TypeCRC32C, "\x00\x00\x00\x00")))
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	copy(b[len(b)-4:], []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	return string(b)
}

const (
	inet4 = "\xc6\x33\x64\x07" + "\xc0\x00\x02\x01" + "\x9c\xb0" + "\x08\x23"
	inet6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x9c\xb0" + "\x08\x23"
)

func sunPath(path string) string { return path + strings.Repeat("\x00", unixPathMax-len(path)) }

var (
	from4, to4 = netip.MustParseAddrPort("198.51.100.7:40112"), netip.MustParseAddrPort("192.0.2.1:2083")
	from6, to6 = netip.MustParseAddrPort("[2001:db8::7]:40112"), netip.MustParseAddrPort("[2001:db8::1]:2083")
)

var rightHeaders = []struct {
	name, wire string
	want       Header
}{
	{"v1 TCP4", "PROXY TCP4 198.51.100.7 192.0.2.1 40112 2083\r\n", Header{Version: 1, Family: INET, Source: from4, Destination: to4}},
	{"v1 shortest TCP4", "PROXY TCP4 1.1.1.1 2.2.2.2 0 1\r\n", Header{Version: 1, Family: INET,
		Source: netip.MustParseAddrPort("1.1.1.1:0"), Destination: netip.MustParseAddrPort("2.2.2.2:1")}},
	{"v1 TCP6", "PROXY TCP6 2001:db8::7 2001:DB8::1 40112 2083\r\n", Header{Version: 1, Family: INET6, Source: from6, Destination: to6}},
	{"v1 shortest TCP6", "PROXY TCP6 :: :: 1 0\r\n", Header{Version: 1, Family: INET6,
		Source: netip.MustParseAddrPort("[::]:1"), Destination: netip.MustParseAddrPort("[::]:0")}},
	{"v1 longest TCP6", "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		Header{Version: 1, Family: INET6, Source: netip.MustParseAddrPort("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
			Destination: netip.MustParseAddrPort("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")}},
	{"v1 UNKNOWN", "PROXY UNKNOWN\r\n", Header{Version: 1}},
	{"v1 UNKNOWN with more", "PROXY UNKNOWN \r \n what\x00ever 1\r\r\n", Header{Version: 1}},
	{"v1 longest UNKNOWN", "PROXY UNKNOWN " + strings.Repeat("f", v1Max-16) + "\r\n", Header{Version: 1}},
	{"v2 INET", v2(0x21, 0x11, inet4), Header{Version: 2, Family: INET, Source: from4, Destination: to4}},
	{"v2 INET datagram", v2(0x21, 0x12, inet4), Header{Version: 2, Family: INET, Datagram: true, Source: from4, Destination: to4}},
	{"v2 INET6", v2(0x21, 0x21, inet6), Header{Version: 2, Family: INET6, Source: from6, Destination: to6}},
	{"v2 UNIX", v2(0x21, 0x31, sunPath("/run/a")+sunPath("\x00b")), Header{Version: 2, Family: UNIX, SourcePath: "/run/a", DestinationPath: "@b"}},
	{"v2 UNIX unnamed, and without a zero", v2(0x21, 0x32, sunPath("")+strings.Repeat("x", unixPathMax)),
		Header{Version: 2, Family: UNIX, Datagram: true, DestinationPath: strings.Repeat("x", unixPathMax)}},
	{"v2 UNSPEC", v2(0x21, 0x00, ""), Header{Version: 2}},
	{"v2 UNSPEC protocol", v2(0x21, 0x10, inet4+tlv(0xe0, "v")), Header{Version: 2, TLVs: TLVs(tlv(0xe0, "v"))}},
	{"v2 LOCAL", v2(0x20, 0x00, ""), Header{Version: 2, Local: true}},
	{"v2 LOCAL with what must be ignored", v2(0x20, 0xff, "anything"), Header{Version: 2, Local: true}},
	{"v2 TLVs", v2(0x21, 0x11, inet4+tlv(2, "example.org")+tlv(TypeNoop, "")+tlv(0xee, "?")), Header{Version: 2, Family: INET, Source: from4,
		Destination: to4, TLVs: TLVs(tlv(2, "example.org") + tlv(TypeNoop, "") + tlv(0xee, "?"))}},
	{"v2 longest", v2(0x21, 0x11, inet4+tlv(0xe0, strings.Repeat("v", v2Max-v2Min-12-3))), Header{Version: 2, Family: INET, Source: from4,
		Destination: to4, TLVs: TLVs(tlv(0xe0, strings.Repeat("v", v2Max-v2Min-12-3)))}},
}

func TestParse(t *testing.T) {
	for _, c := range rightHeaders {
		t.Run(c.name, func(t *testing.T) {
			for _, behind := range []string{"", "\r\n", "PROXY ", c.wire} {
				var h Header
				used, more, err := h.parse([]byte(c.wire + behind))
				if used != len(c.wire) || more != 0 || err != nil {
					t.Fatalf("parse of %d bytes and %q: %d, %d, %v", len(c.wire), behind, used, more, err)
				}
				if !reflect.DeepEqual(h, c.want) {
					t.Errorf("parsed %+v, want %+v", h, c.want)
				}
			}
			var again Header
			if used, _, err := again.parse(c.want.append(nil)); err != nil || used == 0 || !reflect.DeepEqual(again, c.want) {
				t.Errorf("%+v, formatted and parsed, is %+v (%v)", c.want, again, err)
			}
		})
	}
}

// TestParseTruncated: no beginning of a header is one, or wrong, and what is said to be missing is never more than that.
func TestParseTruncated(t *testing.T) {
	for _, c := range rightHeaders {
		for n := range len(c.wire) {
			h := Header{Version: 77}
			used, more, err := h.parse([]byte(c.wire[:n]))
			if used != 0 || more <= 0 || n+more > len(c.wire) || err != nil {
				t.Fatalf("%s, %d of %d bytes: %d, %d, %v", c.name, n, len(c.wire), used, more, err)
			}
			if h.Version != 77 {
				t.Fatalf("%s, %d of %d bytes: the header was changed to %+v", c.name, n, len(c.wire), h)
			}
		}
	}
}

// TestParseReads: to get a header by what parse says is missing takes few reads.
func TestParseReads(t *testing.T) {
	for _, c := range []struct {
		wire string
		max  int
	}{
		{"PROXY TCP4 198.51.100.7 192.0.2.1 40112 2083\r\n", 10},
		{"PROXY TCP6 2001:db8::7 2001:db8::1 40112 2083\r\n", 12},
		{v2(0x21, 0x11, inet4), 3},
		{v2(0x21, 0x21, inet6+tlv(0xe0, strings.Repeat("v", 1000))), 3},
	} {
		n, reads := 0, 0
		for {
			var h Header
			used, more, err := h.parse([]byte(c.wire[:n]))
			if err != nil {
				t.Fatal(err)
			}
			if used > 0 {
				break
			}
			n += more
			reads++
		}
		if reads > c.max {
			t.Errorf("%q took %d reads, want at most %d", c.wire[:12], reads, c.max)
		}
	}
}

// TestParseChecksum: a right CRC32C passes, wherever it stands, and every changed bit does not.
func TestParseChecksum(t *testing.T) {
	right := sealed(0x21, 0x11, inet4+tlv(0xe0, "v"))
	var h Header
	if used, _, err := h.parse([]byte(right)); err != nil || used != len(right) {
		t.Fatalf("%d, %v", used, err)
	}
	if sum, ok := h.TLVs.Get(TypeCRC32C); !ok || len(sum) != 4 {
		t.Errorf("the CRC32C is not readable: %x, %v", sum, ok)
	}
	for at := v2Min; at < len(right); at++ {
		for bit := range 8 {
			b := []byte(right)
			b[at] ^= 1 << bit
			if used, more, err := h.parse(b); err == nil && (at < v2Min+12 || used > 0 && hasSum(h)) {
				t.Fatalf("bit %d of byte %d changed: %d, %d, %v", bit, at, used, more, err)
			}
		}
	}
}

// swapSums exchanges the two checksums at the end of a header.
func swapSums(header string) string {
	n := len(header)
	return header[:n-11] + header[n-4:] + header[n-7:n-4] + header[n-11:n-7]
}

// hasSum tells whether a CRC32C is left; a bit may have made another type of it.
func hasSum(h Header) bool {
	_, ok := h.TLVs.Get(TypeCRC32C)
	return ok
}

func TestParseWrong(t *testing.T) {
	const (
		one = " (PROXY protocol, section 2.1)"
		two = " (PROXY protocol, section 2.2)"
		sum = " (PROXY protocol, section 2.2.3)"
	)
	flipped := []byte(sealed(0x21, 0x11, inet4))
	flipped[v2Min]++
	// The first of two is right: over a header in which it is zero, and the second one is as it is, zero.
	twice := swapSums(sealed(0x21, 0x11, inet4+tlv(TypeCRC32C, "\x00\x00\x00\x00")))
	for _, c := range []struct {
		name, wire, want string
		why              Refusal
	}{
		{"another protocol", "GET / HTTP/1.1\r\n\r\n", `signature "GET / HTTP/1": neither version 1 nor version 2 (PROXY protocol, section 2)`, NoHeader},
		{"its first byte", "G", `signature "G": neither version 1 nor version 2 (PROXY protocol, section 2)`, NoHeader},
		{"TLS", "\x16\x03\x01\x02\x00", `signature "\x16\x03\x01\x02\x00": neither version 1 nor version 2 (PROXY protocol, section 2)`, NoHeader},
		{"lower case", "proxy TCP4", `signature "proxy TCP4": neither version 1 nor version 2 (PROXY protocol, section 2)`, NoHeader},
		{"no space", "PROXYTCP4", `signature "PROXYTCP4": neither version 1 nor version 2 (PROXY protocol, section 2)`, NoHeader},
		{"signature of v2 cut", "\r\n\r\n\x00\r\nQUIX", `signature "\r\n\r\n\x00\r\nQUIX": neither version 1 nor version 2 (PROXY protocol, section 2)`, NoHeader},

		{"v1 protocol", "PROXY UDP4 1.1.1.1", `protocol "UDP4": neither TCP4 nor TCP6 nor UNKNOWN` + one, Malformed},
		{"v1 protocol at its first letter", "PROXY X", `protocol "X": neither TCP4 nor TCP6 nor UNKNOWN` + one, Malformed},
		{"v1 two spaces", "PROXY  TCP4", `protocol "": neither TCP4 nor TCP6 nor UNKNOWN` + one, Malformed},
		{"v1 nothing", "PROXY \r\n", `protocol "": neither TCP4 nor TCP6 nor UNKNOWN` + one, Malformed},
		{"v1 longer word", "PROXY TCP46 ", `protocol "TCP46": neither TCP4 nor TCP6 nor UNKNOWN` + one, Malformed},
		{"v1 without addresses", "PROXY TCP4\r\n", `source address "": missing` + one, Malformed},
		{"v1 without ports", "PROXY TCP4 1.1.1.1 2.2.2.2\r\n", `source port "": missing` + one, Malformed},
		{"v1 without a port", "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", `destination port "": missing` + one, Malformed},
		{"v1 one more", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", `line "3": more than two addresses and two ports` + one, Malformed},
		{"v1 one more, without an end", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 ", `line "1.1.1.1 2.2.2.2 1 2 ": more than two addresses and two ports` + one, Malformed},
		{"v1 IPv6 in TCP4", "PROXY TCP4 ::1 2.2.2.2 1 2\r\n", `source address "::1": not an IPv4 address, as TCP4 says` + one, Malformed},
		{"v1 IPv4 in TCP6", "PROXY TCP6 ::1 2.2.2.2 1 2\r\n", `destination address "2.2.2.2": not an IPv6 address, as TCP6 says` + one, Malformed},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", `source address "fe80::1%eth0": not an IPv6 address, as TCP6 says` + one, Malformed},
		{"v1 heading zero in an address", "PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n", `source address "1.1.1.01": not an IPv4 address, as TCP4 says` + one, Malformed},
		{"v1 port too great", "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", `source port "65536": not a decimal number from 0 to 65535 without heading zeroes` + one, Malformed},
		{"v1 port with a heading zero", "PROXY TCP4 1.1.1.1 2.2.2.2 1 02\r\n", `destination port "02": not a decimal number from 0 to 65535 without heading zeroes` + one, Malformed},
		{"v1 port with a sign", "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", `source port "+1": not a decimal number from 0 to 65535 without heading zeroes` + one, Malformed},
		{"v1 hexadecimal port", "PROXY TCP4 1.1.1.1 2.2.2.2 0x1 2\r\n", `source port "0x1": not a decimal number from 0 to 65535 without heading zeroes` + one, Malformed},
		{"v1 empty port", "PROXY TCP4 1.1.1.1 2.2.2.2  2\r\n", `source port "": not a decimal number from 0 to 65535 without heading zeroes` + one, Malformed},
		{"v1 LF alone", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", `line "\n": neither a printable character nor a CRLF` + one, Malformed},
		{"v1 CR alone", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rx", `line "\r": neither a printable character nor a CRLF` + one, Malformed},
		{"v1 too long", "PROXY UNKNOWN " + strings.Repeat("f", v1Max-15) + "\r\n", `line 107 bytes: no end by CRLF` + one, Malformed},

		{"v2 version", v2(0x11, 0x11, inet4)[:13], `version 1: not 2` + two, Malformed},
		{"v2 command", v2(0x22, 0x11, inet4)[:13], `command 2: neither LOCAL (0) nor PROXY (1)` + two, Malformed},
		{"v2 family", v2(0x21, 0x41, inet4)[:14], `family 4: above 3, Unix sockets` + two, Malformed},
		{"v2 protocol", v2(0x21, 0x13, inet4)[:14], `protocol 3: above 2, datagrams` + two, Malformed},
		{"v2 INET too short", v2(0x21, 0x11, inet4[:11]), `length 11: below 12, the addresses of IPv4` + two, Malformed},
		{"v2 INET6 too short", v2(0x21, 0x21, inet4)[:16], `length 12: below 36, the addresses of IPv6` + two, Malformed},
		{"v2 UNIX too short", v2(0x21, 0x31, sunPath("a")), `length 108: below 216, the addresses of Unix socket` + two, Malformed},
		{"v2 too long", signature2 + "\x21\x11\x0f\xf1", `length 4081: above 4080, with which a header has 4096 bytes, our limit` + two, Malformed},
		{"v2 LOCAL too long", signature2 + "\x20\x00\xff\xff", `length 65535: above 4080, with which a header has 4096 bytes, our limit` + two, Malformed},
		{"v2 TLV cut in its length", v2(0x21, 0x11, inet4+"\xe0\x00"), `TLV 0xe000: cut off in its type and length` + two, Malformed},
		{"v2 TLV cut in its value", v2(0x21, 0x11, inet4+"\xe0\x00\x02v"), `length of TLV 0xe0 2: above 1, what is left of the header` + two, Malformed},
		{"v2 TLV of UNSPEC", v2(0x21, 0x00, "\xe0\xff\xff"), `length of TLV 0xe0 65535: above 0, what is left of the header` + two, Malformed},
		{"v2 length of CRC32C", v2(0x21, 0x11, inet4+tlv(TypeCRC32C, "123")), `length of CRC32C 3: not 4` + sum, Malformed},
		{"v2 CRC32C twice", twice, `CRC32C 0x00000000: given twice` + two, Malformed},
		{"v2 CRC32C", string(flipped), `CRC32C 0x9402524d: not 0x2d391eaa, that of the header` + sum, Checksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := Header{Version: 77}
			used, more, err := h.parse([]byte(c.wire))
			var wrong *HeaderError
			if !errors.As(err, &wrong) || used != 0 || more != 0 || h.Version != 77 {
				t.Fatalf("%d, %d, %v; the header is %+v", used, more, err, h)
			}
			if got := err.Error(); got != "haproxy: "+c.want {
				t.Errorf("got\n%s, want\nhaproxy: %s", got, c.want)
			}
			if wrong.why != c.why {
				t.Errorf("counted as %v, want %v", wrong.why, c.why)
			}
		})
	}
}

func TestTLVs(t *testing.T) {
	list := TLVs(tlv(1, "h2") + tlv(0xe0, "") + tlv(1, "again"))
	var got []string
	for kind, value := range list.All() {
		got = append(got, string(rune('0'+kind%10))+string(value))
	}
	if want := []string{"1h2", "4", "1again"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if v, ok := list.Get(1); !ok || string(v) != "h2" {
		t.Errorf("Get(1): %q, %v", v, ok)
	}
	if v, ok := list.Get(2); ok {
		t.Errorf("Get(2): %q", v)
	}
	// Cut ones end the list.
	for n := range list {
		for kind, value := range list[:n].All() {
			if kind != 1 && kind != 0xe0 || len(value) > n {
				t.Errorf("%d bytes: type %d, %q", n, kind, value)
			}
		}
	}
}

// TestManyTLVs: a header full of empty TLVs is taken, and shown in a line.
func TestManyTLVs(t *testing.T) {
	wire := v2(0x21, 0x11, inet4+strings.Repeat(tlv(0xe0, ""), (v2Max-v2Min-12)/3))
	var h Header
	if used, _, err := h.parse([]byte(wire)); err != nil || used != len(wire) {
		t.Fatalf("%d, %v", used, err)
	}
	if text := h.String(); len(text) > 500 || !strings.HasSuffix(text, ", TLV 0xe0 of 0 bytes, and 1340 more") {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}
