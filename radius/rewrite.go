package radius

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// ID names an attribute: of the standard space with Vendor 0, or a sub-attribute of a vendor.
type ID struct {
	Vendor uint32
	Type   uint8
}

func (i ID) String() string {
	if i.Vendor == 0 {
		return strconv.Itoa(int(i.Type))
	}
	return fmt.Sprintf("%d.%d", i.Vendor, i.Type)
}

// Rules are what a Rewrite does, in this order: remove or keep, modify, supplement, add. Message-Authenticator and Proxy-State
// belong to the hop: no rule reaches them, and a whitelist need not name them. {0, 26} means every Vendor-Specific.
type Rules struct {
	Whitelist  bool     // what neither Keep nor KeepVendors names is removed
	Keep       []ID     // with Whitelist only
	KeepVendor []uint32 // whole vendors, with Whitelist only

	Remove       []ID
	RemoveVendor []uint32 // whole vendors, whatever the format of their attributes

	Modify     []Modify
	Supplement []Value // added where there is no attribute of that ID
	Add        []Value
}

// Modify replaces a value that Pattern matches. The whole value becomes Replacement, in which \1 to \9 stand for what the groups of Pattern
// matched. Rules for the same attribute are tried one after the other, each on what the one before left, which has to fit into
// an attribute.
type Modify struct {
	ID
	Pattern     *regexp.Regexp
	Replacement string
}

// Value is an attribute to add.
type Value struct {
	ID
	Value []byte // at most MaxValue bytes; of a vendor MaxVendorValue
}

// maxRules is how many rules of one kind there may be: supplements are bits of a word.
const maxRules = 64

// Rewrite is a compiled set of rules. It does not change: any thread may use it.
type Rewrite struct {
	whitelist  bool
	standard   [256]action
	vendors    []vendorRules
	modify     []Modify
	supplement []Value
	add        []Value
}

type vendorRules struct {
	vendor uint32
	whole  action // of all its attributes
	any    bool   // something is said of single attributes
	subs   [256]action
}

// action is a set of bits.
type action uint8

const (
	remove action = 1 << iota
	keep
	change // a Modify names it
	seek   // a Supplement names it
)

// NewRewrite compiles rules. It fails where one of them reaches for what belongs to the hop, changes or adds what is hidden with the
// secret, or cannot fit.
func NewRewrite(rules Rules) (*Rewrite, error) {
	r := &Rewrite{whitelist: rules.Whitelist, modify: rules.Modify, supplement: rules.Supplement, add: rules.Add}
	if !rules.Whitelist && len(rules.Keep)+len(rules.KeepVendor) > 0 {
		return nil, errors.New("attributes to keep need a whitelist")
	}
	if max(len(rules.Modify), len(rules.Supplement), len(rules.Add)) > maxRules {
		return nil, fmt.Errorf("more than %d rules of one kind", maxRules)
	}
	for _, mark := range []struct {
		ids     []ID
		vendors []uint32
		action  action
	}{{rules.Keep, rules.KeepVendor, keep}, {rules.Remove, rules.RemoveVendor, remove}} {
		for _, id := range mark.ids {
			if err := r.mark(id, mark.action); err != nil {
				return nil, err
			}
		}
		for _, vendor := range mark.vendors {
			if vendor == 0 {
				return nil, errors.New("vendor 0 has no attributes")
			}
			r.vendor(vendor).whole |= mark.action
		}
	}
	for _, m := range rules.Modify {
		if err := r.markClear(m.ID, change); err != nil {
			return nil, err
		}
		if m.Pattern == nil {
			return nil, fmt.Errorf("attribute %v: no pattern", m.ID)
		}
	}
	for i, v := range rules.Supplement {
		for _, w := range rules.Supplement[:i] {
			if w.ID == v.ID {
				return nil, fmt.Errorf("attribute %v is supplemented twice", v.ID)
			}
		}
		if err := r.markValue(v, seek); err != nil {
			return nil, err
		}
	}
	for _, v := range rules.Add {
		if err := r.markValue(v, 0); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Rewrite) mark(id ID, a action) error {
	if id.Vendor == 0 {
		if t := Type(id.Type); t == MessageAuthenticator || t == ProxyState {
			return fmt.Errorf("attribute %v belongs to the hop", id)
		}
		r.standard[id.Type] |= a
		return nil
	}
	v := r.vendor(id.Vendor)
	v.subs[id.Type] |= a
	v.any = true
	return nil
}

// markClear is mark for what is not hidden and has one value.
func (r *Rewrite) markClear(id ID, a action) error {
	if hidingOf(id.Vendor, Type(id.Type)) != open {
		return fmt.Errorf("attribute %v is hidden with the secret and can only be removed or kept", id)
	}
	if id == (ID{0, uint8(VendorSpecific)}) {
		return fmt.Errorf("attribute %v can only be removed or kept; name the vendor's attribute", id)
	}
	return r.mark(id, a)
}

func (r *Rewrite) markValue(v Value, a action) error {
	limit := MaxValue
	if v.Vendor != 0 {
		limit = MaxVendorValue
	}
	if len(v.Value) > limit {
		return fmt.Errorf("attribute %v: a value of %d bytes is above %d", v.ID, len(v.Value), limit)
	}
	return r.markClear(v.ID, a)
}

// vendor returns the rules of a vendor, which it makes where there are none.
func (r *Rewrite) vendor(vendor uint32) *vendorRules {
	if v := r.rules(vendor); v != nil {
		return v
	}
	r.vendors = append(r.vendors, vendorRules{vendor: vendor})
	return &r.vendors[len(r.vendors)-1]
}

func (r *Rewrite) rules(vendor uint32) *vendorRules {
	for i := range r.vendors {
		if r.vendors[i].vendor == vendor {
			return &r.vendors[i]
		}
	}
	return nil
}

// verdict is what becomes of a Vendor-Specific.
type verdict uint8

const (
	pass  verdict = iota // as it is
	drop                 // the whole
	apart                // each sub-attribute by itself
)

// judge returns what becomes of a Vendor-Specific of vendor.
func (r *Rewrite) judge(vendor uint32) verdict {
	all := r.standard[VendorSpecific]
	if all&remove != 0 {
		return drop
	}
	v := r.rules(vendor)
	switch {
	case v == nil:
		if r.whitelist && all&keep == 0 {
			return drop
		}
		return pass
	case v.whole&remove != 0:
		return drop
	case v.any:
		return apart
	}
	return pass // a whole vendor that is kept
}

// apply returns what becomes of the value of an attribute, and whether it stays. seen gathers the supplements that are there.
func (r *Rewrite) apply(id ID, value []byte, seen *uint64) (out []byte, stays bool, err error) {
	var a action
	kept := !r.whitelist
	if id.Vendor == 0 {
		a = r.standard[id.Type]
	} else if v := r.rules(id.Vendor); v != nil {
		a = v.subs[id.Type] | v.whole
		kept = kept || r.standard[VendorSpecific]&keep != 0
		a |= r.standard[VendorSpecific] & remove
	} else {
		a = r.standard[VendorSpecific]
	}
	if a&remove != 0 || !kept && a&keep == 0 {
		return nil, false, nil
	}
	if a&change != 0 {
		for i := range r.modify {
			if m := &r.modify[i]; m.ID == id {
				value = m.Replace(value)
			}
			if len(value) > MaxValue {
				return nil, false, ErrRewrite
			}
		}
	}
	if a&seek != 0 {
		for i := range r.supplement {
			if r.supplement[i].ID == id {
				*seen |= 1 << i
			}
		}
	}
	return value, true, nil
}

// Value returns what the rules leave of one attribute's value, itself where they do not change it; nil, where they remove it. It
// allocates nothing if no rule modifies the value.
func (r *Rewrite) Value(id ID, value []byte) ([]byte, error) {
	var seen uint64
	out, stays, err := r.apply(id, value, &seen)
	if err != nil || !stays {
		return nil, err
	}
	return out, nil
}

// Replace returns what becomes of value, itself where the pattern does not match. Then it allocates nothing.
func (m *Modify) Replace(value []byte) []byte {
	if !m.Pattern.Match(value) { // allocates nothing
		return value
	}
	groups := m.Pattern.FindSubmatchIndex(value)
	var out []byte
	for i := 0; i < len(m.Replacement); i++ {
		c := m.Replacement[i]
		if c == '\\' && i+1 < len(m.Replacement) {
			i++
			c = m.Replacement[i]
			if c >= '1' && c <= '9' {
				if n := int(c - '0'); 2*n+1 < len(groups) && groups[2*n] >= 0 {
					out = append(out, value[groups[2*n]:groups[2*n+1]]...)
				}
				continue
			}
			if c != '\\' {
				out = append(out, '\\')
			}
		}
		out = append(out, c)
	}
	return out
}

// keepsWhole reports whether a whitelist lets all attributes of a vendor pass.
func (r *Rewrite) keepsWhole(vendor uint32) bool {
	v := r.rules(vendor)
	return (r.standard[VendorSpecific]|v.whole)&keep != 0
}
