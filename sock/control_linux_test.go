package sock_test

import (
	"net/netip"
	"testing"

	"github.com/frio-io/frio/sock"
)

// controls is what a train from local carries.
func controls(local string) []byte {
	b := make([]byte, 256)
	return b[:sock.PutControls(b, netip.MustParseAddr(local), 7, 1200)]
}

func TestControl(t *testing.T) {
	for _, local := range []string{"192.0.2.1", "2001:db8::1"} {
		if got, ifindex, _, _, _ := sock.Controls(controls(local)); got != local || ifindex != 7 {
			t.Errorf("%s became %s at %d", local, got, ifindex)
		}
	}
	if got, ifindex, at, ecn, segment := sock.Controls(nil); got != "" || ifindex != 0 || at != 0 || ecn != 0 || segment != 0 {
		t.Errorf("from nothing: %v, %v, %v, %v, %v", got, ifindex, at, ecn, segment)
	}
}

// TestControlTruncated: a message that is cut tells nothing, and nothing false.
func TestControlTruncated(t *testing.T) {
	for _, local := range []string{"192.0.2.1", "2001:db8::1"} {
		whole := controls(local)
		known := false
		for n := range whole {
			got, ifindex, _, _, _ := sock.Controls(whole[:n:n])
			if got != "" && (got != local || ifindex != 7) || known && got == "" {
				t.Errorf("%d bytes: %q at %d", n, got, ifindex)
			}
			known = got != ""
		}
		if !known {
			t.Error("never known")
		}
	}
}
