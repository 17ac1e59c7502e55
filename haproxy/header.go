package haproxy

import (
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"
)

const (
	v1Min = len("PROXY UNKNOWN\r\n") // the shortest header of all
	v1Max = 107                      // section 2.1, the longest line with its CRLF
	v2Min = 16                       // section 2.2, what stands before the addresses
	v2Max = 4096                     // ours: 3,864 bytes of TLVs behind the longest addresses
)

// Family is what kind of addresses a header gives.
type Family uint8

const (
	Unspec Family = iota // none: LOCAL, UNKNOWN, or nothing that we know
	INET
	INET6
	UNIX
)

var familyNames = [...]string{"no address", "IPv4", "IPv6", "Unix socket"}

func (f Family) String() string { return familyNames[f] }

// Header is what a PROXY header says.
type Header struct {
	Version  uint8  // 1 or 2; 0: there is none yet
	Local    bool   // version 2: the proxy speaks for itself (LOCAL)
	Datagram bool   // version 2: the addresses are those of datagrams
	Family   Family // of the addresses; Unspec: there are none
	// Source is the real peer, Destination the address that it connected to; set for INET and INET6.
	Source, Destination netip.AddrPort
	// The same for UNIX: "@name" is an abstract one, "" a socket without a name.
	SourcePath, DestinationPath string
	// TLVs are version 2's, as they came. They are the connection's, until its Close.
	TLVs TLVs
}

// TLVs are type-length-value vectors in their wire form, each whole (section 2.2).
type TLVs []byte

// Types of TLVs that the layer itself knows (section 2.2).
const (
	TypeCRC32C = 0x03
	TypeNoop   = 0x04
)

// All gives the type and value of each, in order, NOOP as well. The values are parts of t.
func (t TLVs) All() iter.Seq2[uint8, []byte] {
	return func(yield func(uint8, []byte) bool) {
		for rest := t; len(rest) >= 3; {
			end := 3 + (int(rest[1])<<8 | int(rest[2]))
			if end > len(rest) || !yield(rest[0], rest[3:end:end]) {
				return
			}
			rest = rest[end:]
		}
	}
}

// Get returns the value of the first TLV of type kind, a part of t.
func (t TLVs) Get(kind uint8) (value []byte, ok bool) {
	for k, v := range t.All() {
		if k == kind {
			return v, true
		}
	}
	return nil, false
}

// HeaderError says what is wrong with a header: "haproxy: source port "65536": above 65535 (PROXY protocol, section 2.1)".
type HeaderError struct {
	Field string
	Value string // as it came: quoted text, or a number
	Rule  string

	why Refusal
}

func (e *HeaderError) Error() string {
	return fmt.Sprintf("haproxy: %s %s: %s", e.Field, e.Value, e.Rule)
}

const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// parse reads the header that p begins with, into h. used is its length in bytes. While p is only the beginning of a header,
// used is 0 and more tells how many bytes, at least, are missing: to read so many cannot take any that follow the header.
// h.TLVs is a part of p. The error is a *HeaderError.
func (h *Header) parse(p []byte) (used, more int, err error) {
	switch {
	case len(p) == 0:
		return 0, v1Min, nil
	case begins(p, signature1):
		return h.parse1(p)
	case begins(p, signature2):
		return h.parse2(p)
	}
	return 0, 0, &HeaderError{"signature", strconv.Quote(string(p[:min(len(p), len(signature2))])),
		"neither version 1 nor version 2 (PROXY protocol, section 2)", NoHeader}
}

// begins tells whether p begins with signature, as far as it goes.
func begins(p []byte, signature string) bool {
	n := min(len(p), len(signature))
	return string(p[:n]) == signature[:n]
}

// append adds the header in its wire form. It must be one that parse can return.
func (h *Header) append(dst []byte) []byte {
	if h.Version == 1 {
		return h.append1(dst)
	}
	return h.append2(dst)
}

// real tells whether the header gives addresses that count instead of the socket's.
func (h *Header) real() bool { return h.Family != Unspec }

// source and destination are the addresses without the difference between IPv4 and mapped IPv4.
func (h *Header) source() netip.AddrPort      { return unmap(h.Source) }
func (h *Header) destination() netip.AddrPort { return unmap(h.Destination) }

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// ends prints "192.0.2.1:2083 <- 198.51.100.7:40112".
func (h *Header) ends() string {
	if h.Family == UNIX {
		return printable(h.DestinationPath) + " <- " + printable(h.SourcePath)
	}
	return h.destination().String() + " <- " + h.source().String()
}

func printable(path string) string {
	if path == "" {
		return "(unnamed)"
	}
	if q := strconv.Quote(path); q != `"`+path+`"` || strings.Contains(path, " ") {
		return q
	}
	return path
}

// String prints the header for Debug.
func (h *Header) String() string {
	text := "version " + strconv.Itoa(int(h.Version))
	if h.Local {
		return text + ", local"
	}
	text += ", " + h.Family.String()
	if h.Datagram {
		text += ", datagrams"
	}
	count := 0
	for kind, value := range h.TLVs.All() {
		if count++; count <= shownTLVs {
			text += fmt.Sprintf(", TLV %#02x of %d bytes", kind, len(value))
		}
	}
	if count > shownTLVs {
		text += fmt.Sprintf(", and %d more", count-shownTLVs)
	}
	return text
}

// shownTLVs bounds what String lists: a header has room for 1,360 empty ones.
const shownTLVs = 16
