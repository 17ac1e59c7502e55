package gateway_test

import (
	"testing"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/dict"
)

// What the sections of a file do to a packet.
func TestRewrite(t *testing.T) {
	const packet = "User-Name = bob@old, NAS-Port = 7, Cisco-AVPair = shell, Vendor-311.8 = 0x01, Class = 0x02"
	for _, c := range []struct{ rules, want string }{
		{"remove = NAS-Port\n\tremove = 9.1\n\tremove = 311:*", "User-Name = bob@old, Class = 0x02"},
		{"remove = 5\n\tremove = Cisco.*\n\tremove = Class", "User-Name = bob@old, Vendor-311.8 = 0x01"},
		{"whitelist = User-Name\n\twhitelist = 9.*", "User-Name = bob@old, Cisco-AVPair = shell"},
		{"whitelist = none", ""},
		{"modify = \"User-Name:/^(.*)@OLD$/\\\\1@new/\"\n\twhitelist = 1", "User-Name = bob@new"},
		{"modify = \"9:1:/(.)hell/a\\\\/\\\\1/\"\n\twhitelist = 9:1", "Cisco-AVPair = a/s"},
		{"supplement = \"User-Name = other\"\n\tsupplement = 'Operator-Name = \"1x\"'\n\twhitelist = User-Name\n\twhitelist = 126", "User-Name = bob@old, Operator-Name = 1x"},
		{"add = \"Reply-Message = 'good day'\"\n\tadd = \"Session-Timeout = 60\"\n\twhitelist = none", "Reply-Message = 'good day', Session-Timeout = 60"},
	} {
		cfg := good(t, "rewrite a {\n\t"+c.rules+"\n}\nclient a {\n\tipaddr = 192.0.2.1\n\tsecret = s\n\trewrite_in = a\n}\n")
		p := request(t, packet)
		p[0] = byte(radius.AccountingRequest) // to which nothing else is added
		keys := radius.NewKeys([]byte("s"))
		got, err := radius.AppendRequest(nil, p, keys, keys, &radius.Forward{In: cfg.Clients[""].All[0].In})
		if err != nil {
			t.Errorf("%s: %v", c.rules, err)
			continue
		}
		if want := request(t, c.want); string(radius.Packet(got)[radius.HeaderSize:]) != string(want[radius.HeaderSize:]) {
			t.Errorf("%s:\n%s not\n%s", c.rules, dict.AppendText(nil, radius.Packet(got)), dict.AppendText(nil, want))
		}
		if cfg.Clients[""].All[0].Out != nil {
			t.Errorf("%s: there is a rewrite_out", c.rules)
		}
	}
}

func request(t *testing.T, line string) radius.Packet {
	t.Helper()
	b, err := dict.AppendAttribute(make([]byte, radius.HeaderSize), line)
	if err != nil {
		t.Fatal(err)
	}
	b[0], b[2], b[3] = byte(radius.AccessRequest), byte(len(b)>>8), byte(len(b))
	p, err := radius.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
