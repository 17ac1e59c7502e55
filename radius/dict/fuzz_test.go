package dict

import (
	"bytes"
	"strings"
	"testing"

	"github.com/frio-io/frio/radius"
)

// FuzzText: any packet has a text of one line an attribute, in which nothing is unprintable.
func FuzzText(f *testing.F) {
	f.Add([]byte("\x01\x05bob"))
	f.Add([]byte("\x1a\x0b\x00\x00\x00\x09\x01\x05a=b\x40\x06\x01\x00\x00\x0d"))
	f.Fuzz(func(t *testing.T, attributes []byte) {
		b := radius.NewRequest(nil, radius.AccountingRequest, 1, [16]byte{})
		if !b.AddEncoded(attributes) {
			return
		}
		k := radius.NewKeys(nil)
		raw, err := b.Seal(k)
		if err != nil {
			t.Fatal(err)
		}
		p, err := radius.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range string(AppendText(nil, p)) {
			if c != '\n' && c != '\t' && (c < ' ' || c == 0x7f || c == 0x202e) {
				t.Errorf("%q in the text", c)
			}
		}
	})
}

// FuzzParse: what is read has a text that is read as the same.
func FuzzParse(f *testing.F) {
	for _, line := range []string{`User-Name = "b\001ob", NAS-Port = 7`, `Tunnel-Type:1 = VLAN # x`, `Framed-IPv6-Prefix := ::/0`, `9.1 += 'x'`, `Class = 0x00ff`, `Event-Timestamp = "2023-01-01"`} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		pairs, err := Parse(line)
		if err != nil {
			return
		}
		for _, p := range pairs {
			if p.Attr.Secret || len(p.Value) > 247 || isPair(p.Attr.Name) || p.Attr.ID == (radius.ID{Type: 26}) {
				continue
			}
			text := strings.TrimSpace(string(appendLine(nil, p.Attr, p.Value)))
			if p.Attr.Tagged {
				continue // a tag of 0 may be left off
			}
			again, err := Parse(text)
			if err != nil || len(again) != 1 || !bytes.Equal(again[0].Value, p.Value) && p.Attr.Kind != IPv6Prefix {
				t.Errorf("%s: as text %s: %v %v", line, text, again, err)
			}
		}
	})
}
