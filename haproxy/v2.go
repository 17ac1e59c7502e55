package haproxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
)

const rule2 = " (PROXY protocol, section 2.2)"

const (
	commandLocal = 0
	commandProxy = 1

	protocolStream   = 1
	protocolDatagram = 2

	unixPathMax = 108
)

// addresses2 is how long the addresses of each Family are.
var addresses2 = [...]int{Unspec: 0, INET: 2 * (4 + 2), INET6: 2 * (16 + 2), UNIX: 2 * unixPathMax}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func wrong2(field, value, rule string) error {
	return &HeaderError{field, value, rule + rule2, Malformed}
}

// parse2 is parse of what begins like version 2.
func (h *Header) parse2(p []byte) (used, more int, err error) {
	if err := check2(p); err != nil {
		return 0, 0, err
	}
	if len(p) < v2Min {
		// The shortest header may be one of version 1, but not this one any more.
		return 0, v2Min - len(p), nil
	}
	n := v2Min + int(binary.BigEndian.Uint16(p[14:]))
	if n > v2Max {
		return 0, 0, wrong2("length", strconv.Itoa(n-v2Min), fmt.Sprintf("above %d, with which a header has %d bytes, our limit", v2Max-v2Min, v2Max))
	}
	local := p[12]&15 == commandLocal
	family, protocol := Family(p[13]>>4), p[13]&15
	if !local && n-v2Min < addresses2[family] {
		return 0, 0, wrong2("length", strconv.Itoa(n-v2Min), fmt.Sprintf("below %d, the addresses of %v", addresses2[family], family))
	}
	if len(p) < n {
		return 0, n - len(p), nil
	}
	got := Header{Version: 2, Local: local}
	if !local { // of a LOCAL one everything that follows is discarded, the family as well
		got.Family, got.Datagram = family, protocol == protocolDatagram
		got.addresses2(p[v2Min:])
		got.TLVs = TLVs(p[v2Min+addresses2[family] : n : n])
		if err := got.TLVs.check(p[:n]); err != nil {
			return 0, 0, err
		}
		if family == Unspec || protocol != protocolStream && protocol != protocolDatagram {
			// Unspecified in one respect: the addresses are ignored.
			got = Header{Version: 2, TLVs: got.TLVs}
		}
		if len(got.TLVs) == 0 {
			got.TLVs = nil
		}
	}
	*h = got
	return n, 0, nil
}

// check2 checks what is there of version, command, family and protocol.
func check2(p []byte) error {
	if len(p) > 12 {
		if v := p[12] >> 4; v != 2 {
			return wrong2("version", strconv.Itoa(int(v)), "not 2")
		}
		if c := p[12] & 15; c != commandLocal && c != commandProxy {
			return wrong2("command", strconv.Itoa(int(c)), "neither LOCAL (0) nor PROXY (1)")
		}
	}
	if len(p) > 13 && p[12]&15 == commandProxy {
		if f := p[13] >> 4; f > uint8(UNIX) {
			return wrong2("family", strconv.Itoa(int(f)), "above 3, Unix sockets")
		}
		if t := p[13] & 15; t > protocolDatagram {
			return wrong2("protocol", strconv.Itoa(int(t)), "above 2, datagrams")
		}
	}
	return nil
}

// addresses2 takes the addresses of h.Family.
func (h *Header) addresses2(p []byte) {
	port := func(at int) uint16 { return binary.BigEndian.Uint16(p[at:]) }
	switch h.Family {
	case INET:
		h.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(p)), port(8))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte(p[4:])), port(10))
	case INET6:
		h.Source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(p)), port(32))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom16([16]byte(p[16:])), port(34))
	case UNIX:
		h.SourcePath = path2(p[:unixPathMax])
		h.DestinationPath = path2(p[unixPathMax : 2*unixPathMax])
	}
}

// path2 is the name in a sun_path: up to a zero, or, where it begins with one, an abstract name.
func path2(p []byte) string {
	if p[0] == 0 {
		if name := bytes.TrimRight(p[1:], "\x00"); len(name) > 0 {
			return "@" + string(name)
		}
		return ""
	}
	name, _, _ := bytes.Cut(p, []byte{0})
	return string(name)
}

// check wants every TLV whole, and a right checksum where there is one. header is all of it.
func (t TLVs) check(header []byte) error {
	sums := 0
	for rest := []byte(t); len(rest) > 0; {
		if len(rest) < 3 {
			return wrong2("TLV", fmt.Sprintf("%#x", rest), "cut off in its type and length")
		}
		kind, n := rest[0], int(binary.BigEndian.Uint16(rest[1:]))
		if 3+n > len(rest) {
			return wrong2(fmt.Sprintf("length of TLV %#02x", kind), strconv.Itoa(n), fmt.Sprintf("above %d, what is left of the header", len(rest)-3))
		}
		if kind == TypeCRC32C {
			if sums++; sums > 1 {
				return wrong2("CRC32C", fmt.Sprintf("%#x", rest[3:3+n]), "given twice")
			}
			if err := checksum(header, rest[3:3+n], len(header)-len(rest)+3); err != nil {
				return err
			}
		}
		rest = rest[3+n:]
	}
	return nil
}

// checksum compares sum, which stands in header at offset at, with the CRC32C over header in which it is zero.
func checksum(header, sum []byte, at int) error {
	const rule = " (PROXY protocol, section 2.2.3)"
	if len(sum) != 4 {
		return &HeaderError{"length of CRC32C", strconv.Itoa(len(sum)), "not 4" + rule, Malformed}
	}
	var zero [4]byte
	want := crc32.Update(0, castagnoli, header[:at])
	want = crc32.Update(want, castagnoli, zero[:])
	want = crc32.Update(want, castagnoli, header[at+4:])
	if got := binary.BigEndian.Uint32(sum); got != want {
		return &HeaderError{"CRC32C", fmt.Sprintf("%#08x", got), fmt.Sprintf("not %#08x, that of the header%s", want, rule), Checksum}
	}
	return nil
}

func (h *Header) append2(dst []byte) []byte {
	command, protocol := byte(2<<4|commandProxy), byte(protocolStream)
	switch {
	case h.Local:
		command, protocol = 2<<4|commandLocal, 0
	case h.Family == Unspec:
		protocol = 0
	case h.Datagram:
		protocol = protocolDatagram
	}
	dst = append(append(dst, signature2...), command, byte(h.Family)<<4|protocol)
	dst = binary.BigEndian.AppendUint16(dst, uint16(addresses2[h.Family]+len(h.TLVs)))
	switch h.Family {
	case INET, INET6:
		dst = append(dst, h.Source.Addr().AsSlice()...)
		dst = append(dst, h.Destination.Addr().AsSlice()...)
		dst = binary.BigEndian.AppendUint16(dst, h.Source.Port())
		dst = binary.BigEndian.AppendUint16(dst, h.Destination.Port())
	case UNIX:
		dst = appendPath2(appendPath2(dst, h.SourcePath), h.DestinationPath)
	}
	return append(dst, h.TLVs...)
}

func appendPath2(dst []byte, path string) []byte {
	var p [unixPathMax]byte
	if copy(p[:], path); p[0] == '@' && len(path) > 1 {
		p[0] = 0
	}
	return append(dst, p[:]...)
}
