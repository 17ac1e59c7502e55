package dict

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/frio-io/frio/radius"
)

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		name   string
		vendor uint32
		typ    uint8
		is     string
	}{
		{"User-Name", 0, 1, "User-Name"},
		{"user-name", 0, 1, "User-Name"},
		{"31", 0, 31, "Calling-Station-Id"},
		{"Attr-31", 0, 31, "Calling-Station-Id"},
		{"250", 0, 250, "Attr-250"},
		{"311.16", 311, 16, "MS-MPPE-Send-Key"},
		{"Vendor-9.1", 9, 1, "Cisco-AVPair"},
		{"26.9.1", 9, 1, "Cisco-AVPair"},
		{"Attr-26.9.77", 9, 77, "Vendor-9.77"},
		{"27262.1", 27262, 1, "Vendor-27262.1"},
		{"Operator-Name", 0, 126, "Operator-Name"},
		{"Chargeable-User-Identity", 0, 89, "Chargeable-User-Identity"},
		{"Error-Cause", 0, 101, "Error-Cause"},
		{"EAP-Message", 0, 79, "EAP-Message"},
		{"Eduroam-SP-Country", 25178, 10, "Eduroam-SP-Country"},
		{"Mikrotik-Rate-Limit", 14988, 8, "Mikrotik-Rate-Limit"},
	} {
		a, ok := Lookup(c.name)
		if !ok || a.Vendor != c.vendor || a.Type != c.typ || a.Name != c.is {
			t.Errorf("Lookup(%q) = %+v %v", c.name, a, ok)
		}
		if b, ok := Lookup(a.Name); !ok || b != a {
			t.Errorf("Lookup(%q) = %+v %v, want %+v", a.Name, b, ok, a)
		}
	}
	for _, name := range []string{"", "0", "256", "Nonsense", "9.256", "0.1", "4294967295.1", "1.2.3", "26.9.1.1", "Vendor-9", "-1", "Attr-", "311.", "+1"} {
		if a, ok := Lookup(name); ok {
			t.Errorf("Lookup(%q) = %+v", name, a)
		}
	}
	for name, want := range map[string]uint32{"Microsoft": 311, "cisco": 9, "27262": 27262, "0": 0, "nobody": 0, "16777216": 0} {
		if v, ok := Vendor(name); ok != (want != 0) || ok && v != want {
			t.Errorf("Vendor(%q) = %d %v", name, v, ok)
		}
	}
}

// TestTable: every name leads back to its attribute, and every one that is hidden on the wire is secret.
func TestTable(t *testing.T) {
	if n := len(tables().names); n < 300 {
		t.Fatalf("%d names", n)
	}
	for name, e := range tables().names {
		if a, ok := Lookup(name); !ok || a.ID != e.ID {
			t.Errorf("Lookup(%q) = %+v", name, a)
		}
		if radius.IsHidden(e.Vendor, e.Type) && !e.Secret {
			t.Errorf("%s is shown", name)
		}
		if strings.HasPrefix(name, "ms-chap") && !e.Secret {
			t.Errorf("%s is shown", name)
		}
		for n, v := range e.names {
			if back, ok := e.ValueNumber(v); !ok || back != n {
				t.Errorf("%s: %s is %d, and back %d", name, v, n, back)
			}
		}
	}
	for _, id := range []radius.ID{{Vendor: 0, Type: 24}, {Vendor: 0, Type: 79}, {Vendor: 0, Type: 80}, {Vendor: 0, Type: 3}, {Vendor: 0, Type: 70}, {Vendor: 14988, Type: 16}, {Vendor: 24757, Type: 5}, {Vendor: 311, Type: 25}} {
		if !Of(id).Secret {
			t.Errorf("%v is shown", id)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ line, wire string }{
		{``, ""},
		{`   # nothing`, ""},
		{`User-Name = "bob"`, "0105626f62"},
		{`User-Name = bob`, "0105626f62"},
		{`User-Name="bob",NAS-Port := 7`, "0105626f62 050600000007"},
		{`User-Name = 'b"o\nb' # comment`, "0108" + hex.EncodeToString([]byte(`b"o\nb`))},
		{`User-Name += "a\"\\\n\001\377"`, "0108 61225c0a01ff"},
		{`1 = bob`, "0105626f62"},
		{`Service-Type = Framed-User`, "060600000002"},
		{`Acct-Status-Type = start`, "280600000001"},
		{`NAS-Port = 0x10`, "050600000010"},
		{`NAS-IP-Address = 192.0.2.1`, "0406c0000201"},
		{`NAS-IP-Address = 0xc0000201`, "0406c0000201"},
		{`NAS-IPv6-Address = 2001:db8::1`, "5f1220010db8000000000000000000000001"},
		{`Framed-IPv6-Prefix = 2001:db8::/32`, "61140020 20010db8000000000000000000000000"},
		{`Framed-Interface-Id = 0:1:2:3`, "600a0000000100020003"},
		{`Event-Timestamp = 1`, "370600000001"},
		{`Event-Timestamp = "1970-01-01T00:00:02Z"`, "370600000002"},
		{`Event-Timestamp = "Jan  1 1970 00:00:03 UTC"`, "370600000003"},
		{`Class = 0x0102`, "19040102"},
		{`Class = "0x"`, "19043078"},
		{`Tunnel-Type = VLAN`, "40060000000d"},
		{`Tunnel-Type:1 = VLAN`, "40060100000d"},
		{`Tunnel-Type:1 := VLAN`, "40060100000d"},
		{`Tunnel-Private-Group-Id = "7"`, "510337"},
		{`Tunnel-Private-Group-Id:3 = "7"`, "51040337"},
		{`Cisco-AVPair = "a=b"`, "1a0b 00000009 0105 613d62"},
		{`9.1 = "a=b"`, "1a0b 00000009 0105 613d62"},
		{`250 = 0x`, "fa02"},
		{`EAP-Message = 0x` + strings.Repeat("00", 300), "4fff" + strings.Repeat("00", 253) + "4f31" + strings.Repeat("00", 47)},
	} {
		got, err := AppendAttribute([]byte{9}, c.line)
		want := "09" + strings.ReplaceAll(c.wire, " ", "")
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s: %x %v, want %s", c.line, got, err, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, line := range []string{
		"User-Name", "= bob", "User-Name = ", "User-Name == bob", "User-Name =~ bob,", "User-Name : bob", "User-Name + bob", "User-Name := ", "User-Name = bob smith",
		`User-Name = "bob`, `User-Name = "\9"`, `User-Name = "\400"`, "User-Name = ,", "Nonsense = 1", "NAS-Port = x", "NAS-Port = 4294967296", "NAS-Port = -1", "NAS-IP-Address = ::1",
		"NAS-IP-Address = 1.2.3", "NAS-IPv6-Address = 1.2.3.4", "NAS-IPv6-Address = fe80::1%1", "Framed-IPv6-Prefix = 10.0.0.0/8", "Framed-Interface-Id = 1:2:3", "Framed-Interface-Id = 1:2:3:x",
		"Event-Timestamp = yesterday", "Class = 0x1", "Class = 0xzz", "User-Name:1 = bob", "Tunnel-Type:32 = VLAN", "Tunnel-Type:1 = 16777216", "User-Name = " + strings.Repeat("a", 254),
		"Cisco-AVPair = " + strings.Repeat("a", 248), "User-Password = hello",
	} {
		if got, err := AppendAttribute([]byte{9}, line); err == nil || len(got) != 1 {
			t.Errorf("%s: %x %v", line, got, err)
		}
	}
	if _, err := Parse("User-Password = marked marked"); err == nil || strings.Contains(err.Error(), "marked") {
		t.Errorf("the error tells the password: %v", err)
	}
	if _, err := Parse("MS-CHAP-Challenge = 0xmarked"); err == nil || strings.Contains(err.Error(), "marked") {
		t.Errorf("the error tells the challenge: %v", err)
	}
}

// TestText: what a trace shows, and that it never shows a secret.
func TestText(t *testing.T) {
	k := radius.NewKeys([]byte("testing123"))
	b := radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{1})
	secret := []byte("Marked!")
	for _, line := range []string{
		`User-Name = "bob\n\"\\\033[31m\342\200\256\377é"`, `User-Password = "Marked!"`, `Service-Type = Framed-User, NAS-Port = 7, Service-Type = 77`,
		`NAS-IP-Address = 192.0.2.1`, `Framed-IPv6-Prefix = 2001:db8::/32`, `Framed-Interface-Id = 0:1:2:3`, `Event-Timestamp = 1700000000`,
		`Tunnel-Type:1 = VLAN`, `Tunnel-Medium-Type = IEEE-802`, `Tunnel-Private-Group-Id:1 = "7"`, `Tunnel-Private-Group-Id = "8"`, `Tunnel-Password:2 = "Marked!"`,
		`Cisco-AVPair = "shell:priv-lvl=15"`, `Cisco-AVPair = "psk=Marked!"`, `Mikrotik-Wireless-PSK = "Marked!"`, `MS-MPPE-Send-Key = "Marked!"`, `MS-CHAP-Challenge = "Marked!"`,
		`MS-CHAP2-Response = "Marked!"`, `State = "Marked!"`, `EAP-Message = "Marked!"`, `CHAP-Password = "Marked!"`, `CHAP-Challenge = "Marked!"`, `70 = "Marked!"`, `250 = "ab"`, `9.77 = "ab"`,
		`NAS-IP-Address = 0x0102`, `26 = 0x0001`, `26 = 0x0000000901`, `26 = 0x00000000010361`, `Message-Authenticator = 0x00`,
	} {
		pairs, err := Parse(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, p := range pairs {
			if !p.Add(&b, k) {
				t.Fatalf("%s does not fit", line)
			}
		}
	}
	raw, err := b.Seal(k)
	if err != nil {
		t.Fatal(err)
	}
	p, err := radius.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	text := string(AppendText([]byte("x\n"), p))
	want := `x
	Message-Authenticator = <16 bytes>
	User-Name = "bob\n\"\\\033[31m\342\200\256\377é"
	User-Password = <16 bytes>
	Service-Type = Framed-User
	NAS-Port = 7
	Service-Type = 77
	NAS-IP-Address = 192.0.2.1
	Framed-IPv6-Prefix = 2001:db8::/32
	Framed-Interface-Id = 0:1:2:3
	Event-Timestamp = "Nov 14 2023 22:13:20 UTC"
	Tunnel-Type:1 = VLAN
	Tunnel-Medium-Type = IEEE-802
	Tunnel-Private-Group-Id:1 = "7"
	Tunnel-Private-Group-Id = "8"
	Tunnel-Password:2 = <18 bytes>
	Cisco-AVPair = "shell:priv-lvl=15"
	Cisco-AVPair = "psk=<7 bytes>"
	Mikrotik-Wireless-PSK = <7 bytes>
	MS-MPPE-Send-Key = <18 bytes>
	MS-CHAP-Challenge = <7 bytes>
	MS-CHAP2-Response = <7 bytes>
	State = <7 bytes>
	EAP-Message = <7 bytes>
	CHAP-Password = <7 bytes>
	CHAP-Challenge = <7 bytes>
	ARAP-Password = <7 bytes>
	Attr-250 = 0x6162
	Vendor-9.77 = 0x6162
	NAS-IP-Address = 0x0102
	Vendor-Specific = 0x0001
	Vendor-9 = <1 bytes>
	Vendor-Specific = 0x00000000010361
`
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	for _, form := range []string{string(secret), hex.EncodeToString(secret)} {
		if strings.Contains(text, form) {
			t.Errorf("a secret shows as %s", form)
		}
	}
	if p, err := Parse(`User-Name = "bob\n\"\\\033[31m\342\200\256\377é"`); err != nil || !bytes.Contains(raw, p[0].Value) {
		t.Errorf("what is shown is not what is read: %v", err)
	}
}

// A reader's own names come before those of the dictionary.
func TestParseExtra(t *testing.T) {
	own := Attr{Name: "Packet-Type", Kind: String}
	pairs, err := Parse(`packet-type = Accounting-Request, User-Name = "bob"`, own)
	if err != nil || len(pairs) != 2 || pairs[0].Attr != own || string(pairs[0].Value) != "Accounting-Request" || pairs[1].Attr.Name != "User-Name" {
		t.Errorf("%v %v", pairs, err)
	}
	if _, err := Parse("Packet-Type = Accounting-Request"); err == nil {
		t.Error("the dictionary knows Packet-Type")
	}
}

// What stands where a name should may be a secret.
func TestParseValueAsName(t *testing.T) {
	for _, line := range []string{`User-Password hello=x`, `User-Password "hello" = x`, `hello`} {
		if _, err := Parse(line); err == nil || strings.Contains(err.Error(), "hello") {
			t.Errorf("%s: %v", line, err)
		}
	}
}
