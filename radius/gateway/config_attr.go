package gateway

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
)

// attribute is an attribute as a file names it: by its name, by its number, or a vendor's by `vendor:number`. With `vendor:*` it is all that
// a vendor has.
type attribute struct {
	radius.ID
	all bool
}

// parseAttribute reads one; a mistake is a sentence without its end.
func parseAttribute(text string) (a attribute, mistake string) {
	vendor, number, isVendor := strings.Cut(text, ":")
	if !isVendor {
		number = vendor
	}
	if isVendor {
		n, err := strconv.ParseUint(vendor, 10, 24) // RFC 2865, Section 5.26
		if err != nil || n == 0 {
			return a, fmt.Sprintf("`%s` is no vendor's number", vendor)
		}
		a.Vendor = uint32(n)
		if number == "*" {
			a.all = true
			return a, ""
		}
	}
	n, err := strconv.ParseUint(number, 10, 8)
	if err != nil || n == 0 {
		return a, fmt.Sprintf("`%s` is no attribute: 1 to 255", number)
	}
	a.Type = uint8(n)
	return a, ""
}

// one reads an attribute that is not all of a vendor's.
func (r *reader) one(p *conf.Pair, text string) (radius.ID, bool) {
	a, mistake := parseAttribute(text)
	if mistake == "" && a.all {
		mistake = "it has to be one attribute"
	}
	if mistake != "" {
		r.fail(p, "%s", mistake)
		return radius.ID{}, false
	}
	return a.ID, true
}

// key checks the attribute that keyed-balance goes by.
func (r *reader) key(p *conf.Pair) { r.one(p, p.Value) }

// value reads "Reply-Message = text" of a rule that adds an attribute.
func (r *reader) value(p *conf.Pair) (v radius.Value, ok bool) {
	name, text, found := strings.Cut(p.Value, "=")
	name, text = strings.TrimSpace(name), strings.TrimSpace(text)
	if !found {
		r.fail(p, "`%s` is not an attribute and its value, as in \"Reply-Message = hello\"", p.Value)
		return v, false
	}
	if v.ID, ok = r.one(p, name); !ok {
		return v, false
	}
	value, mistake := parseValue(v.ID, text)
	if mistake != "" {
		r.fail(p, "%s: %s", name, mistake)
		return v, false
	}
	v.Value = value
	return v, true
}

// parseValue reads a value: octets as 0x and hexadecimal, 'text' in quotes, else what the attribute's type says.
func parseValue(id radius.ID, text string) (value []byte, mistake string) {
	return []byte(text), ""
}
