package gateway

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// MACForm is how a line shows a station's address.
type MACForm uint8

const (
	MACVendorKeyHashed MACForm = iota // the vendor's part, and a keyed hash
	MACVendorHashed                   // the vendor's part, and a hash
	MACFullyKeyHashed                 // a keyed hash
	MACFullyHashed                    // a hash
	MACOriginal
	MACStatic // always the same
)

// Stations is how lines show the addresses of stations.
type Stations struct {
	MAC MACForm
	Key *Secret // of the forms that are keyed
}

// vendorChars are those of a station's address that tell its vendor: three octets with what separates them.
const vendorChars = 9

// vendorDigits is how many digits of the hash follow the vendor's part: radsecproxy's lines have so many, and are looked for by them.
const vendorDigits = 54

// show is what a line has of the address of a station; "" if it is not known. It cannot end a field or the line.
func (f *Stations) show(s []byte) string {
	if f.MAC == MACStatic {
		return "undisclosed"
	}
	if len(s) == 0 {
		return ""
	}
	vendor := field(s[:min(len(s), vendorChars)])
	switch f.MAC {
	case MACOriginal:
		return field(s)
	case MACVendorHashed:
		return vendor + sum(s, nil)[:vendorDigits]
	case MACFullyHashed:
		return sum(s, nil)
	case MACFullyKeyHashed:
		return sum(s, f.Key)
	}
	return vendor + sum(s, f.Key)[:vendorDigits]
}

// sum hashes the hexadecimal digits of an address, in lower case, up to the first semicolon.
func sum(s []byte, key *Secret) string {
	var digits []byte
	for _, c := range bytes.ToLower(s) {
		if c == ';' {
			break
		}
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'f' {
			digits = append(digits, c)
		}
	}
	if key == nil {
		h := sha256.Sum256(digits)
		return hex.EncodeToString(h[:])
	}
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	h.Write(digits)
	return hex.EncodeToString(h.Sum(nil))
}

// UserNames is how much of a user's name a line of the log shows.
type UserNames uint8

const (
	UserFull  UserNames = iota // all of it
	UserRealm                  // what stands behind the @
)

func (u UserNames) show(name []byte) string {
	if u == UserRealm {
		i := bytes.LastIndexByte(name, '@')
		if i < 0 {
			return ""
		}
		name = name[i:]
	}
	return strings.ToValidUTF8(string(name), "?")
}
