package cert

import (
	"crypto/x509"
	"encoding/asn1"
	"iter"
)

// altName is a subject alternative name that crypto/x509 does not decode (RFC 5280, Section 4.2.1.6).
type altName struct {
	registered bool     // registeredID: the oid is the name
	oid        x509.OID // else the type of an otherName
	text       string   // of an otherName
}

// The tags of GeneralName that are looked at.
const (
	tagOtherName    = 0
	tagRegisteredID = 8
)

var subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// otherNames yields the registered identifiers and other names of a certificate. What cannot be read is no name.
func otherNames(c *x509.Certificate) iter.Seq[altName] {
	return func(yield func(altName) bool) {
		for _, e := range c.Extensions {
			var list asn1.RawValue
			if !e.Id.Equal(subjectAltName) {
				continue
			}
			if _, err := asn1.Unmarshal(e.Value, &list); err != nil || list.Class != asn1.ClassUniversal || list.Tag != asn1.TagSequence {
				continue
			}
			for rest := list.Bytes; len(rest) > 0; {
				var one asn1.RawValue
				var err error
				if rest, err = asn1.Unmarshal(rest, &one); err != nil {
					break
				}
				if n, ok := parseAltName(one); ok && !yield(n) {
					return
				}
			}
		}
	}
}

func parseAltName(one asn1.RawValue) (n altName, ok bool) {
	if one.Class != asn1.ClassContextSpecific {
		return n, false
	}
	switch one.Tag {
	case tagRegisteredID:
		n.registered = true
		return n, n.oid.UnmarshalBinary(one.Bytes) == nil
	case tagOtherName:
		var id, explicit, value asn1.RawValue
		rest, err := asn1.Unmarshal(one.Bytes, &id)
		if err != nil || id.Class != asn1.ClassUniversal || id.Tag != asn1.TagOID || n.oid.UnmarshalBinary(id.Bytes) != nil {
			return n, false
		}
		if _, err := asn1.Unmarshal(rest, &explicit); err != nil || explicit.Class != asn1.ClassContextSpecific || explicit.Tag != 0 {
			return n, false
		}
		if _, err := asn1.Unmarshal(explicit.Bytes, &value); err != nil || value.Class != asn1.ClassUniversal {
			return n, false
		}
		switch value.Tag {
		case asn1.TagUTF8String, asn1.TagIA5String, asn1.TagPrintableString:
			n.text = string(value.Bytes)
			return n, true
		}
	}
	return n, false
}
