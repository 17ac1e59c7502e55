package radius

import "encoding/binary"

// copier copies attributes to out, through two sets of rules, and hides anew what is hidden. Its methods do nothing once err is set.
type copier struct {
	out  []byte
	base int // where the packet starts in out
	hop  hop // from is nil where nothing changes hands

	stages   [2]stage // what is done as the packet comes in, and as it goes out
	userName []byte   // set between the two; nil: as it is
	ttl      *TTL     // counted between the two
	counted  bool

	fresh bool // the Message-Authenticator in out was not there before
	block int  // the Vendor-Specific in out that takes sub-attributes; 0: none
	err   error
}

type stage struct {
	rules *Rewrite
	seen  uint64 // supplements that are there, as bits
}

func (c *copier) raw(attr []byte) {
	c.out = append(c.out, attr...)
}

// attribute copies one attribute, header and all.
func (c *copier) attribute(attr []byte) {
	t := Type(attr[0])
	if t != VendorSpecific {
		if c.stages[0].rules == nil && c.stages[1].rules == nil && c.ttl == nil && t != UserName && c.hidingOf(0, t) == open {
			c.raw(attr)
			return
		}
		c.put(0, ID{0, attr[0]}, attr[2:])
		return
	}
	// A Vendor-Specific.
	var vendor uint32
	if len(attr) >= 6 {
		vendor = binary.BigEndian.Uint32(attr[2:])
	}
	split := c.hop.from != nil && hides(vendor) || vendor != 0 && c.ttl != nil && c.ttl.Vendor == vendor
	for i := range c.stages {
		if r := c.stages[i].rules; r != nil {
			switch r.judge(vendor) {
			case drop:
				return
			case apart:
				split = true
			}
		}
	}
	if !split || len(attr) < 6 {
		c.raw(attr)
		return
	}
	data := attr[6:]
	if !listed(data) {
		// Not in the usual format: rules for single attributes do not see it, and a whitelist of them does not let it pass.
		for i := range c.stages {
			if r := c.stages[i].rules; r != nil && r.whitelist && r.judge(vendor) == apart && !r.keepsWhole(vendor) {
				return
			}
		}
		c.raw(attr)
		return
	}
	c.block = 0
	for off := 0; off < len(data); {
		end := off + int(data[off+1])
		c.put(0, ID{vendor, data[off]}, data[off+2:end])
		off = end
	}
	c.block = 0
}

// put takes a value through the stages from the one given, and writes it.
func (c *copier) put(from int, id ID, value []byte) {
	if c.err != nil {
		return
	}
	ttl := false
	for i := from; i < len(c.stages); i++ {
		if r := c.stages[i].rules; r != nil {
			v, stays, err := r.apply(id, value, &c.stages[i].seen)
			if err != nil || !stays {
				c.err = err
				return
			}
			value = v
		}
		if i == 0 {
			if c.userName != nil && id == (ID{0, uint8(UserName)}) {
				value = c.userName
			}
			if c.ttl != nil && c.ttl.ID == id && len(value) == 4 {
				ttl, c.counted = true, true
			}
		}
	}
	at := c.write(id, value)
	if c.err != nil {
		return
	}
	written := c.out[at:]
	if ttl && !c.ttl.count(written) {
		c.err = ErrTTL
	}
	if how := c.hidingOf(id.Vendor, Type(id.Type)); how != open && !c.hop.rehide(how, written) {
		c.err = ErrHidden
	}
}

// hidingOf returns how a value is to be hidden anew. A User-Password has no place in a reply, where it is nobody's.
func (c *copier) hidingOf(vendor uint32, t Type) hiding {
	if c.hop.from == nil || c.hop.reply && vendor == 0 && t == UserPassword {
		return open
	}
	return hidingOf(vendor, t)
}

// write appends an attribute and returns where its value starts in out. A sub-attribute goes into the open Vendor-Specific where it fits, and
// else into one of its own.
func (c *copier) write(id ID, value []byte) (at int) {
	if id.Vendor == 0 {
		if len(value) > MaxValue {
			c.err = ErrRewrite
			return 0
		}
		c.out = append(c.out, id.Type, uint8(2+len(value)))
		c.out = append(c.out, value...)
		return len(c.out) - len(value)
	}
	if len(value) > MaxVendorValue {
		c.err = ErrRewrite
		return 0
	}
	if c.block == 0 || int(c.out[c.block+1])+2+len(value) > 255 {
		c.block = len(c.out)
		c.out = append(c.out, uint8(VendorSpecific), 6, 0, 0, 0, 0)
		binary.BigEndian.PutUint32(c.out[c.block+2:], id.Vendor)
	}
	c.out = append(c.out, id.Type, uint8(2+len(value)))
	c.out = append(c.out, value...)
	c.out[c.block+1] += uint8(2 + len(value))
	return len(c.out) - len(value)
}

// added writes what the rules and the TTL add behind the copied attributes. What the first stage adds goes through the second.
func (c *copier) added() {
	for i := range c.stages {
		s := &c.stages[i]
		if s.rules != nil {
			for n, v := range s.rules.supplement {
				if s.seen&(1<<n) == 0 {
					c.addition(i, v.ID, v.Value)
				}
			}
			for _, v := range s.rules.add {
				c.addition(i, v.ID, v.Value)
			}
		}
		if i == 0 && c.ttl != nil && !c.counted && c.ttl.Start > 0 {
			start := c.hop.to.vector[:4] // not of the stack: what a pattern sees escapes
			binary.BigEndian.PutUint32(start, c.ttl.Start)
			c.addition(0, c.ttl.ID, start)
		}
	}
}

// addition writes what stage i adds.
func (c *copier) addition(i int, id ID, value []byte) {
	c.block = 0
	c.put(i+1, id, value)
	c.block = 0
}
