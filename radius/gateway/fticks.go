package gateway

import (
	"bytes"
	"strings"

	"github.com/frio-io/frio/radius"
)

// FTicks writes a line of the F-Ticks format for each Access-Request of a client with a country that was accepted or rejected
// (draft-johansson-fticks-00).
type FTicks struct {
	Prefix string // before #REALM
	Full   bool   // with VISINST
	Stations
	Write func(line string) // must not block. Thread: any
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
	b.WriteString("#CSI=" + f.show(station) + "#RESULT=" + result + "#")
	return b.String()
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
