package gateway

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/frio-io/frio/radius"
)

// MACForm is how a line of F-Ticks shows the station's address.
type MACForm uint8

const (
	MACVendorKeyHashed MACForm = iota // the vendor's part, and a keyed hash
	MACVendorHashed                   // the vendor's part, and a hash
	MACFullyKeyHashed                 // a keyed hash
	MACFullyHashed                    // a hash
	MACOriginal
	MACStatic // always the same
)

// FTicks writes a line of the F-Ticks format for each Access-Request of a client with a country that was accepted or rejected
// (draft-johansson-fticks-00).
type FTicks struct {
	Prefix string // before #REALM
	Full   bool   // with VISINST
	MAC    MACForm
	Key    *Secret
	Write  func(line string) // must not block. Thread: any
}

func (f *FTicks) write(r *request, outcome Outcome) {
	if r.client.VisCountry == "" {
		return
	}
	result := "OK"
	if outcome == OutcomeReject {
		result = "FAIL"
	}
	user, _ := r.packet.Find(radius.UserName)
	station, _ := r.packet.Find(radius.CallingStationID)
	f.Write(f.line(user, station, r.client.VisCountry, r.client.VisInst, result))
}

// line makes a line without its end. What a client sent cannot end a field or the line.
func (f *FTicks) line(user, station []byte, country, institution, result string) string {
	realm := ""
	if i := bytes.LastIndexByte(user, '@'); i >= 0 {
		realm = field(user[i+1:])
	}
	var b strings.Builder
	b.WriteString(f.Prefix + "#REALM=" + realm + "#VISCOUNTRY=" + country)
	if f.Full {
		b.WriteString("#VISINST=" + institution)
	}
	b.WriteString("#CSI=" + f.station(station) + "#RESULT=" + result + "#")
	return b.String()
}

// vendorChars are those of a station's address that tell its vendor: three octets with what separates them.
const vendorChars = 9

// vendorDigits is how many digits of the hash follow the vendor's part: radsecproxy's lines have so many, and are looked for by them.
const vendorDigits = 54

// station is how a line shows the address of a station; "" if it is not known.
func (f *FTicks) station(s []byte) string {
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

// field is text with nothing in it that ends a field or a line.
func field(s []byte) string {
	return strings.Map(func(c rune) rune {
		if c <= ' ' || c == '#' || c == 0x7f {
			return -1
		}
		return c
	}, strings.ToValidUTF8(string(s), ""))
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
