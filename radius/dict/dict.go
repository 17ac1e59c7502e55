// Package dict knows attributes by name: for tools, traces and configuration, never on the way of a packet.
//
// The standard attributes and their values come from layeh.com/radius; what it leaves out is in more.dictionary.
package dict

import (
	_ "embed"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"

	"layeh.com/radius/debug"
	"layeh.com/radius/dictionary"

	"github.com/frio-io/frio/radius"
)

// Kind is how the value of an attribute is written.
type Kind uint8

const (
	Octets Kind = iota
	String
	Integer
	IPAddr
	IPv6Addr
	IPv4Prefix
	IPv6Prefix
	IFID
	Date
	Integer64
	Ether
	Byte
	Short
	Signed
)

var kinds = map[dictionary.AttributeType]Kind{
	dictionary.AttributeString:     String,
	dictionary.AttributeIPAddr:     IPAddr,
	dictionary.AttributeDate:       Date,
	dictionary.AttributeInteger:    Integer,
	dictionary.AttributeIPv6Addr:   IPv6Addr,
	dictionary.AttributeIPv6Prefix: IPv6Prefix,
	dictionary.AttributeIFID:       IFID,
	dictionary.AttributeInteger64:  Integer64,
	dictionary.AttributeEther:      Ether,
	dictionary.AttributeByte:       Byte,
	dictionary.AttributeShort:      Short,
	dictionary.AttributeSigned:     Signed,
	dictionary.AttributeIPv4Prefix: IPv4Prefix,
}

// Attr is what the dictionary says of an attribute.
type Attr struct {
	radius.ID
	Name   string // of an attribute that is not in it: "Attr-250", "Vendor-9.77"
	Kind   Kind   // Octets of one that is not in it
	Tagged bool   // the value starts with a tag (RFC 2868)
	Secret bool   // the value is never shown
}

type entry struct {
	Attr
	names   map[uint64]string
	numbers map[string]uint64 // by lower case
}

type table struct {
	names   map[string]*entry // by lower case
	ids     map[radius.ID]*entry
	vendors map[string]uint32 // by lower case
}

//go:embed more.dictionary
var more string

// file makes a string what the parser reads.
type file struct{ io.Reader }

func (file) Name() string { return "more.dictionary" }
func (file) Close() error { return nil }

// tables is made when it is first asked for: a gateway without traces does without.
var tables = sync.OnceValue(func() *table {
	t := &table{map[string]*entry{}, map[radius.ID]*entry{}, map[string]uint32{}}
	extra, err := (&dictionary.Parser{}).Parse(file{strings.NewReader(more)})
	if err != nil {
		panic(fmt.Sprintf("dict: %v", err))
	}
	for _, d := range []*dictionary.Dictionary{debug.IncludedDictionary, extra} {
		t.add(0, d.Attributes)
		for _, v := range d.Vendors {
			t.vendors[strings.ToLower(v.Name)] = uint32(v.Number)
			t.add(uint32(v.Number), v.Attributes)
		}
		for _, v := range d.Values {
			if e := t.names[strings.ToLower(v.Attribute)]; e != nil {
				if e.names == nil {
					e.names, e.numbers = map[uint64]string{}, map[string]uint64{}
				}
				if _, there := e.names[v.Number]; !there {
					e.names[v.Number] = v.Name
				}
				e.numbers[strings.ToLower(v.Name)] = v.Number
			}
		}
	}
	return t
})

func (t *table) add(vendor uint32, attrs []*dictionary.Attribute) {
	for _, a := range attrs {
		// Attributes inside of others, and those with types above 255, do not stand for themselves on the wire.
		if len(a.OID) != 1 || a.OID[0] < 1 || a.OID[0] > 255 {
			continue
		}
		id := radius.ID{Vendor: vendor, Type: uint8(a.OID[0])}
		e := &entry{Attr: Attr{ID: id, Name: a.Name, Kind: kinds[a.Type], Tagged: a.HasTag()}}
		e.Secret = a.FlagEncrypt.Valid || isSecret(id, a.Name)
		t.names[strings.ToLower(a.Name)] = e
		if t.ids[id] == nil {
			t.ids[id] = e
		}
	}
}

// Lookup returns the attribute of a name, whatever its case, or of a number: User-Name, 1, Attr-1; of a vendor Cisco-AVPair, 9.1,
// 26.9.1, Vendor-9.1. Numbers need not be in the dictionary.
func Lookup(name string) (Attr, bool) {
	lower := strings.ToLower(strings.TrimSpace(name))
	if e := tables().names[lower]; e != nil {
		return e.Attr, true
	}
	rest, vendor := strings.CutPrefix(lower, "vendor-")
	if !vendor {
		rest, _ = strings.CutPrefix(rest, "attr-")
	}
	parts := strings.Split(rest, ".")
	if len(parts) == 3 && parts[0] == "26" && !vendor {
		parts = parts[1:]
	}
	if len(parts) > 2 || vendor && len(parts) != 2 {
		return Attr{}, false
	}
	t, err := strconv.ParseUint(parts[len(parts)-1], 10, 8)
	if err != nil || t == 0 && len(parts) == 1 {
		return Attr{}, false
	}
	id := radius.ID{Type: uint8(t)}
	if len(parts) == 2 {
		v, err := strconv.ParseUint(parts[0], 10, 32)
		if err != nil || v == 0 || v > math.MaxUint32>>8 { // RFC 2865, Section 5.26: the high-order octet is 0.
			return Attr{}, false
		}
		id.Vendor = uint32(v)
	}
	return Of(id), true
}

// Of returns what is known of an attribute.
func Of(id radius.ID) Attr {
	if e := tables().ids[id]; e != nil {
		return e.Attr
	}
	a := Attr{ID: id, Secret: isSecret(id, "")}
	if id.Vendor == 0 {
		a.Name = fmt.Sprintf("Attr-%d", id.Type)
	} else {
		a.Name = fmt.Sprintf("Vendor-%d.%d", id.Vendor, id.Type)
	}
	return a
}

// Name returns the name of a standard attribute, or of a vendor's.
func Name(id radius.ID) string { return Of(id).Name }

// Vendor returns the number of a vendor, by name, whatever its case, or by the number itself.
func Vendor(name string) (uint32, bool) {
	if v, ok := tables().vendors[strings.ToLower(name)]; ok {
		return v, true
	}
	v, err := strconv.ParseUint(name, 10, 24)
	return uint32(v), err == nil && v > 0
}

// ValueName returns the name of a number as a value of a: Framed-User for 2 of Service-Type.
func (a Attr) ValueName(n uint64) (name string, ok bool) {
	if e := tables().ids[a.ID]; e != nil {
		name, ok = e.names[n]
	}
	return name, ok
}

// ValueNumber returns the number of a named value of a, whatever the name's case.
func (a Attr) ValueNumber(name string) (n uint64, ok bool) {
	if e := tables().ids[a.ID]; e != nil {
		n, ok = e.numbers[strings.ToLower(name)]
	}
	return n, ok
}
