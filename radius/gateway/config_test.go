package gateway_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/frio-io/frio/all"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/radius/gateway"
	"github.com/frio-io/frio/talloc"
)

var update = flag.Bool("update", false, "write the golden files")

// parse reads text as gw.conf. It returns all mistakes, those of keys that nobody took too, and the notes, a line each.
func parse(t testing.TB, text string) (cfg *gateway.Config, mistakes, notes string) {
	t.Helper()
	root, err := conf.ParseString("gw.conf", strings.TrimPrefix(text, "\n"), conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return parseRoot(t, root)
}

func parseRoot(t testing.TB, root *conf.Section) (cfg *gateway.Config, mistakes, notes string) {
	t.Helper()
	ctx := talloc.Root("test")
	t.Cleanup(ctx.Free)
	cfg, errs := gateway.ParseConfig(ctx, root, nil)
	return cfg, lines(append(errs, root.Unknown()...)), lines(cfg.Notes)
}

func lines(errs conf.Errors) string {
	var b strings.Builder
	for _, e := range errs.Sorted() {
		b.WriteString(e.Error() + "\n")
	}
	return b.String()
}

// good is parse of what has no mistakes.
func good(t testing.TB, text string) *gateway.Config {
	t.Helper()
	cfg, mistakes, _ := parse(t, text)
	if mistakes != "" {
		t.Fatalf("mistakes:\n%s", mistakes)
	}
	return cfg
}

// golden compares got with a file in testdata.
func golden(t testing.TB, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not\n%s\nbut\n%s", path, want, got)
	}
}

const raddb = "/etc/freeradius/3.0"

// skipRaddb skips a test that cannot read those files.
func skipRaddb(t *testing.T) {
	t.Helper()
	friotest.Skip(t, "the Debian package freeradius-config is not installed, or cannot be read")
}

// The files that Debian's FreeRADIUS comes with are read unchanged; the golden file says what has no effect in them.
func TestDebianFiles(t *testing.T) {
	if _, err := os.ReadFile(filepath.Join(raddb, "clients.conf")); err != nil {
		skipRaddb(t)
	}
	root, err := conf.ParseString(filepath.Join(raddb, "frio.conf"), "$INCLUDE clients.conf\n$INCLUDE proxy.conf\n", conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg, mistakes, notes := parseRoot(t, root)
	if mistakes != "" {
		t.Errorf("mistakes:\n%s", mistakes)
	}
	var text bytes.Buffer
	text.WriteString(strings.ReplaceAll(notes, raddb+"/", ""))
	text.WriteString("\n")
	cfg.Debug(&text)
	golden(t, "debian.txt", text.Bytes())
}

// Every key that FreeRADIUS has in these sections is taken, most of them with a note.
func TestForeignKeys(t *testing.T) {
	_, mistakes, notes := parse(t, `
client a {
	ipaddr = 192.0.2.1
	secret = s
	shortname = a
	nas_type = other
	nastype = other
	login = x
	password = hidden
	virtual_server = x
	server = x
	src_ipaddr = 192.0.2.9
	rate_limit = no
	lifetime = 5
	response_window = 10
	require_message_authenticator = auto
	limit_proxy_state = auto
	directory = x
	gss_acceptor_host_name = x
	gss_acceptor_realm_name = x
	trust_router_coi = x
	radiusv1_1 = allow
	tls {
		psk_identity = x
		psk_hexphrase = hidden
		psk_query = hidden
		radiusv1_1 = forbid
	}
}
home_server a {
	type = auth
	ipaddr = 192.0.2.1
	port = 0
	proto = udp
	secret = s
	src_ipaddr = 192.0.2.9
	virtual_server = x
	response_timeouts = 1
	historic_average_window = 5
	no_response_fail = no
	nonblock = no
	hostname = x
	ping_check = none
	ping_interval = 30
	status_check_timeout = 4
	revive_interval = 120
	username = x
	password = hidden
	recv_coa {
		ipaddr = 192.0.2.1
	}
}
home_server_pool a {
	type = fail-over
	home_server = a
	virtual_server = x
}
realm a {
	auth_pool = a
	nostrip
	ldflag = fail_over
	virtual_server = x
	hints
	notrealm
	nosuffix
}
proxy server {
	default_fallback = no
	dynamic = yes
	directory = x
	synchronous = no
	retry_delay = 5
	retry_count = 3
	dead_time = 120
	post_proxy_authorize = no
	wake_all_if_all_dead = no
	servers_per_realm = 15
	proxy_dedup_window = 1
}
`)
	if mistakes != "" {
		t.Errorf("mistakes:\n%s", mistakes)
	}
	if strings.Contains(notes, "hidden") {
		t.Errorf("a note shows a value:\n%s", notes)
	}
	golden(t, "foreign.txt", []byte(notes))
}

func TestDebug(t *testing.T) {
	cfg := good(t, full)
	var b bytes.Buffer
	cfg.Debug(&b)
	golden(t, "debug.txt", b.Bytes())
	for _, secret := range []string{"marked-secret", "marked-password"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%s is shown", secret)
		}
	}
}

// full has one of everything.
const full = `
client 192.0.2.0/24 {
	secret = marked-secret
	require_message_authenticator = yes
	limit_proxy_state = no
	response_window = 2s
	cleanup_delay = 10
	coa_server = back
	nas_ip_address = 192.0.2.7
	nas_ipv6_address = 2001:db8::7
	nas_identifier = nas7
	rewrite_in = strip
	rewrite_out = strip
	add_ttl = 10
	fticks_viscountry = CH
	fticks_visinst = example
	limit {
		max_connections = 5
		lifetime = 1h
		idle_timeout = never
	}
}
client federation {
	certificate {
		name = radius.example.org
		policy_oid = 1.3.6.1.4.1.25178.3.1.1
	}
}
clients inside {
	client localhost {
		ipv6addr = ::1
		proto = tcp
		secret = marked-secret
	}
}
home_server one {
	ipaddr = 198.51.100.1
	secret = marked-secret
	require_message_authenticator = yes
	status_check = request
	username = monitor
	password = marked-password
	max_outstanding = unlimited
	loop_prevention = yes
}
home_server two {
	protocol = tcp
	type = auth+acct
	secret = marked-secret
	acct_port = 1646
	tcp {
		ipaddr = 198.51.100.2
		port = 1645
	}
	limit {
		max_connections = 0
		max_requests = 1000
		idle_timeout = 30
		start = 1
	}
	retransmit {
		mrt = 0
		mrc = 0
	}
	rewrite_out = strip
	add_ttl = 5
}
home_server back {
	type = coa
	ipaddr = 2001:db8::1
	secret = marked-secret
	coa {
		irt = 1
	}
}
home_server_pool all {
	type = keyed-balance
	key = User-Name
	home_server = one
	home_server = two
	fallback = reject
}
home_server_pool back {
	home_server = back
}
realm example.org {
	pool = all
	coa_pool = back
	strip = yes
}
realm "~\\.example\\.net$" {
	auth_pool = all
	accounting_response = yes
	accounting_log = yes
}
realm NULL {
	reject_message = "no realm"
}
realm LOCAL {
}
rewrite strip {
	remove = Tunnel-Private-Group-Id
	remove = 9.*
	modify = "User-Name:/^(.*)@old$/\\1@new/"
	supplement = "Operator-Name = '1example.org'"
	add = "Reply-Message = hello"
}
proxy server {
	default_fallback = yes
	realm_delimiters = "@%"
}
`

// What works, but is probably not meant.
func TestNotes(t *testing.T) {
	_, mistakes, notes := parse(t, `
home_server a {
	ipaddr = 192.0.2.1
	proto = tls
	revive_interval = 60
	tls {
		check_cert_name = no
	}
}
proxy server {
	default_fallback = yes
}
client b {
	ipaddr = 192.0.2.2
	proto = tls
}
client c {
	ipaddr = 192.0.2.2
	proto = dtls
	certificate {
		name = c
	}
}
`)
	want := `gw.conf:4:2: note: revive_interval has no effect here: status_check is auto
gw.conf:6:21: warning: check_cert_name: any certificate of the CA is taken for the server's
gw.conf:10:2: note: default_fallback has no effect here: there is no realm DEFAULT
gw.conf:12:1: warning: client b: without certificate { }, every certificate of the CA is this client's if it comes from there
`
	if mistakes != "" || notes != want {
		t.Errorf("mistakes\n%s\nnotes\n%s\nnot\n%s", mistakes, notes, want)
	}
}
