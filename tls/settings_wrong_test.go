package tls

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/youmark/pkcs8"
)

type wrongCase struct {
	name  string
	lines string
	kind  frio.Kind
	want  []string // each the beginning of a mistake
}

func checkWrong(t *testing.T, d testDir, c wrongCase, err error) {
	t.Helper()
	got := d.lines(err)
	if len(got) != len(c.want) {
		t.Fatalf("mistakes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
	}
	for i, want := range c.want {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("got  %s\nwant %s", got[i], want)
		}
	}
}

// wrongDir has files that are bad in one way each.
func wrongDir(t *testing.T) testDir {
	d := newTestDir(t)
	leaf := theCA().issue("server.example.org")
	d.put("empty.pem", nil)
	d.put("garbage.pem", pemOf("CERTIFICATE", []byte{0x30, 0x03, 1, 2, 3}))
	d.put("keyless.key", []byte("no key\n"))
	d.put("badkey.key", pemOf("PRIVATE KEY", []byte{1, 2, 3}))
	d.put("swapped.pem", append(pemOf("CERTIFICATE", theCA().cert.Raw), serverCert().certPEM()...))
	d.put("p2.key", pemOf("ENCRYPTED PRIVATE KEY", must(pkcs8.MarshalPrivateKey(serverCert().key, []byte("whatever"), nil))))
	d.put("old.key", []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"))
	d.put("p2bad.key", pemOf("ENCRYPTED PRIVATE KEY", []byte{0x30, 0x00}))
	d.putCert("other", leaf)
	d.put("dir/x.txt", []byte("nothing\n"))
	d.put("realms/not a name.pem", append(leaf.certPEM(), leaf.keyPEM()...))
	d.put("bare/server.example.org.pem", leaf.certPEM())
	d.put("good.crl", pemOf("X509 CRL", theCA().crl()))
	forged := &testCA{testCert: testCert{cert: theCA().cert, key: otherCA().key}}
	d.put("forged.crl", pemOf("X509 CRL", forged.crl()))
	d.put("broken.crl", pemOf("X509 CRL", []byte{0x30, 0x00}))
	d.putCert("rsa", theCA().issueKey(newTestKey("rsa"), "server.example.org"))
	return d
}

func TestMistakesOfListen(t *testing.T) {
	d := wrongDir(t)
	cases := []wrongCase{
		{name: "nothing", lines: "", want: []string{"7:1: tls: certificate_file is missing"}},
		{name: "no file", lines: "certificate_file = none.pem\nprivate_key_file = server.key",
			want: []string{"8:20: certificate_file: none.pem: no such file or directory"}},
		{name: "a directory", lines: "certificate_file = dir\nprivate_key_file = server.key",
			want: []string{"8:20: certificate_file: dir: is a directory"}},
		{name: "no key file", lines: "certificate_file = server.pem\nprivate_key_file = none.key",
			want: []string{"9:20: private_key_file: none.key: no such file or directory"}},
		{name: "both files missing", lines: "certificate_file = none.pem\nprivate_key_file = none.key",
			want: []string{"8:20: certificate_file: none.pem: no such", "9:20: private_key_file: none.key: no such"}},
		{name: "certificate { } of nobody", lines: "certificate_file = server.pem\nprivate_key_file = server.key\ncertificate {\n dns = a\n}",
			want: []string{"10:1: certificate: has no effect: no certificate is asked of clients"}},
		{name: "key without certificate", lines: "private_key_file = server.key",
			want: []string{"7:1: tls: certificate_file is missing", "8:20: private_key_file: needs certificate_file"}},
		{name: "empty certificate file", lines: "certificate_file = empty.pem\nprivate_key_file = server.key",
			want: []string{"8:20: certificate_file: empty.pem: no certificate in it"}},
		{name: "bad certificate", lines: "certificate_file = garbage.pem\nprivate_key_file = server.key",
			want: []string{"8:20: certificate_file: garbage.pem: PEM block 1: x509:"}},
		{name: "key of another", lines: "certificate_file = server.pem\nprivate_key_file = client.key",
			want: []string{"8:20: certificate_file: server.pem: its public key is not that of the private key in client.key"}},
		{name: "leaf not first", lines: "certificate_file = swapped.pem\nprivate_key_file = server.key",
			want: []string{"8:20: certificate_file: swapped.pem: the certificate of the key is number 2"}},
		{name: "no key in it", lines: "certificate_file = server.pem\nprivate_key_file = keyless.key",
			want: []string{"9:20: private_key_file: keyless.key: no private key in it"}},
		{name: "key not in the certificate's file", lines: "certificate_file = server.pem",
			want: []string{"8:20: certificate_file: server.pem: no private key in it"}},
		{name: "bad key", lines: "certificate_file = server.pem\nprivate_key_file = badkey.key",
			want: []string{"9:20: private_key_file: badkey.key: the private key is malformed"}},
		{name: "no password", lines: "certificate_file = server.pem\nprivate_key_file = p2.key",
			want: []string{"9:20: private_key_file: p2.key: the private key is encrypted, and private_key_password is not given"}},
		{name: "wrong password", lines: "certificate_file = server.pem\nprivate_key_file = p2.key\nprivate_key_password = s3cr3t-guess",
			want: []string{"10:24: private_key_password: p2.key: private_key_password does not open it"}},
		{name: "old encryption", lines: "certificate_file = server.pem\nprivate_key_file = old.key\nprivate_key_password = whatever",
			want: []string{"9:20: private_key_file: old.key: the private key is encrypted in the old PEM way, whose key is one MD5 of the password; convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in 'old.key' -out 'old.key.new'"}},
		{name: "bad encryption", lines: "certificate_file = server.pem\nprivate_key_file = p2bad.key\nprivate_key_password = whatever",
			want: []string{"9:20: private_key_file: p2bad.key: the private key is not encrypted by PBES2"}},
		{name: "chain without file", lines: ownLines + "chain {\nprivate_key_file = server.key\n}",
			want: []string{"10:1: chain: certificate_file is missing"}},
		{name: "chain with another key", lines: ownLines + "chain {\ncertificate_file = server.pem\nprivate_key_file = client.key\n}",
			want: []string{"11:20: certificate_file: server.pem: its public key"}},
		{name: "realm without key", lines: "realm_dir = bare", want: []string{"8:13: realm_dir: bare/server.example.org.pem: no private key"}},
		{name: "realm with a bad name", lines: "realm_dir = realms", want: []string{"8:13: realm_dir: realms/not a name.pem: `not a name` is not a server name"}},
		{name: "realm_dir empty", lines: "realm_dir = dir", want: []string{"8:13: realm_dir: dir: no NAME.pem in it"}},
		{name: "realm_dir a file", lines: "realm_dir = ca.pem", want: []string{"8:13: realm_dir: ca.pem: is not a directory"}},

		{name: "ca_file missing", lines: ownLines + "ca_file = none.pem", want: []string{"10:11: ca_file: none.pem: no such file"}},
		{name: "ca_file without certificate", lines: ownLines + "ca_file = empty.pem", want: []string{"10:11: ca_file: empty.pem: no certificate in it"}},
		{name: "ca_path without certificate", lines: ownLines + "ca_path = dir", want: []string{"10:11: ca_path: dir: no certificate in it"}},
		{name: "ca_path missing", lines: ownLines + "ca_path = none", want: []string{"10:11: ca_path: none: no such file"}},
		{name: "require without CA", lines: ownLines + "require_client_cert = yes", want: []string{"10:23: require_client_cert: needs ca_file or ca_path"}},
		{name: "request without CA", lines: ownLines + "require_client_cert = request", want: []string{"10:23: require_client_cert: needs ca_file or ca_path"}},
		{name: "require what", lines: serverBase + "require_client_cert = maybe", want: []string{"11:23: require_client_cert: `maybe` is neither yes, no nor request"}},
		{name: "verify_depth above", lines: serverBase + "verify_depth = 17", want: []string{"11:16: verify_depth: 17 is above 16"}},
		{name: "verify_depth unasked", lines: ownLines + "verify_depth = 1", want: []string{"10:16: verify_depth: has no effect"}},
		{name: "check_crl without CRL", lines: serverBase + "check_crl = yes", want: []string{"11:13: check_crl: needs CRLs, and there is none in"}},
		{name: "check_crl unasked", lines: ownLines + "check_crl = yes\ncrl_file = good.crl", want: []string{"10:13: check_crl: has no effect"}},
		{name: "ca_path without CRL", lines: ownLines + "ca_path = cas\ncheck_crl = yes", want: []string{"11:13: check_crl: needs CRLs, and there is none in"}},
		{name: "crl_file without check", lines: serverBase + "crl_file = good.crl", want: []string{"11:12: crl_file: needs check_crl = yes"}},
		{name: "allow without check", lines: serverBase + "allow_expired_crl = yes\ncheck_all_crl = yes",
			want: []string{"11:21: allow_expired_crl: needs check_crl", "12:17: check_all_crl: needs check_crl"}},
		{name: "forged CRL", lines: serverBase + "check_crl = yes\ncrl_file = forged.crl", want: []string{"12:12: crl_file: forged.crl: not signed by its issuer \"CN=frio test CA,O=frio\""}},
		{name: "broken CRL", lines: serverBase + "check_crl = yes\ncrl_file = broken.crl", want: []string{"12:12: crl_file: broken.crl: CRL: x509:"}},
		{name: "no CRL in it", lines: serverBase + "check_crl = yes\ncrl_file = ca.pem", want: []string{"12:12: crl_file: ca.pem: no CRL in it"}},

		{name: "min version", lines: serverBase + "tls_min_version = 1.1", want: []string{"11:19: tls_min_version: TLS 1.1 is broken and is not offered (RFC 8996)"}},
		{name: "max version", lines: serverBase + "tls_max_version = 2", want: []string{"11:19: tls_max_version: `2` is not a version"}},
		{name: "max below min", lines: serverBase + "tls_min_version = 1.3\ntls_max_version = 1.2", want: []string{"12:19: tls_max_version: 1.2 is below tls_min_version"}},
		{name: "datagram min", lines: serverBase + "tls_min_version = 1.3", kind: frio.Datagram, want: []string{"11:19: tls_min_version: over datagrams there is DTLS 1.2 only"}},
		{name: "datagram suites", lines: serverBase + "cipher_list = ECDHE-RSA-AES128-SHA", kind: frio.Datagram, want: []string{"11:15: cipher_list: none of these is a suite of DTLS here; there are TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:"}},
		{name: "datagram curves", lines: serverBase + "curves = secp384r1", kind: frio.Datagram, want: []string{"11:10: curves: over datagrams there are X25519 and prime256v1 only"}},
		{name: "datagram lifetime", lines: serverBase + "cache {\nlifetime = 48\n}", kind: frio.Datagram, want: []string{"12:12: lifetime: 48 is not within 1m and 24h"}},
		{name: "suites without effect", lines: serverBase + "tls_min_version = 1.3\ncipher_list = ECDHE-ECDSA-AES128-GCM-SHA256", want: []string{"12:15: cipher_list: has no effect with tls_min_version 1.3"}},
		{name: "suites for another key", lines: "certificate_file = rsa.pem\nprivate_key_file = rsa.key\ntls_max_version = 1.2\ncipher_list = ECDHE-ECDSA-AES128-GCM-SHA256",
			want: []string{"8:20: certificate_file: no suite of cipher_list (TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256) is for its RSA key"}},
		{name: "curves twice", lines: serverBase + "curves = X25519\necdh_curve = X25519", want: []string{"12:14: ecdh_curve: the same as curves"}},
		{name: "alpn", lines: serverBase + "alpn = radius/1.1\nalpn = radius/1.1\nalpn = \"\"", want: []string{"12:8: alpn: `radius/1.1` is given already", "13:8: alpn: 0 bytes are not 1 to 255"}},

		{name: "hostname", lines: serverBase + "hostname = a.example.org", want: []string{"11:12: hostname: is for a home_server"}},
		{name: "names unasked", lines: ownLines + "check_cert_name = a.example.org\ncheck_cert_cn = b", want: []string{"10:19: check_cert_name: has no effect", "11:17: check_cert_cn: has no effect"}},
		{name: "name yes", lines: serverBase + "check_cert_name = yes", want: []string{"11:19: check_cert_name: yes is for a home_server"}},
		{name: "name wrong", lines: serverBase + "check_cert_name = a..b\ncheck_cert_name = 1.2.3\ncheck_cert_name = *.org\ncheck_cert_name = fe80::1%eth0",
			want: []string{"11:19: check_cert_name: `a..b` is neither", "12:19: check_cert_name: `1.2.3` is neither", "13:19: check_cert_name: `*.org` is neither", "14:19: check_cert_name: an address in a certificate has no zone"}},
		{name: "cn expansion", lines: serverBase + "check_cert_cn = '%{User-Name}'", want: []string{"11:17: check_cert_cn: an expansion has no value here"}},

		{name: "cache", lines: serverBase + "cache {\nlifetime = soon\nenable = maybe\n}", want: []string{"12:12: lifetime: `soon` is not a time", "13:10: enable: "}},
		{name: "interval", lines: serverBase + "ca_path_reload_interval = 10ms", want: []string{"11:27: ca_path_reload_interval: 10ms is below 1s"}},
		{name: "key log nowhere", lines: serverBase + "keylog_file = none/keys.log", want: []string{"11:15: keylog_file: none/keys.log: no such file"}},
		{name: "key log a directory", lines: serverBase + "keylog_file = dir", want: []string{"11:15: keylog_file: dir: is not a regular file"}},
		{name: "psk", lines: serverBase + "psk_identity = me\npsk_hexphrase = 00112233", want: []string{"11:16: psk_identity: pre-shared keys come later", "12:17: psk_hexphrase: pre-shared keys come later"}},
		{name: "legacy that would not happen", lines: serverBase + "disable_tlsv1_2 = yes\nallow_renegotiation = yes\ndisable_tlsv1 = no\ncheck_cert_issuer = /CN=x\nocsp {\nenable = yes\n}\nverify {\nclient = /bin/true\n}",
			want: []string{"11:19: disable_tlsv1_2: write tls_min_version", "12:23: allow_renegotiation: TLS is never", "13:17: disable_tlsv1: TLS 1.0 is never", "14:21: check_cert_issuer: write certificate { issuer = ... }", "15:1: ocsp: OCSP is not asked", "18:1: verify: no program"}},
		{name: "many at once", lines: "certificate_file = none.pem\nca_file = none2.pem\ntls_min_version = 9\ncipher_list = FOO", want: []string{
			"8:20: certificate_file: none.pem", "9:11: ca_file: none2.pem", "10:19: tls_min_version: `9`", "11:15: cipher_list: no suite `FOO`"}},
	}
	d.put("cas/ca.pem", pemOf("CERTIFICATE", theCA().cert.Raw))
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, _, err := d.parseServer(c.lines, c.kind)
			if s != nil {
				t.Error("settings with mistakes")
			}
			checkWrong(t, d, c, err)
			if err != nil && strings.Contains(err.Error(), "s3cr3t") {
				t.Error("the password is in the error")
			}
		})
	}
}

// TestLegacyKeys: a key of FreeRADIUS that is not honoured is noted where nothing is missing without it; else it is an error that
// says why, and so is a value that is none.
func TestLegacyKeys(t *testing.T) {
	d := newTestDir(t)
	const noted = ""
	bools := func(yes, no string) map[string]string {
		return map[string]string{"yes": yes, "no": no, "banana": "`banana` is neither yes nor no", "3": "`3` is neither yes nor no"}
	}
	numbers := func(some, none string) map[string]string {
		return map[string]string{"512": some, "0": none, "banana": "`banana` is not a whole number", "-1": "`-1` is not a whole number", "yes": "`yes` is not a whole number"}
	}
	texts := func(why string) map[string]string { return map[string]string{"x": why, "yes": why, "no": why} }
	for key, values := range map[string]map[string]string{
		"dh_file":                        {"/etc/dh": noted},
		"random_file":                    {"/dev/urandom": noted},
		"fragment_size":                  numbers(noted, noted),
		"include_length":                 bools(noted, noted),
		"auto_chain":                     bools(noted, noted),
		"rsa_key_length":                 numbers(noted, noted),
		"dh_key_length":                  numbers(noted, noted),
		"rsa_key_exchange":               bools(noted, noted),
		"dh_key_exchange":                bools(noted, noted),
		"pem_file_type":                  bools(noted, "DER is not read"),
		"cipher_server_preference":       bools(noted, noted),
		"fix_cert_order":                 bools(noted, noted),
		"padding":                        numbers(noted, noted),
		"disable_tlsv1":                  bools(noted, "TLS 1.0 is never offered"),
		"disable_tlsv1_1":                bools(noted, "TLS 1.1 is never offered"),
		"disable_tlsv1_2":                bools("write tls_min_version = 1.3", noted),
		"allow_renegotiation":            bools("TLS is never renegotiated", noted),
		"reject_unknown_intermediate_ca": bools("a chain may have any intermediate CA", noted),
		"virtual_server":                 texts("certificates are judged by the keys of tls { } only"),
		"make_cert_command":              texts(noted),
		"check_cert_issuer":              texts("write certificate { issuer = ... }"),
		"sigalgs_list":                   texts(noted),
		"disable_single_dh_use":          bools(noted, noted),
		"radiusv1_1":                     {"forbid": noted, "allow": noted, "require": "RADIUS/1.1 comes later"},
		"cipher_suites":                  texts("the suites of TLS 1.3 cannot be chosen"),
		"psk_identity":                   texts("pre-shared keys come later"),
		"psk_hexphrase":                  texts("pre-shared keys come later"),
		"psk_query":                      texts("pre-shared keys come later"),
	} {
		if !slices.ContainsFunc(legacyKeys, func(l legacyEntry) bool { return l.name == key }) {
			t.Errorf("%s is not in the table", key)
		}
		for value, want := range values {
			s, _, err := d.parseServer(serverBase+key+" = "+value, frio.Stream)
			got := d.lines(err)
			switch at := fmt.Sprintf("11:%d: ", len(key)+4); {
			case want != noted && (len(got) != 1 || !strings.HasPrefix(got[0], at+key+": "+want)):
				t.Errorf("%s = %s: %q, want an error: %s", key, value, got, want)
			case want == noted && err != nil:
				t.Errorf("%s = %s: %q, want a note", key, value, got)
			case want == noted && (len(s.notes()) != 1 || !strings.HasPrefix(s.notes()[0].Msg, "note: "+key+" has no effect here")):
				t.Errorf("%s = %s: notes %v", key, value, s.notes())
			}
		}
	}
	if len(legacyKeys) != 28 {
		t.Errorf("the table has %d keys, and the test 28", len(legacyKeys))
	}
}

func TestMistakesOfHomeServer(t *testing.T) {
	d := wrongDir(t)
	for _, c := range []struct {
		wrongCase
		host string
	}{
		{wrongCase{name: "several hosts", want: []string{"8:1: tls: hostname is missing: with several addresses"}}, "a.example.org\nipaddr = b.example.org"},
		{wrongCase{name: "hostname wrong", lines: "hostname = 'a b'", want: []string{"8:12: hostname: `a b` is neither"}}, "192.0.2.1"},
		{wrongCase{name: "hostname wild", lines: "hostname = *.example.org", want: []string{"8:12: hostname: DNS *.example.org is no host"}}, "192.0.2.1"},
		{wrongCase{name: "realm_dir", lines: "realm_dir = realms", want: []string{"8:13: realm_dir: is for a listen"}}, "192.0.2.1"},
		{wrongCase{name: "bool and names", lines: "check_cert_name = no\ncheck_cert_name = a.example.org", want: []string{"8:19: check_cert_name: no and names exclude"}}, "192.0.2.1"},
		{wrongCase{name: "certificate of nothing", lines: "certificate {\n}", want: []string{"8:1: certificate: it says nothing"}}, "192.0.2.1"},
		{wrongCase{name: "own files", lines: "certificate_file = client.pem\nprivate_key_file = server.key", want: []string{"8:20: certificate_file: client.pem: its public key"}}, "192.0.2.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _, err := d.parseClient(c.lines, c.host, frio.Stream)
			if s != nil {
				t.Error("settings with mistakes")
			}
			checkWrong(t, d, c.wrongCase, err)
		})
	}
	t.Run("no host at all", func(t *testing.T) {
		root, err := conf.ParseString("x", "home_server one {\nprotocol = tls+unix\nunix {\nfilename = x\n}\ntls {\n}\n}\n", conf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseSettings(root.Sections("")[0], frio.Client, frio.Stream)
		if got := d.lines(err); len(got) != 1 || !strings.HasPrefix(got[0], "x:6:1: tls: hostname is missing") {
			t.Error(got)
		}
	})
	t.Run("no section", func(t *testing.T) {
		root, err := conf.ParseString("x", "listen {\n}\n", conf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseSettings(root.Sections("")[0], frio.Server, frio.Stream)
		if got := d.lines(err); len(got) != 1 || got[0] != "x:1:1: listen: section tls { } is missing" {
			t.Error(got)
		}
	})
}
