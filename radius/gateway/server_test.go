package gateway_test

import (
	"strings"
	"testing"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/gateway"
)

func TestServerConfig(t *testing.T) {
	for _, c := range []struct {
		keys  string
		want  gateway.ServerConfig
		wrong string
	}{
		{"", gateway.ServerConfig{TTL: radius.TTL{ID: radius.ID{Vendor: 27262, Type: 1}}}, ""},
		{"loop_prevention = yes\nverify_eap = yes\nadd_ttl = 20\nttl_attribute = 9:1", gateway.ServerConfig{
			LoopPrevention: true, VerifyEAP: true, TTL: radius.TTL{ID: radius.ID{Vendor: 9, Type: 1}, Start: 20}}, ""},
		{"add_ttl = 256\nttl_attribute = 9.*", gateway.ServerConfig{TTL: radius.TTL{ID: radius.ID{Vendor: 27262, Type: 1}}},
			"s.conf:2:11: add_ttl: 256 is above 255\ns.conf:3:17: ttl_attribute: it has to be one attribute\n"},
	} {
		root, err := conf.ParseString("s.conf", "server a {\n"+c.keys+"\n}\n", conf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, errs := gateway.ParseServerConfig(root.TakeSections("server")[0])
		if *got != c.want || lines(errs) != c.wrong {
			t.Errorf("%q: %+v\n%s", c.keys, got, lines(errs))
		}
		if errs := root.Unknown(); len(errs) > 0 {
			t.Errorf("%q: %v", c.keys, errs)
		}
	}
}

func TestProtoOf(t *testing.T) {
	for _, c := range []struct {
		stack    string
		datagram bool
		want     gateway.Proto
	}{
		{"udp", true, gateway.ProtoUDP}, {"tcp", false, gateway.ProtoTCP}, {"unix", false, gateway.ProtoTCP}, {"haproxy+tcp", false, gateway.ProtoTCP},
		{"tls+tcp", false, gateway.ProtoTLS}, {"tls+haproxy+tcp", false, gateway.ProtoTLS}, {"tls+udp", true, gateway.ProtoDTLS},
	} {
		if got := gateway.ProtoOf(c.stack, c.datagram); got != c.want {
			t.Errorf("%s: %v", c.stack, got)
		}
	}
}

// Without client certificates everybody knows the secrets of RADIUS over TLS.
func TestCheckListen(t *testing.T) {
	const (
		own    = "client own {\n\tipaddr = 192.0.2.1\n\tsecret = s\n}\n"
		radsec = "client radsec {\n\tipaddr = 192.0.2.2\n\tproto = tls\n}\n"
		open   = "client open {\n\tipaddr = 192.0.2.3\n\tsecret = radsec\n}\n"
	)
	for _, c := range []struct {
		name, clients, tls string
		proto              gateway.Proto
		want, notes        string
	}{
		{"no client", "", "ca_file = x", gateway.ProtoTLS, "l.conf:1:1: listen a: nobody could send to it: there is no client\n", ""},
		{"udp", own, "", gateway.ProtoUDP, "", ""},
		{"default", own + radsec + open, "ca_file = x", gateway.ProtoTLS, "",
			"l.conf:1:1: warning: listen a: every certificate of the CA is as good as another for the 2 clients without certificate { } that may come here, " +
				"as client own at gw.conf:1:1 (certificate { }, or proto = udp, keeps them apart)\n"},
		{"no CA", own, "", gateway.ProtoTLS,
			"l.conf:2:1: tls: ca_file is missing: clients have to show a certificate, and it is checked by that CA (or require_client_cert = no)\n", ""},
		{"yes", radsec, "ca_file = x\nrequire_client_cert = yes", gateway.ProtoTLS, "", ""},
		{"no, own secrets", own, "require_client_cert = no", gateway.ProtoDTLS, "", ""},
		{"no, known secrets", own + radsec + open, "require_client_cert = no", gateway.ProtoTLS,
			"l.conf:3:23: require_client_cert: no is not possible: client radsec at gw.conf:5:1 has no secret of its own, so everybody could be it\n" +
				"l.conf:3:23: require_client_cert: no is not possible: client open at gw.conf:9:1 has no secret of its own, so everybody could be it\n", ""},
		{"request, client of another proto", own + radsec, "require_client_cert = request", gateway.ProtoDTLS, "", ""},
		{"request", open, "ca_file = x\nrequire_client_cert = request", gateway.ProtoDTLS,
			"l.conf:4:23: require_client_cert: request is not possible: client open at gw.conf:1:1 has no secret of its own, so everybody could be it\n", ""},
	} {
		list := good(t, c.clients).Clients[""]
		root, err := conf.ParseString("l.conf", "listen a {\ntls {\n"+c.tls+"\n}\n}\n", conf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ls := root.Sections("listen")[0]
		if got := lines(gateway.CheckListen(ls, list, c.proto)); got != c.want {
			t.Errorf("%s:\n%s\nnot\n%s", c.name, got, c.want)
		}
		notes := lines(gateway.ListenNotes(ls, list, c.proto))
		if c.name == "default" && notes != c.notes {
			t.Errorf("%s: notes\n%s", c.name, notes)
		}
		if c.proto == gateway.ProtoUDP && notes != "" || strings.Contains(notes, "client radsec") {
			t.Errorf("%s: notes\n%s", c.name, notes)
		}
	}
}
