package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/frio-io/frio/radius/gateway"
)

const realmsConf = `
home_server a {
	ipaddr = 192.0.2.1
	secret = s
}
home_server_pool all {
	home_server = a
}
realm "~^anonymous@" {
	pool = all
}
realm example.org {
	pool = all
}
realm Sub.Example.ORG {
	pool = all
}
realm "~(.*\\.)*example\\.net$" {
	pool = all
}
realm "/\\.net$/" {
	pool = all
}
realm NULL {
}
realm DEFAULT {
}
`

func TestFindRealm(t *testing.T) {
	realms := good(t, realmsConf).Realms
	for _, c := range []struct{ user, realm, rest string }{
		{"bob@example.org", "example.org", "bob"},
		{"bob@EXAMPLE.org", "example.org", "bob"},
		{"bob@sub.example.org", "Sub.Example.ORG", "bob"},
		{"bob@other@example.org", "example.org", "bob@other"},
		{"anonymous@example.org", "example.org", "anonymous"}, // exact names before expressions
		{"anonymous@elsewhere", "~^anonymous@", "anonymous"},
		{"bob@a.example.net", `~(.*\.)*example\.net$`, "bob"},
		{"bob@EXAMPLE.NET", `~(.*\.)*example\.net$`, "bob"},
		{"bob@x.net", `/\.net$/`, "bob"},
		{"bob.example.net", `~(.*\.)*example\.net$`, "bob.example.net"}, // of the whole name
		{"bob", "NULL", "bob"},
		{"", "NULL", ""},
		{"bob@", "DEFAULT", "bob"},
		{"bob@nowhere", "DEFAULT", "bob"},
		{"bob@\xff\xfe", "DEFAULT", "bob"},
		{"bob@" + strings.Repeat("x", 300), "DEFAULT", "bob"},
	} {
		realm, end := realms.Find([]byte(c.user))
		if realm == nil || realm.Name != c.realm || c.user[:end] != c.rest {
			t.Errorf("%q: %v, %q", c.user, realm, c.user[:end])
		}
	}
}

func TestFindRealmWithoutDefault(t *testing.T) {
	realms := good(t, "realm a {\n}\n").Realms
	for _, user := range []string{"bob", "bob@b", ""} {
		if realm, _ := realms.Find([]byte(user)); realm != nil {
			t.Errorf("%q: %s", user, realm.Name)
		}
	}
	realms = good(t, "realm DEFAULT {\n}\n").Realms
	if realm, _ := realms.Find([]byte("bob")); realm != realms.Default {
		t.Errorf("a name without realm: %v, and there is no NULL", realm)
	}
}

func TestRealmDelimiters(t *testing.T) {
	realms := good(t, "realm a {\n}\nproxy server {\n\trealm_delimiters = \"@%\"\n}\n").Realms
	for _, user := range []string{"bob@a", "bob%a", "bob@b%a"} {
		realm, end := realms.Find([]byte(user))
		if realm == nil || user[end+1:] != "a" {
			t.Errorf("%q: %v at %d", user, realm, end)
		}
	}
}

func TestFindRealmAllocs(t *testing.T) {
	realms := good(t, realmsConf).Realms
	names := [][]byte{[]byte("bob@example.org"), []byte("bob@SUB.example.org")}
	if !race { // there the pools that expressions keep their memory in lose things on purpose
		names = append(names, []byte("bob@NOWHERE"), []byte("bob@x.net"), []byte("bob"))
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, name := range names {
			realms.Find(name)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFindRealm(b *testing.B) {
	realms := good(b, realmsConf).Realms
	name := []byte("bob@example.org")
	b.ReportAllocs()
	for b.Loop() {
		realms.Find(name)
	}
}

func TestRealmPools(t *testing.T) {
	cfg := good(t, `
home_server a {
	type = auth
	ipaddr = 192.0.2.1
	secret = s
}
home_server b {
	type = acct
	ipaddr = 192.0.2.2
	secret = s
}
home_server c {
	type = coa
	ipaddr = 192.0.2.3
	secret = s
}
home_server d {
	ipaddr = 192.0.2.4
	secret = s
}
home_server_pool a {
	home_server = a
	fallback = d
}
home_server_pool b {
	home_server = b
	fallback = drop
}
home_server_pool c {
	home_server = c
}
home_server_pool d {
	home_server = d
}
realm three {
	auth_pool = a
	acct_pool = b
	coa_pool = c
	nostrip
}
realm both {
	pool = d
}
realm half {
	acct_pool = b
	reject_message = "only accounting"
}
realm none {
}
`)
	m := cfg.Realms.All
	if r := m[0]; r.Auth.Name != "a" || r.Acct.Name != "b" || r.CoA.Name != "c" || r.Reject || r.Local || r.Strip {
		t.Errorf("three: %+v", r)
	}
	if r := m[1]; r.Auth != r.Acct || r.Auth.Name != "d" || r.CoA != nil {
		t.Errorf("both: %+v", r)
	}
	if r := m[2]; r.Auth != nil || r.Acct == nil || !r.Reject || r.Local || r.RejectMessage != "only accounting" {
		t.Errorf("half: %+v", r)
	}
	if r := m[3]; !r.Reject || !r.Local {
		t.Errorf("none: %+v", r)
	}
	if p := cfg.Pools[0]; p.FallbackHome != cfg.Homes[3] || p.Fallback != gateway.FallbackDefault {
		t.Errorf("pool a: %+v", p)
	}
	if p := cfg.Pools[1]; p.Fallback != gateway.FallbackDrop || p.FallbackHome != nil {
		t.Errorf("pool b: %+v", p)
	}
}

func TestPoolMax(t *testing.T) {
	var homes, pool strings.Builder
	for i := range 64 {
		fmt.Fprintf(&homes, "home_server h%d {\n\tipaddr = 192.0.2.%d\n\tsecret = s\n}\n", i, i+1)
		if i < 63 {
			fmt.Fprintf(&pool, "\thome_server = h%d\n", i)
		}
	}
	good(t, homes.String()+"home_server_pool p {\n"+pool.String()+"\tfallback = h63\n}\n")
	_, got, _ := parse(t, homes.String()+"home_server_pool p {\n"+pool.String()+"\thome_server = h63\n}\n")
	if want := "gw.conf:321:16: home_server: more than 63 are not possible\n"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// authhost and accthost make home servers; realms that say the same share them.
func TestOldRealm(t *testing.T) {
	cfg := good(t, `
realm NULL {
	authhost = radius.example.com:1600
	accthost = radius.example.com:1601
	secret = testing123
	nostrip
}
realm DEFAULT {
	authhost = radius.example.com:1600
	accthost = LOCAL
	secret = testing123
}
realm six {
	authhost = [2001:db8::1]
	secret = other
}
realm other {
	authhost = radius.example.com:1600
	secret = other
}
`)
	var got []string
	for _, h := range cfg.Homes {
		got = append(got, h.Type.String()+" "+h.IO.Describe()+" "+h.Secret.Reveal())
		if h.AcctIO != nil {
			t.Errorf("%s has a second port", h.Name)
		}
	}
	want := "auth udp -> radius.example.com:1600 testing123, acct udp -> radius.example.com:1601 testing123, " +
		"auth udp -> [2001:db8::1]:1812 other, auth udp -> radius.example.com:1600 other"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s\nnot\n%s", s, want)
	}
	if cfg.Realms.Null.Auth != cfg.Realms.Default.Auth || cfg.Realms.Default.Acct != nil {
		t.Error("the pools are not those of the hosts")
	}
	_, mistakes, _ := parse(t, "realm a {\n\tauthhost = \"no host\"\n\tsecret = s\n}\n")
	if want := "gw.conf:2:13: ipaddr: \"no host\" is neither an address nor a host name\n"; mistakes != want {
		t.Errorf("mistakes: %s", mistakes)
	}
}
