package gateway_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/frio-io/frio/radius/gateway"
)

const clientsConf = `
client wide {
	ipaddr = 192.0.0.0/16
	secret = s
}
client net {
	ipaddr = 192.0.2.0/24
	secret = s
}
client udp {
	ipaddr = 192.0.2.1
	proto = udp
	secret = s
}
client rest {
	ipaddr = 192.0.2.1
	secret = s
}
client plain {
	ipaddr = 198.51.100.0/24
	secret = s
}
client cert {
	ipaddr = 198.51.100.0/24
	certificate {
		cn = cert
	}
}
client other {
	ipaddr = 198.51.100.0/24
	certificate {
		cn = other
	}
}
client anywhere {
	certificate {
		cn = anywhere
	}
}
client six {
	ipv6addr = 2001:db8::/32
	secret = s
}
client six1 {
	ipv6addr = 2001:db8::1
	secret = s
}
client mapped {
	ipaddr = ::ffff:203.0.113.9
	secret = s
}
`

func named(cn string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: cn}}
}

func TestFindClient(t *testing.T) {
	list := good(t, clientsConf).Clients[""]
	for _, c := range []struct {
		addr  string
		proto gateway.Proto
		cn    string // of its certificate; "" none
		want  string
		lax   string // of FindLax; "" the same
	}{
		{"192.0.9.9", gateway.ProtoUDP, "", "wide", ""},
		{"192.0.2.2", gateway.ProtoUDP, "", "net", ""},
		{"192.0.2.1", gateway.ProtoUDP, "", "udp", ""},
		{"192.0.2.1", gateway.ProtoTCP, "", "rest", ""},
		{"::ffff:192.0.2.1", gateway.ProtoTCP, "", "rest", ""},
		{"192.0.2.1", gateway.ProtoTLS, "anybody", "rest", ""},
		{"198.51.100.1", gateway.ProtoUDP, "", "plain", ""},
		{"198.51.100.1", gateway.ProtoTLS, "cert", "cert", ""},
		{"198.51.100.1", gateway.ProtoDTLS, "other", "other", ""},
		{"198.51.100.1", gateway.ProtoTLS, "OTHER", "other", ""},
		{"198.51.100.1", gateway.ProtoTLS, "stranger", "certificate", "plain"},
		{"198.51.100.1", gateway.ProtoTLS, "", "certificate", "plain"},
		{"198.51.100.1", gateway.ProtoTLS, "anywhere", "anywhere", "plain"}, // a shorter prefix may still fit
		{"203.0.113.1", gateway.ProtoTLS, "anywhere", "anywhere", ""},
		{"2001:db9::1", gateway.ProtoDTLS, "anywhere", "anywhere", ""},
		{"203.0.113.1", gateway.ProtoTLS, "cert", "certificate", ""},
		{"203.0.113.1", gateway.ProtoUDP, "", "proto", ""},
		{"203.0.113.9", gateway.ProtoUDP, "", "mapped", ""},
		{"2001:db8::1", gateway.ProtoUDP, "", "six1", ""},
		{"2001:db8::2", gateway.ProtoUDP, "", "six", ""},
		{"", gateway.ProtoTLS, "anywhere", "anywhere", ""}, // on a Unix socket
		{"", gateway.ProtoTCP, "", "proto", ""},
	} {
		addr, _ := netip.ParseAddr(c.addr)
		var cert *x509.Certificate
		if c.cn != "" {
			cert = named(c.cn)
		}
		if c.lax == "" {
			c.lax = c.want
		}
		if got := found(list.Find(addr, c.proto, cert)); got != c.want {
			t.Errorf("%s %v %q: %s, not %s", c.addr, c.proto, c.cn, got, c.want)
		}
		if got := found(list.FindLax(addr, c.proto, cert)); got != c.lax {
			t.Errorf("%s %v %q, lax: %s, not %s", c.addr, c.proto, c.cn, got, c.lax)
		}
		if !list.HasAddr(addr) {
			t.Errorf("%s: no client could have it, but one is for all", c.addr)
		}
	}
}

// found is the name of the client, or why there is none.
func found(c *gateway.Client, reason error) string {
	switch {
	case (c == nil) == (reason == nil):
		return fmt.Sprintf("%v and %v", c, reason)
	case c != nil:
		return c.Name
	}
	return map[error]string{gateway.ErrNoClient: "none", gateway.ErrClientProto: "proto", gateway.ErrClientCert: "certificate"}[reason]
}

func TestUnknownClient(t *testing.T) {
	list := good(t, "client a {\n\tipaddr = 192.0.2.0/24\n\tsecret = s\n}\n").Clients[""]
	for _, addr := range []string{"192.0.3.1", "2001:db8::1", "::ffff:198.51.100.1", ""} {
		a, _ := netip.ParseAddr(addr)
		if c, err := list.Find(a, gateway.ProtoUDP, nil); c != nil || err != gateway.ErrNoClient {
			t.Errorf("%q: %v, %v", addr, c, err)
		}
		if list.HasAddr(a) {
			t.Errorf("%q is somebody's", addr)
		}
	}
	if !list.HasAddr(netip.MustParseAddr("::ffff:192.0.2.3")) {
		t.Error("an IPv4 address in IPv6 is not known")
	}
}

// `*`, 0.0.0.0 and :: are every address, as in FreeRADIUS.
func TestEveryAddress(t *testing.T) {
	for _, c := range []struct{ line, in, out string }{
		{"ipaddr = *", "192.0.2.1", "2001:db8::1"},
		{"ipv4addr = 0.0.0.0", "192.0.2.1", "2001:db8::1"},
		{"ipv6addr = *", "2001:db8::1", "192.0.2.1"},
		{"ipv6addr = ::", "2001:db8::1", "192.0.2.1"},
		{"ipaddr = ::/0", "2001:db8::1", "192.0.2.1"},
	} {
		list := good(t, "client a {\n\t"+c.line+"\n\tsecret = s\n}\n").Clients[""]
		for _, addr := range []struct {
			text string
			want bool
		}{{c.in, true}, {c.out, false}, {"", true}} {
			a, _ := netip.ParseAddr(addr.text)
			if _, err := list.Find(a, gateway.ProtoUDP, nil); (err == nil) != addr.want {
				t.Errorf("%s: %q: %v", c.line, addr.text, err)
			}
		}
	}
}

// The name of a client is its address where it gives none, as in FreeRADIUS 1.
func TestClientByName(t *testing.T) {
	all := good(t, "client 192.0.2.0/24 {\n\tsecret = s\n}\nclient 2001:db8::1 {\n\tsecret = s\n}\nclient 10.0.0.0 {\n\tnetmask = 8\n\tsecret = s\n}\n").Clients[""].All
	for i, want := range []string{"192.0.2.0/24", "2001:db8::1/128", "10.0.0.0/8"} {
		if got := all[i].Prefixes[0].String(); got != want {
			t.Errorf("client %s: %s, not %s", all[i].Name, got, want)
		}
	}
}

// A client with several addresses is one client: a name, a limit, a state.
func TestClientOfSeveralAddresses(t *testing.T) {
	list := good(t, "client two {\n\tipaddr = 192.0.2.1\n\tipaddr = 198.51.100/24\n\tipv6addr = 2001:db8::1\n\tsecret = s\n}\n").Clients[""]
	for addr, want := range map[string]bool{"192.0.2.1": true, "198.51.100.9": true, "2001:db8::1": true, "192.0.2.2": false, "2001:db8::2": false} {
		c, err := list.Find(netip.MustParseAddr(addr), gateway.ProtoUDP, nil)
		if (c == list.All[0]) != want || (err == nil) != want {
			t.Errorf("%s: %v, %v", addr, c, err)
		}
	}
	if len(list.All) != 1 || len(list.All[0].NAS.Addrs) != 2 {
		t.Errorf("%d clients, NAS %v", len(list.All), list.All[0].NAS.Addrs)
	}
}

func TestClientSecrets(t *testing.T) {
	cfg := good(t, `
client own {
	ipaddr = 192.0.2.1
	secret = one
}
client same {
	ipaddr = 192.0.2.2
	secret = one
}
client tls {
	ipaddr = 192.0.2.3
	proto = tls
}
client dtls {
	ipaddr = 192.0.2.4
	proto = dtls
}
client both {
	ipaddr = 192.0.2.5
	proto = tls
	proto = dtls
}
client radsec {
	ipaddr = 192.0.2.6
	secret = radsec
}
`)
	all := cfg.Clients[""].All
	for i, want := range []struct {
		secret, dtls string
		own          bool
		proto        string
	}{
		{"one", "one", true, "*"}, {"one", "one", true, "*"},
		{"radsec", "radius/dtls", false, "tls"}, {"radius/dtls", "radius/dtls", false, "dtls"}, {"radsec", "radius/dtls", false, "tls+dtls"},
		{"radsec", "radsec", false, "*"},
	} {
		c := all[i]
		if c.Secret.Reveal() != want.secret || c.DTLSSecret.Reveal() != want.dtls || c.OwnSecret != want.own || c.Proto.String() != want.proto {
			t.Errorf("client %s: %s, %s, own %t, proto %v", c.Name, c.Secret.Reveal(), c.DTLSSecret.Reveal(), c.OwnSecret, c.Proto)
		}
	}
	if all[0].Secret != all[1].Secret || all[2].Secret != all[5].Secret {
		t.Error("equal secrets are not one")
	}
	for _, text := range []string{fmt.Sprint(all[0].Secret), fmt.Sprintf("%+v", *all[0]), fmt.Sprintf("%#v", all[0].Secret)} {
		if strings.Contains(text, "one") {
			t.Errorf("the secret is shown: %s", text)
		}
	}
}

func TestFindAllocs(t *testing.T) {
	list := good(t, clientsConf).Clients[""]
	four, six, strange := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("203.0.113.1")
	if n := testing.AllocsPerRun(100, func() {
		list.Find(four, gateway.ProtoUDP, nil)
		list.Find(six, gateway.ProtoUDP, nil)
		list.Find(strange, gateway.ProtoUDP, nil)
		list.HasAddr(six)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFind(b *testing.B) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "client c%d {\n\tipaddr = 10.0.%d.%d\n\tsecret = s\n}\n", i, i/250, i%250)
		fmt.Fprintf(&text, "client d%d {\n\tipaddr = 2001:db8:%x::/48\n\tsecret = s\n}\n", i, i)
	}
	text.WriteString("client n {\n\tipaddr = 10.0.0.0/8\n\tsecret = s\n}\n")
	list := good(b, text.String()).Clients[""]
	for _, c := range []struct{ name, addr string }{
		{"exact", "10.0.1.7"}, {"prefix", "10.9.9.9"}, {"unknown", "192.0.2.1"}, {"six", "2001:db8:77::1"},
	} {
		addr := netip.MustParseAddr(c.addr)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				list.Find(addr, gateway.ProtoUDP, nil)
			}
		})
	}
}
