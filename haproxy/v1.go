package haproxy

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

const rule1 = " (PROXY protocol, section 2.1)"

// protocol1 is a word for the kind of addresses in a line of version 1.
type protocol1 struct {
	word   string
	family Family
	min    [4]int // the least length of source and destination address, source and destination port
}

var protocols1 = [...]protocol1{
	{"TCP4", INET, [4]int{len("1.1.1.1"), len("1.1.1.1"), 1, 1}},
	{"TCP6", INET6, [4]int{len("::"), len("::"), 1, 1}},
	{"UNKNOWN", Unspec, [4]int{}},
}

var fields1 = [...]string{"source address", "destination address", "source port", "destination port"}

// wrong1 is an error about value, in a line of version 1.
func wrong1(field string, value []byte, rule string) error {
	return &HeaderError{field, strconv.Quote(string(value)), rule + rule1, Malformed}
}

func wrongProtocol1(word []byte) error {
	return wrong1("protocol", word, "neither TCP4 nor TCP6 nor UNKNOWN")
}

// parse1 is parse of what begins like version 1: "PROXY TCP4 198.51.100.7 192.0.2.1 40112 2083\r\n".
func (h *Header) parse1(p []byte) (used, more int, err error) {
	line := p[:min(len(p), v1Max)]
	end := bytes.Index(line, []byte("\r\n"))
	if end < 0 {
		if len(line) == v1Max {
			return 0, 0, &HeaderError{"line", strconv.Itoa(v1Max) + " bytes", "no end by CRLF" + rule1, Malformed}
		}
		more, err = missing1(line)
		return 0, more, err
	}
	word, rest, spaced := bytes.Cut(line[len(signature1):end], []byte(" "))
	proto := findProtocol1(word)
	if proto == nil {
		return 0, 0, wrongProtocol1(word)
	}
	got := Header{Version: 1, Family: proto.family}
	// What stands behind UNKNOWN, up to the CRLF, must be ignored.
	if proto.family != Unspec {
		if err := got.fields1(proto, rest, spaced); err != nil {
			return 0, 0, err
		}
	}
	*h = got
	return end + 2, 0, nil
}

func findProtocol1(word []byte) *protocol1 {
	for i := range protocols1 {
		if protocols1[i].word == string(word) {
			return &protocols1[i]
		}
	}
	return nil
}

// fields1 takes the two addresses and two ports of rest.
func (h *Header) fields1(proto *protocol1, rest []byte, spaced bool) error {
	var fields [len(fields1)][]byte
	for i, name := range fields1 {
		if !spaced {
			return wrong1(name, nil, "missing")
		}
		fields[i], rest, spaced = bytes.Cut(rest, []byte(" "))
	}
	if spaced {
		return wrong1("line", rest, "more than two addresses and two ports")
	}
	var addrs [2]netip.Addr
	var ports [2]uint16
	for i := range addrs {
		var err error
		if addrs[i], err = address1(proto, fields1[i], fields[i]); err != nil {
			return err
		}
	}
	for i := range ports {
		var err error
		if ports[i], err = port1(fields1[2+i], fields[2+i]); err != nil {
			return err
		}
	}
	h.Source, h.Destination = netip.AddrPortFrom(addrs[0], ports[0]), netip.AddrPortFrom(addrs[1], ports[1])
	return nil
}

func address1(proto *protocol1, name string, field []byte) (netip.Addr, error) {
	a, err := netip.ParseAddr(string(field))
	if err != nil || a.Zone() != "" || a.Is4() != (proto.family == INET) {
		return a, wrong1(name, field, "not an "+proto.family.String()+" address, as "+proto.word+" says")
	}
	return a, nil
}

func port1(name string, field []byte) (uint16, error) {
	// ParseUint takes neither signs nor spaces; heading zeroes are forbidden.
	n, err := strconv.ParseUint(string(field), 10, 16)
	if err != nil || len(field) > 1 && field[0] == '0' {
		return 0, wrong1(name, field, "not a decimal number from 0 to 65535 without heading zeroes")
	}
	return uint16(n), nil
}

// missing1 tells how many bytes the line, which has no CRLF yet, must still get at least, or that it cannot become right.
func missing1(line []byte) (more int, err error) {
	if len(line) <= len(signature1) {
		return v1Min - len(line), nil
	}
	body, cr := bytes.CutSuffix(line[len(signature1):], []byte("\r"))
	word, rest, spaced := bytes.Cut(body, []byte(" "))
	proto := findProtocol1(word)
	switch {
	case proto == nil && (spaced || cr || !beginsProtocol1(word)):
		return 0, wrongProtocol1(word)
	case cr:
		return 1, nil
	case !spaced:
		return v1Min - len(line), nil
	case proto.family == Unspec:
		return 2, nil
	}
	if i := bytes.IndexFunc(rest, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		return 0, wrong1("line", rest[i:i+1], "neither a printable character nor a CRLF")
	}
	at := bytes.Count(rest, []byte(" "))
	if at >= len(fields1) {
		return 0, wrong1("line", rest, "more than two addresses and two ports")
	}
	more = len("\r\n")
	if len(rest) == 0 || rest[len(rest)-1] == ' ' {
		more += proto.min[at]
	}
	for _, least := range proto.min[at+1:] {
		more += 1 + least
	}
	return more, nil
}

func beginsProtocol1(word []byte) bool {
	for i := range protocols1 {
		if strings.HasPrefix(protocols1[i].word, string(word)) {
			return true
		}
	}
	return false
}

func (h *Header) append1(dst []byte) []byte {
	var word string
	switch h.Family {
	case INET:
		word = "TCP4 "
	case INET6:
		word = "TCP6 "
	default:
		return append(dst, "PROXY UNKNOWN\r\n"...)
	}
	dst = append(append(dst, signature1...), word...)
	dst = append(h.Source.Addr().AppendTo(dst), ' ')
	dst = append(h.Destination.Addr().AppendTo(dst), ' ')
	dst = append(strconv.AppendUint(dst, uint64(h.Source.Port()), 10), ' ')
	dst = strconv.AppendUint(dst, uint64(h.Destination.Port()), 10)
	return append(dst, "\r\n"...)
}
