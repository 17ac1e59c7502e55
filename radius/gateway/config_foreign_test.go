package gateway_test

import (
	"strings"
	"testing"
)

// What FreeRADIUS takes and means otherwise is taken with a note, or refused with the reason.
func TestForeignMeanings(t *testing.T) {
	home := func(name, kind string) string {
		return "home_server " + name + " {\ntype = " + kind + "\nipaddr = 192.0.2.1\nsecret = s\n}\n"
	}
	for _, c := range []struct{ name, text, mistakes, notes string }{
		{"pool of auth", home("a", "auth") + "home_server_pool p {\nhome_server = a\n}\nrealm x {\npool = p\n}\n", "",
			"gw.conf:10:1: note: pool has no effect here on Accounting-Requests: the home_servers of p take auth only (acct_pool is for those)\n"},
		{"pool of acct", home("a", "acct") + "home_server_pool p {\nhome_server = a\n}\nrealm x {\npool = p\n}\n", "",
			"gw.conf:10:1: note: pool has no effect here on Access-Requests: the home_servers of p take acct only (auth_pool is for those)\n"},
		{"pool of one each", home("a", "auth") + home("b", "acct") + "home_server_pool p {\nhome_server = a\nhome_server = b\n}\nrealm x {\npool = p\n}\n",
			"gw.conf:16:8: pool: home_server a in pool p takes auth, not acct (gw.conf:1:1)\ngw.conf:16:8: pool: home_server b in pool p takes acct, not auth (gw.conf:6:1)\n", ""},
		{"response_window of 0", "client a {\nipaddr = 192.0.2.1\nsecret = s\nresponse_window = 0\n}\n", "", ""},
		{"response_window below 1ms", "client a {\nipaddr = 192.0.2.1\nsecret = s\nresponse_window = 0.0001\n}\n", "gw.conf:4:19: response_window: 0.0001 is below 1ms\n", ""},
		{"round-robin", home("a", "auth") + "home_server_pool p {\ntype = round-robin\nhome_server = a\n}\n", "", ""},
		{"two of one name", home("a", "auth") + home("a", "acct"), "gw.conf:6:1: home_server a: defined already at gw.conf:1:1\n", ""},
		{"RADIUS/1.1", "client a {\nipaddr = 192.0.2.1\nsecret = s\nradiusv1_1 = require\n}\n", "gw.conf:4:1: radiusv1_1: RADIUS/1.1 comes later, so it cannot be required\n", ""},
		{"tls in a client", "client a {\nipaddr = 192.0.2.1\nsecret = s\ntls {\npsk_identity = x\nca_file = x\n}\n}\n", "gw.conf:6:1: unknown key `ca_file`\n",
			"gw.conf:5:1: note: psk_identity has no effect here: pre-shared keys come later; there are only certificates\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, mistakes, notes := parse(t, c.text)
			if mistakes != c.mistakes || notes != c.notes {
				t.Errorf("got\n%s\n%s\nwant\n%s\n%s", mistakes, notes, c.mistakes, c.notes)
			}
		})
	}
	// The realm has the one pool then.
	cfg, _, _ := parse(t, home("a", "auth")+"home_server_pool p {\nhome_server = a\n}\nrealm x {\npool = p\naccounting_response = yes\n}\n")
	if x := cfg.Realms.Exact["x"]; x == nil || x.Auth == nil || x.Acct != nil || x.Reject || !x.AccountingResponse || !strings.EqualFold(x.Auth.Name, "p") {
		t.Errorf("%+v", x)
	}
}

// The names of realms as they stand in FreeRADIUS's files, and in radsecproxy's.
func TestForeignRealmNames(t *testing.T) {
	cfg, mistakes, notes := parse(t, `
realm "~(.*\.)*example\.net$" {
}
realm '/@.*\.example\.org$/' {
}
realm *.example.com {
}`)
	if want := `gw.conf:5:1: warning: realm *.example.com: the * is one of the name; for all names that end so write realm '~\.example\.org$' { ... }` + "\n"; mistakes != "" || notes != want {
		t.Errorf("%s\n%s", mistakes, notes)
	}
	for name, want := range map[string]string{
		"bob@example.net": `~(.*\.)*example\.net$`, "bob@a.example.net": `~(.*\.)*example\.net$`, "bob@exampleXnet": "",
		"bob@a.example.org": `/@.*\.example\.org$/`, "bob@aXexample.org": "",
	} {
		got := ""
		if m, _ := cfg.Realms.Find([]byte(name)); m != nil {
			got = m.Name
		}
		if got != want {
			t.Errorf("%s is of %q, not %q", name, got, want)
		}
	}
	// As in FreeRADIUS, whose names of realms are the same in upper and lower case.
	cfg, mistakes, notes = parse(t, "realm Default {\n}\nrealm null {\n}\nproxy server {\ndefault_fallback = yes\n}\n")
	if d, n := cfg.Realms.Default, cfg.Realms.Null; mistakes != "" || notes != "" || d == nil || d.Name != "Default" || n == nil || n.Name != "null" {
		t.Errorf("%v, %v, %s%s", d, n, mistakes, notes)
	}
	_, mistakes, _ = parse(t, "realm DEFAULT {\n}\nrealm default {\n}\n")
	if want := "gw.conf:3:1: realm default: defined already at gw.conf:1:1\n"; mistakes != want {
		t.Error(mistakes)
	}
	_, mistakes, _ = parse(t, `
realm /@example.org$ {
}
realm // {
}
realm "~" {
}
realm / {
}`)
	if want := `gw.conf:1:1: realm /@example.org$: a regular expression ends with / as well
gw.conf:3:1: realm //: the expression is empty: write realm DEFAULT { ... }
gw.conf:5:1: realm ~: the expression is empty: write realm DEFAULT { ... }
gw.conf:7:1: realm /: a regular expression ends with / as well
`; mistakes != want {
		t.Errorf("got\n%s\nwant\n%s", mistakes, want)
	}
}
