package gateway_test

import (
	"strings"
	"testing"
)

// Each case is a file and all that is wrong with it.
func TestWrong(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
	}{
		{"client without address", `
client x {
	secret = s
}`, `
gw.conf:1:1: client x: ipaddr is missing (or certificate { }, for a client that is known by that alone)`},
		{"client by name", `
client x {
	ipaddr = radius.example.org
	secret = s
}
client radius.example.org {
	secret = s
}`, `
gw.conf:2:11: ipaddr: ` + "`radius.example.org`" + ` is no address: clients are known by theirs, and names are not looked up
gw.conf:5:1: client radius.example.org: ipaddr is missing (or certificate { }, for a client that is known by that alone)`},
		{"rewrite_user_name", `
client x {
	ipaddr = 192.0.2.1
	secret = s
	rewrite_user_name = 'User-Name:/a/b/'
}
client y {
	ipaddr = 192.0.2.2
	secret = s
	rewrite_user_name = '/(/b/'
}`, `
gw.conf:4:22: rewrite_user_name: ` + "`User-Name:/a/b/` is not an expression and what becomes of it, as in '/^(.*)@old$/\\1@new/'" + `
gw.conf:9:22: rewrite_user_name: missing closing ): ` + "`(`" + ``},
		{"rewrite's groups", `
rewrite x {
	modify = '1:/^(.)(.)$/\2\1\3/'
	modify = '1:/^a$/\\1/'
}
client y {
	ipaddr = 192.0.2.2
	secret = s
	rewrite_user_name = '/a/\1/'
}
rewrite z {
	whitelist = none
	whitelist = 1
}`, `
gw.conf:2:11: modify: the replacement wants group \3, and the expression has 2
gw.conf:8:22: rewrite_user_name: the replacement wants group \1, and the expression has 0
gw.conf:11:14: whitelist: none keeps nothing: it stands alone`},
		{"address as elsewhere", `
client x {
	ipaddr = [2001:db8::1]
	ipv6addr = fe80::1%eth0
	secret = s
}`, `
gw.conf:2:11: ipaddr: ` + "`[2001:db8::1]` is no address, it stands without brackets" + `
gw.conf:3:13: ipv6addr: ` + "`fe80::1%eth0` is no address, it stands without an interface" + ``},
		{"client with the same address twice", `
client x {
	ipaddr = 192.0.2.1
	ipv4addr = 192.0.2.1/32
	secret = s
}
client y {
	ipaddr = 192.0.2.2
	ipaddr = 192.0.2.1
	secret = s
}`, `
gw.conf:3:13: ipv4addr: 192.0.2.1/32 is given already
gw.conf:6:1: client y: states the same as client x at gw.conf:1:1 (address, proto and certificate)`},
		{"client's bad values", `
client x {
	ipv4addr = 2001:db8::1
	netmask = 24
	proto = tpc
	secret = ""
	cleanup_delay = 0
	add_ttl = 0
	require_message_authenticator = maybe
	nas_ip_address = ::1
	limit {
		max_connections = -1
		lifetme = 3
	}
	colour = red
}`, "\n" +
			"gw.conf:2:13: ipv4addr: `2001:db8::1` is not an IPv4 address\n" +
			"gw.conf:4:10: proto: `tpc` is none of udp, tcp, tls, dtls, did you mean `tcp`?\n" +
			"gw.conf:5:11: secret: is empty\n" +
			"gw.conf:6:18: cleanup_delay: 0 is below 1s\n" +
			"gw.conf:7:12: add_ttl: 0 is below 1\n" +
			"gw.conf:8:34: require_message_authenticator: `maybe` is neither yes, no nor auto\n" +
			"gw.conf:9:19: nas_ip_address: `::1` is not an IPv4 address\n" +
			"gw.conf:11:21: max_connections: -1 is below 0\n" +
			"gw.conf:12:3: unknown key `lifetme`, did you mean `lifetime`?\n" +
			"gw.conf:14:2: unknown key `colour`"},
		{"netmask", `
client a {
	ipaddr = 192.0.2.0/24
	netmask = 24
	secret = s
}
client b {
	ipaddr = 192.0.3.0
	netmask = 33
	secret = s
}
client c {
	netmask = 24
	certificate {
		cn = c
	}
}`, `
gw.conf:3:12: netmask: 192.0.2.0/24 has its bits already
gw.conf:8:12: netmask: 33 is above 32
gw.conf:12:12: netmask: has no effect without ipaddr`},
		{"no secret", `
client a {
	ipaddr = 192.0.2.1
}
client b {
	ipaddr = 192.0.2.2
	proto = *
}
client c {
	ipaddr = 192.0.2.3
	proto = tls
	proto = udp
}`, `
gw.conf:1:1: client a: secret is missing (with proto = tls or dtls it is not needed)
gw.conf:4:1: client b: secret is missing
gw.conf:8:1: client c: secret is missing`},
		{"same clients", `
client a {
	ipaddr = 192.0.2.1
	proto = udp
	secret = s
}
client b {
	ipaddr = 192.0.2.1/32
	proto = udp
	proto = tcp
	secret = t
}
client c {
	ipaddr = 192.0.3.9/24
	secret = s
}
client d {
	ipaddr = 192.0.3.0/24
	secret = s
}
client e {
	certificate {
		cn = e
		uri = x
	}
}
client f {
	certificate {
		uri = x
		cn = e
	}
}
client a {
	ipaddr = 192.0.2.7
	secret = s
}`, `
gw.conf:6:1: client b: states the same as client a at gw.conf:1:1 (address, proto and certificate)
gw.conf:16:1: client d: states the same as client c at gw.conf:12:1 (address, proto and certificate)
gw.conf:26:1: client f: states the same as client e at gw.conf:20:1 (address, proto and certificate)
gw.conf:32:1: client a: defined already at gw.conf:1:1`},
		{"certificate", `
client a {
	ipaddr = 192.0.2.1
	proto = udp
	secret = s
	certificate {
		name = a
	}
}
client b {
	certificate {
	}
}
client c {
	certificate {
		name = /(/
		cn = ""
		uri = /x
		issuer = /C=GB/O=Example
		serial = xyz
		fingerprint = 00:11
		policy_oid = 1.x
		nme = a
	}
}`, "\n" +
			"gw.conf:3:10: proto: nobody shows a certificate over udp\n" +
			"gw.conf:10:2: certificate: it says nothing: any certificate would match (name, dns, cn, uri, ip, rid, other_name, issuer, serial, fingerprint, policy_oid)\n" +
			"gw.conf:15:10: name: missing closing ): `(`\n" +
			"gw.conf:16:8: cn: is empty\n" +
			"gw.conf:17:9: uri: `/x`: a regular expression ends with / as well\n" +
			"gw.conf:18:12: issuer: `/C=GB/O=Example`: write CN=..., O=... as RFC 2253 has it, or /a regular expression/\n" +
			"gw.conf:19:12: serial: `xyz` is not a number in hexadecimal\n" +
			"gw.conf:20:17: fingerprint: `00:11` is neither a SHA-1 nor a SHA-256 in hexadecimal\n" +
			"gw.conf:21:16: policy_oid: `1.x` is not an object identifier, as 1.3.6.1.4.1.25178.3.1.1\n" +
			"gw.conf:22:3: unknown key `nme`, did you mean `name`?"},
		{"client lists", `
clients {
	client a {
		ipaddr = 192.0.2.1
		secret = s
	}
}
clients b {
}`, `
gw.conf:1:1: clients: it needs a name, as in ` + "`clients one { ... }`" + `
gw.conf:7:1: clients b: it has no client`},
		{"dynamic clients", `
client a {
	ipaddr = 192.0.2.0/24
	secret = s
	dynamic_clients = x
}`, `
gw.conf:4:2: dynamic_clients: clients are not made while running; write a client for the network`},
		{"coa_server", `
client a {
	ipaddr = 192.0.2.1
	secret = s
	coa_server = hme
}
client b {
	ipaddr = 192.0.2.2
	secret = s
	coa_server = home
}
home_server home {
	ipaddr = 192.0.2.9
	secret = s
}`, "\n" +
			"gw.conf:4:15: coa_server: no home_server_pool or home_server `hme`, did you mean `home`?\n" +
			"gw.conf:9:15: coa_server: home_server home in pool home takes auth+acct, not coa (gw.conf:11:1)"},
		{"home without anything", `
home_server a {
}
home_server b {
	virtual_server = x
}
home_server {
	ipaddr = 192.0.2.1
	secret = s
}`, `
gw.conf:1:1: home_server a: ipaddr is missing (or protocol = udp, and udp { ipaddr = ... })
gw.conf:3:1: home_server b: ipaddr is missing: requests cannot go to a virtual server (fallback of a pool and reject_message of a realm answer without one)
gw.conf:6:1: home_server: it needs a name, as in ` + "`home_server one { ... }`"},
		{"home's bad values", `
home_server a {
	type = both
	ipaddr = "bad name"
	port = 70000
	src_ipaddr = here
	proto = udp
	response_window = 0
	zombie_period = 1h
	status_check = never
	num_answers_to_alive = 0
	max_outstanding = -5
	responce_window = 3
	limit {
		max_connections = 2
		start = 3
		connecting = 0
	}
	retransmit {
		irt = 0
		mrd = 0
	}
}`, "\n" +
			"gw.conf:1:1: home_server a: secret is missing\n" +
			"gw.conf:2:9: type: `both` is none of auth, acct, coa\n" +
			"gw.conf:3:11: ipaddr: \"bad name\" is neither an address nor a host name\n" +
			"gw.conf:4:9: port: 70000 is above 65535\n" +
			"gw.conf:5:15: src_ipaddr: `here` is not an IP address\n" +
			"gw.conf:7:20: response_window: 0 is below 1ms\n" +
			"gw.conf:8:18: zombie_period: 1h is above 10m\n" +
			"gw.conf:9:17: status_check: `never` is none of auto, none, status-server, request\n" +
			"gw.conf:10:25: num_answers_to_alive: 0 is below 1\n" +
			"gw.conf:11:20: max_outstanding: -5 is below 0\n" +
			"gw.conf:12:2: unknown key `responce_window`, did you mean `response_window`?\n" +
			"gw.conf:15:11: start: 3 is above max_connections, 2\n" +
			"gw.conf:16:16: connecting: 0 is below 1\n" +
			"gw.conf:19:9: irt: 0 is below 100ms\n" +
			"gw.conf:20:9: mrd: 0 is below 1s"},
		{"source of another family", `
home_server a {
	ipaddr = 192.0.2.1
	src_ipaddr = 2001:db8::1
	secret = s
}`, `
gw.conf:2:11: ipaddr: 192.0.2.1 and src_ipaddr 2001:db8::1 are of different families`},
		{"old and new name of a key", `
home_server a {
	ipaddr = 192.0.2.1
	secret = s
	check_interval = 10
	ping_interval = 20
}`, `
gw.conf:5:18: ping_interval: the same as check_interval, which is given at gw.conf:4:2`},
		{"a method that is none, and no secret", `
home_server a {
	protocol = tsl+tcp
	tcp {
		ipaddr = 192.0.2.1
		port = 2083
	}
}`, `
gw.conf:2:13: protocol tsl+tcp: no method ` + "`tsl`, did you mean `tls`?"},
		{"both forms of a stack", `
home_server a {
	protocol = udp
	proto = udp
	ipaddr = 192.0.2.1
	secret = s
	udp {
		ipaddr = 192.0.2.1
		port = 1812
		colour = red
	}
}`, `
gw.conf:3:2: proto: beside protocol it stands in the section of the method, as in udp { proto = ... }
gw.conf:4:2: ipaddr: beside protocol it stands in the section of the method, as in udp { ipaddr = ... }
gw.conf:9:3: unknown key ` + "`colour`"},
		{"tls in FreeRADIUS's form", `
home_server a {
	ipaddr = 192.0.2.1
	tls {
	}
}
home_server b {
	ipaddr = 192.0.2.1
	proto = udp
	tls {
	}
}
home_server c {
	ipaddr = 192.0.2.1
	proto = dtls
}
home_server d {
	ipaddr = 192.0.2.1
	proto = tls
	tls {
		check_cert_name = radius.example.org
		colour = red
	}
}`, `
gw.conf:1:1: home_server a: tls { } needs proto = tls or proto = dtls
gw.conf:8:10: proto: udp has no tls { }: write dtls
gw.conf:12:1: home_server: section tls { } is missing
gw.conf:21:3: unknown key ` + "`colour`"},
		{"ports of accounting", `
home_server a {
	ipaddr = 192.0.2.1
	port = 65535
	secret = s
}
home_server b {
	type = auth
	ipaddr = 192.0.2.1
	secret = s
	acct_port = 1813
}
home_server c {
	ipaddr = 192.0.2.1
	secret = s
	acct_port = many
}
home_server d {
	type = auth+acct+coa
	ipaddr = 192.0.2.1
	secret = s
}`, `
gw.conf:3:9: port: 65535 leaves no port + 1 for accounting: give acct_port
gw.conf:10:14: acct_port: has no effect: type auth over udp uses one port
gw.conf:15:14: port: ` + "`many`" + ` is neither a port nor a service name
gw.conf:17:1: home_server d: type auth+acct+coa over udp has no port for all: write a home_server of type coa`},
		{"checks by request", `
home_server a {
	ipaddr = 192.0.2.1
	secret = s
	status_check = request
}
home_server b {
	type = coa
	ipaddr = 192.0.2.1
	secret = s
	status_check = request
	username = x
}
home_server c {
	ipaddr = 192.0.2.1
	secret = s
	status_check = request
	username = "` + strings.Repeat("u", 254) + `"
	password = "` + strings.Repeat("p", 129) + `"
}`, `
gw.conf:1:1: home_server a: status_check = request needs a username
gw.conf:1:1: home_server a: status_check = request needs a password for type auth+acct
gw.conf:6:1: home_server b: status_check = request is not possible for type coa: there is no request that does no harm
gw.conf:17:13: username: longer than 253 bytes (RFC 2865, Section 5.1)
gw.conf:18:13: password: longer than 128 bytes (RFC 2865, Section 5.2)`},
		{"pools", `
home_server a {
	type = auth
	ipaddr = 192.0.2.1
	secret = s
}
home_server_pool one {
	type = fail-ovr
	home_server = a
	home_server = a
	home_server = c
	fallback = b
}
home_server_pool two {
	key = User-Name
	fallback = a
	home_server = a
}
home_server_pool three {
	type = keyed-balance
	key = User-Nme
}
realm x {
	pool = two
	auth_pool = two
	coa_pool = two
	acct_pool = toe
}`, "\n" +
			"gw.conf:7:9: type: `fail-ovr` is none of fail-over, load-balance, client-balance, client-port-balance, keyed-balance, did you mean `fail-over`?\n" +
			"gw.conf:9:16: home_server: `a` is given already at gw.conf:8:2\n" +
			"gw.conf:10:16: home_server: no home_server `c`\n" +
			"gw.conf:11:13: fallback: `b` is neither reject, drop nor a home_server\n" +
			"gw.conf:14:8: key: has no effect: it is for type = keyed-balance\n" +
			"gw.conf:15:13: fallback: `a` is in the pool already\n" +
			"gw.conf:18:1: home_server_pool three: home_server is missing: a pool needs at least one\n" +
			"gw.conf:20:8: key: no attribute `User-Nme` (a name, a number, or vendor.number)\n" +
			"gw.conf:24:14: auth_pool: pool is given already at gw.conf:23:2\n" +
			"gw.conf:25:13: coa_pool: home_server a in pool two takes auth, not coa (gw.conf:1:1)\n" +
			"gw.conf:26:14: acct_pool: no home_server_pool `toe`"},
		{"realms", `
home_server a {
	ipaddr = 192.0.2.1
	secret = s
}
home_server_pool all {
	home_server = a
}
realm example.org {
	pool = all
	reject_message = no
	accounting_response = yes
}
realm EXAMPLE.ORG {
	strip = yes
	nostrip
}
realm "~(" {
}
realm "~x$" {
}
realm "/x$/" {
}
realm * {
}
realm a@b {
}
realm DEFAULT {
	rewrite_in = none
}
realm DEFAULT {
}
realm {
}
realm x {
	nostripp
	authhost = 192.0.2.1
}
realm y {
	secret = s
}
realm z {
	auth_pool = all
	authhost = 192.0.2.1
	secret = s
}`, "\n" +
			"gw.conf:10:19: reject_message: has no effect: Access-Requests go to pool all\n" +
			"gw.conf:11:24: accounting_response: has no effect: Accounting-Requests go to pool all\n" +
			"gw.conf:13:1: realm EXAMPLE.ORG: defined already at gw.conf:8:1\n" +
			"gw.conf:14:10: strip: yes and nostrip exclude each other\n" +
			"gw.conf:17:1: realm ~(: missing closing ): `(`\n" +
			"gw.conf:21:1: realm /x$/: defined already at gw.conf:19:1\n" +
			"gw.conf:23:1: realm *: write realm DEFAULT { ... }\n" +
			"gw.conf:25:1: realm a@b: '@' divides user and realm: it cannot be in a realm\n" +
			"gw.conf:28:2: unknown key `rewrite_in`\n" +
			"gw.conf:30:1: realm DEFAULT: defined already at gw.conf:27:1\n" +
			"gw.conf:32:1: realm: it needs a name, as in `realm example.org { ... }`\n" +
			"gw.conf:35:2: policy statement `nostripp` is not possible here, did you mean `nostrip`?\n" +
			"gw.conf:36:13: authhost: needs a secret in this realm (better: a home_server, a home_server_pool, and `auth_pool = ...` here)\n" +
			"gw.conf:39:11: secret: has no effect here: a home_server has the secret\n" +
			"gw.conf:43:13: authhost: a pool is given as well\n" +
			"gw.conf:44:11: secret: has no effect here: a home_server has the secret"},
		{"rewrites", `
rewrite a {
}
rewrite b {
	remove = Tunnel-Tpe
	remove = Proxy-State
	remove = Nobody.*
	whitelist = 300
	modify = User-Name
	modify = "User-Name:/(/x/"
	modify = "9.*:/a/b/"
	modify = "User-Password:/a/b/"
	supplement = User-Name
	add = "Tunnel-Password = marked-secret"
	add = "NAS-Port = x"
	add = "User-Name = a, User-Name = b"
	add = "User-Name += a"
	adds = x
}`, "\n" +
			"gw.conf:1:1: rewrite a: it says nothing (remove, whitelist, modify, supplement, add)\n" +
			"gw.conf:4:11: remove: no attribute `Tunnel-Tpe` (a name, a number, or vendor.number)\n" +
			"gw.conf:5:11: remove: attribute 33 belongs to the hop\n" +
			"gw.conf:6:11: remove: no vendor `Nobody`\n" +
			"gw.conf:7:14: whitelist: no attribute `300` (a name, a number, or vendor.number)\n" +
			"gw.conf:8:11: modify: `User-Name` is not an attribute and what becomes of it, as in 'User-Name:/^(.*)@old$/\\1@new/'\n" +
			"gw.conf:9:11: modify: missing closing ): `(`\n" +
			"gw.conf:10:11: modify: it has to be one attribute\n" +
			"gw.conf:11:11: modify: attribute 2 is hidden with the secret and can only be removed or kept\n" +
			"gw.conf:12:15: supplement: not of the form name = value\n" +
			"gw.conf:13:8: add: attribute 69 is hidden with the secret and can only be removed or kept\n" +
			"gw.conf:14:8: add: NAS-Port: \"x\" is neither the name of a value nor a number of 32 bits\n" +
			"gw.conf:15:8: add: it is not one attribute with its value, as in \"Reply-Message = 'good day'\"\n" +
			"gw.conf:16:8: add: operator += is not possible here: write =\n" +
			"gw.conf:17:2: unknown key `adds`, did you mean `add`?"},
		{"proxy", `
proxy server {
	default_fallback = maybe
	realm_delimiters = ""
	defualt_fallback = no
}
proxy server {
}`, "\n" +
			"gw.conf:2:21: default_fallback: `maybe` is neither yes nor no\n" +
			"gw.conf:3:21: realm_delimiters: is empty\n" +
			"gw.conf:4:2: unknown key `defualt_fallback`, did you mean `default_fallback`?\n" +
			"gw.conf:6:1: proxy server: given already at gw.conf:1:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got, notes := parse(t, c.text)
			want := strings.TrimPrefix(c.want, "\n") + "\n"
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if strings.Contains(got+notes, "marked-secret") {
				t.Error("a secret is shown")
			}
		})
	}
}
