package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// radiusDoor is where clients ask: ports of loopback for authentication and accounting. Only radclient speaks tcp.
type radiusDoor struct {
	proto      string // "udp" or "tcp"
	auth, acct int
}

// radiusReply is what radclient got: "Access-Accept", and its attributes, `Name = value` each, in their order.
type radiusReply struct {
	code       string
	attributes []string
}

// debianRadclient sends one request. kind is "auth", "acct" or "status". raddb is a directory with a dictionary. Thread: any.
func debianRadclient(raddb string, d radiusDoor, kind, attributes string) (r radiusReply, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	port := d.auth
	if kind == "acct" {
		port = d.acct
	}
	cmd := exec.CommandContext(ctx, "radclient", "-d", raddb, "-x", "-t", "2", "-r", "3", "-P", d.proto, fmt.Sprintf("127.0.0.1:%d", port), kind, radiusSecret)
	cmd.Stdin = strings.NewReader(attributes + "\n")
	out, err := cmd.CombinedOutput()
	_, received, ok := strings.Cut(string(out), "\nReceived ")
	if !ok {
		return r, fmt.Errorf("radclient: %v: %s", err, out) // a reject makes it exit with 1, which is no error here
	}
	first := true
	for line := range strings.Lines(received) {
		if first {
			r.code, _, _ = strings.Cut(line, " ")
			first = false
		} else if a, ok := strings.CutPrefix(line, "\t"); ok {
			r.attributes = append(r.attributes, strings.TrimSpace(a))
		}
	}
	return r, nil
}

// without is r without the attributes of a name.
func (r radiusReply) without(name string) radiusReply {
	is := func(a string) bool { return strings.HasPrefix(a, name+" = ") }
	return radiusReply{r.code, slices.DeleteFunc(slices.Clone(r.attributes), is)}
}

// withoutChance is r without the challenge in an MS-CHAP-Error, which is never the same.
func (r radiusReply) withoutChance() radiusReply {
	same := radiusReply{code: r.code}
	for _, a := range r.attributes {
		if strings.HasPrefix(a, "MS-CHAP-Error = ") {
			a, _, _ = strings.Cut(a, " C=")
		}
		same.attributes = append(same.attributes, a)
	}
	return same
}

// radiusExchanges are the requests of radclient, without User-Name, and what the home server says to them.
var radiusExchanges = []struct{ name, attributes, code string }{
	{"PAP", "User-Password = %q\nMessage-Authenticator = 0x00", "Access-Accept"},
	{"PAP rejected", "User-Password = \"not %s\"\nMessage-Authenticator = 0x00", "Access-Reject"},
	{"CHAP", "CHAP-Password = %q", "Access-Accept"},
	{"CHAP with CHAP-Challenge", "CHAP-Challenge = 0x000102030405060708090a0b0c0d0e0f1011\nCHAP-Password = %q", "Access-Accept"},
	{"CHAP rejected", "CHAP-Password = \"not %s\"", "Access-Reject"},
	{"MS-CHAP", "MS-CHAP-Password = %q", "Access-Accept"},
	{"MS-CHAP rejected", "MS-CHAP-Password = \"not %s\"", "Access-Reject"},
}

// eapMethods are the network blocks of eapol_test, without identity. Both ends cut what they send into fragments.
var eapMethods = []struct {
	name, block string
	fails       bool
}{
	{"PEAP", "eap=PEAP\nphase2=\"auth=MSCHAPV2\"\npassword=%q\nanonymous_identity=\"anonymous@REALM\"", false},
	{"TTLS", "eap=TTLS\nphase2=\"auth=PAP\"\npassword=%q\nanonymous_identity=\"anonymous@REALM\"", false},
	{"EAP-TLS", "eap=TLS\nclient_cert=\"CERTS/user.pem\"\nprivate_key=\"CERTS/user.key\"", false},
	{"PEAP rejected", "eap=PEAP\nphase2=\"auth=MSCHAPV2\"\npassword=\"not %s\"\nanonymous_identity=\"anonymous@REALM\"", true},
	{"TTLS rejected", "eap=TTLS\nphase2=\"auth=PAP\"\npassword=\"not %s\"\nanonymous_identity=\"anonymous@REALM\"", true},
}

// eapolTest runs a whole EAP conversation over udp, from a station of its own, and compares the keys that both ends have at
// its end. Below a fragment_size of 150 the inner message of PEAP, too, may come in two, which FreeRADIUS 3.2.1 does not put
// together. Thread: any.
func eapolTest(dir, certs string, w radiusWay, method, station int) error {
	m := eapMethods[method]
	block := m.block
	if strings.Contains(block, "%") {
		block = fmt.Sprintf(block, userPassword)
	}
	block = strings.NewReplacer("CERTS", certs, "REALM", w.realm).Replace(block)
	file := filepath.Join(dir, fmt.Sprintf("%s.%d.conf", w.realm, station))
	text := fmt.Sprintf("network={\nkey_mgmt=WPA-EAP\nidentity=\"bob@%s\"\nca_cert=\"%s/ca.pem\"\nfragment_size=150\n%s\n}\n",
		w.realm, certs, block)
	if err := os.WriteFile(file, []byte(text), 0600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "eapol_test", "-c", file, "-a", "127.0.0.1", "-p", fmt.Sprint(w.door.auth), "-s", radiusSecret, "-t", "10",
		"-M", fmt.Sprintf("02:00:00:00:00:%02x", station)).CombinedOutput()
	said := string(out)
	switch {
	case m.fails && (err == nil || !strings.Contains(said, "EAP: Received EAP-Failure")):
		return fmt.Errorf("%s as station %d was not refused: %v: %s", m.name, station, err, tail(said))
	case m.fails:
		return nil
	case err != nil || !strings.Contains(said, "MPPE keys OK: 1  mismatch: 0\nSUCCESS\n"):
		return fmt.Errorf("%s as station %d: %v: %s", m.name, station, err, tail(said))
	case !strings.Contains(said, "bytes more input data"):
		return fmt.Errorf("%s: no fragment of the server", m.name)
	case !strings.Contains(said, "more fragments will follow"):
		return fmt.Errorf("%s: no fragment of the client", m.name)
	}
	return nil
}

// tail is the end of a long report.
func tail(s string) string { return s[max(0, len(s)-3<<10):] }
