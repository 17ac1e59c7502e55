package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
)

func homeOn(port int, secret, password string) string {
	return fmt.Sprintf("thread {\nnetwork = 1\n}\nserver h {\nnamespace = home\nsecret = %s\nuser bob {\npassword = %s\n}\n"+
		"listen u {\nprotocol = udp\nudp {\nipaddr = 127.0.0.1\nport = %d\n}\n}\n}\n", secret, password, port)
}

// The secret and the users of a home server are those of the file that was read last.
func TestReloadHome(t *testing.T) {
	port := freePort(t)
	r := startFile(t, homeOn(port, "testing123", "one"))
	asks := func(secret, password string) radius.Code {
		t.Helper()
		c := r.dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
		keys := radius.NewKeys([]byte(secret))
		b := radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{1, 2, 3})
		b.AddString(radius.UserName, "bob")
		b.HidePassword(keys, []byte(password))
		p, err := b.Seal(keys)
		r.must(err)
		_, err = c.Write(p)
		r.must(err)
		r.must(c.SetDeadline(time.Now().Add(5 * time.Second)))
		var buf [4096]byte
		n, err := c.Read(buf[:])
		r.must(err)
		return radius.Packet(buf[:n]).Code()
	}
	if code := asks("testing123", "one"); code != radius.AccessAccept {
		t.Fatalf("before: %v", code)
	}
	r.must(r.load(homeOn(port, "testing123", "two")))
	if code := asks("testing123", "two"); code != radius.AccessAccept {
		t.Errorf("another password: %v", code)
	}
	r.must(r.load(homeOn(port, "another", "two")))
	if code := asks("another", "two"); code != radius.AccessAccept {
		t.Errorf("another secret: %v", code)
	}
}
