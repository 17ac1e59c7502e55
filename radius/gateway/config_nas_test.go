package gateway

import (
	"strings"
	"testing"

	"github.com/frio-io/frio/radius"
)

// Of clients that are one NAS the first in the file has the CoA-Requests, in whatever list it is; the others are told so at their place.
func TestNASOfTwoClients(t *testing.T) {
	client := func(name, home string) string {
		return "client " + name + " {\n\tipaddr = 198.51.100.4\n\tsecret = testing123\n\tshortname = " + name + "\n\tnas_identifier = ap\n\tcoa_server = " + home + "\n}\n"
	}
	list := func(name, home string) string { return "clients " + name + " {\n" + client(name, home) + "}\n" }
	for range 8 { // an order that is random is sometimes the right one
		w := newWorld(t, udpListen+homeText(0, "\ttype = coa\n")+homeText(1, "\ttype = coa\n")+list("z", "h1")+client("m", "h0")+list("a", "h0")+list("same", "h1"))
		homes := []*home{w.home(0), w.home(1)}
		nas := w.udp(w.nas, "192.0.2.2:4000", nil)
		for i, add := range []func(b *radius.Builder){
			func(b *radius.Builder) { b.Add(radius.NASIPAddress, []byte{198, 51, 100, 4}) },
			func(b *radius.Builder) { b.AddString(radius.NASIdentifier, "ap") },
		} {
			if at, p := ask(nas, homes, buildCode(radius.CoARequest, uint8(i), add)); at != 1 {
				t.Errorf("%v of %d", p.Code(), at)
			}
		}
		var notes []string
		for _, n := range w.gateway.Config().Notes {
			notes = append(notes, n.Error())
		}
		text := strings.Join(notes, "\n")
		if strings.Count(text, "a CoA-Request that names NAS ap goes to coa_server = h1 of client z at test.conf:") != 2 ||
			!strings.Contains(text, "client m: ") || !strings.Contains(text, "client a: ") || len(notes) != 2 {
			t.Errorf("notes:\n%s", text)
		}
		if t.Failed() {
			return
		}
	}
}
