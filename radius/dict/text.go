package dict

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/frio-io/frio/radius"
)

// dateLayout is FreeRADIUS's.
const dateLayout = "Jan _2 2006 15:04:05 MST"

// AppendText appends the attributes of p for a trace, one a line: a tab, the name, " = " and the value. Secret values show as
// <N bytes>. Text is in quotes, with everything in it escaped that is not printable.
func AppendText(dst []byte, p radius.Packet) []byte {
	for a := range p.Attributes() {
		vendor, data, ok := a.Vendor()
		if !ok || vendor == 0 {
			dst = appendLine(dst, Of(radius.ID{Type: uint8(a.Type)}), a.Value)
			continue
		}
		listed := false
		for s := range a.Subs() {
			listed = true
			dst = appendLine(dst, Of(radius.ID{Vendor: vendor, Type: uint8(s.Type)}), s.Value)
		}
		if !listed {
			// Nobody knows what is inside.
			dst = fmt.Appendf(dst, "\tVendor-%d = <%d bytes>\n", vendor, len(data))
		}
	}
	return dst
}

func appendLine(dst []byte, a Attr, value []byte) []byte {
	dst = append(append(dst, '\t'), a.Name...)
	if a.Tagged && len(value) > 0 && value[0] <= 0x1f && (a.Kind == Integer || len(value) > 1 || a.Secret) {
		if value[0] != 0 {
			dst = strconv.AppendUint(append(dst, ':'), uint64(value[0]), 10)
		}
		value = value[1:]
		if a.Kind == Integer {
			value = append([]byte{0}, value...) // RFC 2868, Section 3.1: the tag is the highest octet.
		}
	}
	dst = append(dst, " = "...)
	return append(appendValue(dst, a, value), '\n')
}

// appendValue appends the value of an attribute as text, without its tag.
func appendValue(dst []byte, a Attr, v []byte) []byte {
	if a.Secret {
		return fmt.Appendf(dst, "<%d bytes>", len(v))
	}
	switch {
	case a.Kind == String:
		if isPair(a.Name) {
			if name, rest, ok := bytes.Cut(v, []byte("=")); ok && isKeyName(string(name)) {
				dst = appendEscaped(append(dst, '"'), name)
				return fmt.Appendf(dst, "=<%d bytes>\"", len(rest))
			}
		}
		return append(appendEscaped(append(dst, '"'), v), '"')
	case a.Kind == Integer && len(v) == 4, a.Kind == Short && len(v) == 2, a.Kind == Byte && len(v) == 1, a.Kind == Integer64 && len(v) == 8:
		n := number(v)
		if name, ok := a.ValueName(n); ok {
			return append(dst, name...)
		}
		return strconv.AppendUint(dst, n, 10)
	case a.Kind == Signed && len(v) == 4:
		return strconv.AppendInt(dst, int64(int32(number(v))), 10)
	case a.Kind == IPAddr && len(v) == 4, a.Kind == IPv6Addr && len(v) == 16:
		addr, _ := netip.AddrFromSlice(v)
		return addr.AppendTo(dst)
	case a.Kind == IPv4Prefix && len(v) == 6 && v[1] <= 32:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(v[2:])), int(v[1])).AppendTo(dst)
	case a.Kind == IPv6Prefix && len(v) >= 2 && len(v) <= 18 && v[1] <= 128:
		var addr [16]byte // RFC 3162, Section 2.3: octets that are 0 may be left off.
		copy(addr[:], v[2:])
		return netip.PrefixFrom(netip.AddrFrom16(addr), int(v[1])).AppendTo(dst)
	case a.Kind == IFID && len(v) == 8:
		return fmt.Appendf(dst, "%x:%x:%x:%x", number(v[:2]), number(v[2:4]), number(v[4:6]), number(v[6:]))
	case a.Kind == Ether && len(v) == 6:
		return fmt.Appendf(dst, "%02x:%02x:%02x:%02x:%02x:%02x", v[0], v[1], v[2], v[3], v[4], v[5])
	case a.Kind == Date && len(v) == 4:
		dst = time.Unix(int64(number(v)), 0).UTC().AppendFormat(append(dst, '"'), dateLayout)
		return append(dst, '"')
	}
	return hex.AppendEncode(append(dst, "0x"...), v)
}

// number reads up to 8 octets in network order.
func number(v []byte) uint64 {
	var full [8]byte
	copy(full[8-len(v):], v)
	return binary.BigEndian.Uint64(full[:])
}

// appendEscaped appends text as it may stand in quotes, on one line of any terminal or log.
func appendEscaped(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r != utf8.RuneError && strconv.IsPrint(r):
			dst = append(dst, text[:n]...)
		default:
			for _, c := range text[:n] {
				dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
			}
		}
		text = text[n:]
	}
	return dst
}
