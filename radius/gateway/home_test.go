package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/radius/gateway"
)

// A home_server in FreeRADIUS's form, and what it comes to: the stack, where it goes, and where accounting goes.
func TestHomeStack(t *testing.T) {
	const tls = "tls {\n\t\thostname = radius.example.org\n\t}"
	for _, c := range []struct {
		name, keys, want string
	}{
		{"udp", "ipaddr = 192.0.2.1", "udp -> 192.0.2.1:1812, udp -> 192.0.2.1:1813"},
		{"udp by name", "ipaddr = radius.example.org", "udp -> radius.example.org:1812, udp -> radius.example.org:1813"},
		{"auth", "type = auth, ipv4addr = 192.0.2.1", "udp -> 192.0.2.1:1812"},
		{"acct", "type = acct, ipaddr = 192.0.2.1", "udp -> 192.0.2.1:1813"},
		{"coa", "type = coa, ipv6addr = 2001:db8::1", "udp -> [2001:db8::1]:3799"},
		{"port 0", "ipaddr = 192.0.2.1, port = 0", "udp -> 192.0.2.1:1812, udp -> 192.0.2.1:1813"},
		{"port", "ipaddr = 192.0.2.1, port = 1645", "udp -> 192.0.2.1:1645, udp -> 192.0.2.1:1646"},
		{"acct_port", "ipaddr = 192.0.2.1, acct_port = 9", "udp -> 192.0.2.1:1812, udp -> 192.0.2.1:9"},
		{"tcp", "ipaddr = 192.0.2.1, proto = tcp", "tcp -> 192.0.2.1:1812, tcp -> 192.0.2.1:1813"},
		{"radsec", "ipaddr = 192.0.2.1, proto = tcp, " + tls, "tls+tcp -> 192.0.2.1:2083"},
		{"tls", "ipaddr = 192.0.2.1, proto = tls, " + tls, "tls+tcp -> 192.0.2.1:2083"},
		{"dtls", "ipaddr = 192.0.2.1, proto = dtls, port = 2084, " + tls, "tls+udp -> 192.0.2.1:2084"},
		{"our form", "protocol = udp, udp {\n\t\tipaddr = 192.0.2.1\n\t\tport = 1645\n\t}", "udp -> 192.0.2.1:1645, udp -> 192.0.2.1:1646"},
		{"our form, transport", "transport = tcp, tcp {\n\t\tipaddr = 192.0.2.1\n\t\tport = 1645\n\t}, acct_port = radius-acct", "tcp -> 192.0.2.1:1645, tcp -> 192.0.2.1:1813"},
		{"our form, tls", "protocol = tls+udp, udp {\n\t\tipaddr = 192.0.2.1\n\t\tport = 2083\n\t}, " + tls, "tls+udp -> 192.0.2.1:2083"},
		{"our form, unix", "protocol = unix, unix {\n\t\tfilename = /run/radius.sock\n\t}", "unix -> /run/radius.sock"},
	} {
		h := good(t, "home_server a {\n\tsecret = s\n\t"+strings.ReplaceAll(c.keys, ", ", "\n\t")+"\n}\n").Homes[0]
		got := h.IO.Describe()
		if h.AcctIO != nil {
			got += ", " + h.AcctIO.Describe()
		}
		if got != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
		stack := strings.Fields(c.want)[0]
		if secure := strings.HasPrefix(stack, "tls"); h.Stack != stack || h.Secure != secure || h.Datagram != strings.HasSuffix(stack, "udp") {
			t.Errorf("%s: stack %s, secure %t, datagram %t", c.name, h.Stack, h.Secure, h.Datagram)
		}
	}
}

func TestHomeSecrets(t *testing.T) {
	const tls = "\n\ttls {\n\t\thostname = radius.example.org\n\t}"
	for _, c := range []struct{ keys, want string }{
		{"ipaddr = 192.0.2.1\n\tproto = tls" + tls, "radsec"},
		{"ipaddr = 192.0.2.1\n\tproto = dtls" + tls, "radius/dtls"},
		{"ipaddr = 192.0.2.1\n\tproto = tls\n\tsecret = own" + tls, "own"},
		{"ipaddr = 192.0.2.1\n\tsecret = own", "own"},
	} {
		if got := good(t, "home_server a {\n\t"+c.keys+"\n}\n").Homes[0].Secret.Reveal(); got != c.want {
			t.Errorf("%s: %s, not %s", c.keys, got, c.want)
		}
	}
}

func TestHomeDefaults(t *testing.T) {
	h := good(t, "home_server a {\n\tipaddr = 192.0.2.1\n\tproto = tcp\n\tsecret = s\n}\n").Homes[0]
	got := fmt.Sprint(h.Type, h.RequireMessageAuthenticator, h.ResponseWindow, h.ZombiePeriod, h.ReviveInterval, h.StatusCheck, h.CheckInterval,
		h.CheckTimeout, h.NumAnswersToAlive, h.MaxOutstanding, h.LoopPrevention)
	if want := "auth+acct auto 3s 10s 0s auto 10s 2s 3 65536 auto"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	limit := gateway.ConnLimit{MaxConnections: 16, Connecting: 2, OpenDelay: 200 * time.Millisecond, CloseDelay: 10 * time.Second}
	if h.Limit != limit {
		t.Errorf("limit %+v", h.Limit)
	}
	if want := (gateway.Retransmit{Initial: 2 * time.Second, Max: 16 * time.Second, Count: 5, Duration: 30 * time.Second}); h.Retransmit != want {
		t.Errorf("retransmit %+v", h.Retransmit)
	}
}

func TestStatusChecks(t *testing.T) {
	for word, want := range map[string]gateway.StatusCheck{
		"auto": gateway.CheckAuto, "none": gateway.CheckNone, "Status-Server": gateway.CheckStatus, "request": gateway.CheckRequest,
	} {
		for _, key := range []string{"status_check", "ping_check"} {
			h := good(t, "home_server a {\n\ttype = acct\n\tipaddr = 192.0.2.1\n\tsecret = s\n\tusername = x\n\t"+key+" = "+word+"\n}\n").Homes[0]
			if h.StatusCheck != want {
				t.Errorf("%s = %s: %v", key, word, h.StatusCheck)
			}
		}
	}
}

// A reload keeps the connections of a home server whose section says the same as before.
func TestHomeText(t *testing.T) {
	const one = "home_server a {\n\tipaddr = 192.0.2.1\n\tsecret = marked-secret\n}\n"
	same := good(t, one).Homes[0].Text
	if got := good(t, "\n\n# moved\n"+one).Homes[0].Text; got != same {
		t.Error("a section that moved is another")
	}
	if got := good(t, strings.Replace(one, "192.0.2.1", "192.0.2.2", 1)).Homes[0].Text; got == same {
		t.Error("a section with another address is the same")
	}
	if got := good(t, strings.Replace(one, "marked-secret", "other", 1)).Homes[0].Text; got == same {
		t.Error("a section with another secret is the same")
	}
	with := func(rule string) string {
		return good(t, strings.Replace(one, "\tsecret", "\trewrite_out = r\n\tsecret", 1)+"rewrite r {\n\tremove = "+rule+"\n}\n").Homes[0].Text
	}
	class := with("Class")
	if again := with("Class"); again != class {
		t.Error("a section with the same rewrite is another")
	}
	if with("State") == class {
		t.Error("a section with a rewrite that says something else is the same")
	}
	if strings.Contains(same, "marked-secret") {
		t.Error("it shows the secret")
	}
}
