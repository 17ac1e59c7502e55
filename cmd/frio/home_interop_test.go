package main

import (
	"os/exec"
	"strings"
	"testing"
)

// FreeRADIUS's radclient and the built-in home server understand each other; radclient checks the authenticators.
func TestInteropRadclient(t *testing.T) {
	path := program(t, "radclient")
	const signed = "Message-Authenticator = 0x00\n"
	for _, stack := range []string{"udp", "tcp"} {
		_, address := startHome(t, stack, "", nil)
		for _, c := range []struct {
			name, in, what string
			ok             bool
			want           string
		}{
			{"PAP", bob + signed, "auth", true, "Received Access-Accept"},
			{"PAP, wrong", "User-Name = bob\nUser-Password = hallo\n" + signed, "auth", false, "Received Access-Reject"},
			{"CHAP", "User-Name = bob\nCHAP-Password = hello\n" + signed, "auth", true, "Received Access-Accept"},
			{"MS-CHAP", "User-Name = bob\nMS-CHAP-Password = hello\n" + signed, "auth", true, "MS-CHAP-MPPE-Keys = 0x0000000000000000"},
			{"MS-CHAP, wrong", "User-Name = bob\nMS-CHAP-Password = hallo\n" + signed, "auth", false, "E=691"},
			{"accounting", "User-Name = bob\nAcct-Status-Type = Start\n", "acct", true, "Received Accounting-Response"},
			{"status", signed, "status", true, "Received Access-Accept"},
			{"CoA", "User-Name = bob\n", "coa", false, "Session-Context-Not-Found"},
			{"disconnect", "User-Name = bob\n", "disconnect", false, "Received Disconnect-NAK"},
		} {
			t.Run(stack+" "+c.name, func(t *testing.T) {
				cmd := exec.Command(path, "-x", "-P", stack, "-r", "3", "-t", "5", address, c.what, testSecret)
				cmd.Stdin = strings.NewReader(c.in)
				out, err := cmd.CombinedOutput()
				if (err == nil) != c.ok || !strings.Contains(string(out), c.want) {
					t.Errorf("%v:\n%s", err, out)
				}
			})
		}
	}
}
