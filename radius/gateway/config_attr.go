package gateway

import (
	"fmt"
	"strings"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/dict"
)

// attribute is an attribute as a file names it (dict.Lookup), or with `.*` behind a vendor's name or number all that this vendor has. radsecproxy
// writes a colon between vendor and number.
type attribute struct {
	radius.ID
	all bool
}

// parseAttribute reads one.
func parseAttribute(text string) (a attribute, mistake string) {
	if head, last, found := strings.Cut(text, ":"); found && head != "" && strings.Trim(head, "0123456789") == "" {
		text = head + "." + last
	}
	if vendor, all := strings.CutSuffix(text, ".*"); all {
		n, ok := dict.Vendor(strings.TrimPrefix(vendor, "Vendor-"))
		if !ok {
			return a, fmt.Sprintf("no vendor `%s`", vendor)
		}
		return attribute{ID: radius.ID{Vendor: n}, all: true}, ""
	}
	found, ok := dict.Lookup(text)
	if !ok {
		return a, fmt.Sprintf("no attribute `%s` (a name, a number, or vendor.number)", text)
	}
	return attribute{ID: found.ID}, ""
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

// value reads "Reply-Message = hello" of a rule that adds an attribute. A value may be a secret: no mistake shows it.
func (r *reader) value(p *conf.Pair) (v radius.Value, ok bool) {
	pairs, err := dict.Parse(p.Value)
	switch {
	case err != nil:
		r.fail(p, "%v", err)
	case len(pairs) != 1:
		r.fail(p, "it is not one attribute with its value, as in \"Reply-Message = 'good day'\"")
	case pairs[0].Op != "=":
		r.fail(p, "operator %s is not possible here: write =", pairs[0].Op)
	default:
		return radius.Value{ID: pairs[0].Attr.ID, Value: pairs[0].Value}, true
	}
	return v, false
}
