package conf

import (
	"strings"
	"testing"
)

// A reader that expects keys in a section of their own gets them from where a file has them; what it takes is taken there, and what
// is wrong is reported there.
func TestCompose(t *testing.T) {
	root, err := ParseString("x.conf", "server one {\n\tipaddr = 192.0.2.1\n\tport = 70000\n\tcolour = red\n\ttls {\n\t\tca = x\n\t}\n}\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	cs := root.TakeSections("server")[0]
	udp := cs.Compose("udp", "", cs.Pairs("ipaddr")[0], cs.Pairs("port")[0])
	all := cs.Compose("home", "one", NewPair("protocol", "tls+udp", cs.Pos), udp, cs.Sections("tls")[0])
	var cfg struct {
		Protocol string `conf:"protocol"`
		UDP      struct {
			IPAddr string `conf:"ipaddr"`
			Port   uint16 `conf:"port"`
			Device string `conf:"device,required"`
		} `conf:"udp"`
		TLS struct {
			CA string `conf:"ca"`
		} `conf:"tls"`
	}
	got := all.Decode(&cfg)
	want := "x.conf:1:1: udp: device is missing\nx.conf:3:9: port: 70000 is above 65535"
	if got == nil || got.Error() != want {
		t.Errorf("mistakes:\n%v\nnot\n%v", got, want)
	}
	if cfg.Protocol != "tls+udp" || cfg.UDP.IPAddr != "192.0.2.1" || cfg.TLS.CA != "x" {
		t.Errorf("decoded %+v", cfg)
	}
	if got, want := root.Unknown().Error(), "x.conf:4:2: unknown key `colour`"; got != want {
		t.Errorf("unknown: %v, not %v", got, want)
	}
	if n := len(cs.Sections("udp")) + len(cs.Pairs("protocol")); n != 0 {
		t.Errorf("the section holds %d of what was composed from it", n)
	}
	var text strings.Builder
	if err := all.Format(&text); err != nil || !strings.HasPrefix(text.String(), "home one {\n\tprotocol = tls+udp\n\tudp {\n") {
		t.Errorf("%v, formatted as\n%s", err, text.String())
	}
	bad := cs.Compose("home", "", NewPair("port", "many", Pos{"x.conf", 9, 9}))
	var port struct {
		Port uint16 `conf:"port"`
	}
	if err := bad.Decode(&port); err == nil || !strings.HasPrefix(err.Error(), "x.conf:9:9: port: ") {
		t.Errorf("a mistake in a made pair: %v", err)
	}
}

func TestTakeFlag(t *testing.T) {
	root, err := ParseString("x.conf", "realm a {\n\tnostrip\n}\nrealm b {\n\tnostrip = yes\n\tother\n}\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, cs := range root.TakeSections("realm") {
		if got, want := len(cs.TakeFlag("nostrip")), 1-i; got != want {
			t.Errorf("realm %s: %d flags, not %d", cs.Name2, got, want)
		}
	}
	want := "x.conf:5:2: `nostrip` has no effect here\nx.conf:6:2: policy statement `other` is not possible here"
	if got := root.Unknown().Error(); got != want {
		t.Errorf("unknown:\n%v\nnot\n%v", got, want)
	}
}

func TestTakeAll(t *testing.T) {
	root, err := ParseString("x.conf", "a {\n\tb = 1\n\tif (x) {\n\t}\n\tc {\n\t\td\n\t}\n}\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	root.Sections("a")[0].TakeAll()
	if errs := root.Unknown(); len(errs) > 0 {
		t.Errorf("unknown: %v", errs)
	}
}
