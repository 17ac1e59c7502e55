package tls

import (
	ctls "crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/frio-io/frio/tls/dtls"
)

// TestCloserAlert: only bad_certificate in the clear, as the last record, is made more exact.
func TestCloserAlert(t *testing.T) {
	alert := func(description byte) []byte { return []byte{typeAlert, 3, 3, 0, 2, 2, description} }
	flight := append([]byte{typeHandshake, 3, 3, 0, 3}, 1, 2, 3)
	sealed := append([]byte{23, 3, 3, 0, 19}, make([]byte, 19)...)
	copy(sealed[len(sealed)-7:], alert(alertBadCertificate))
	revoked := fmt.Errorf("handshake: %w", refuse(Revoked, nil, "today"))
	for _, c := range []struct {
		name string
		out  []byte
		err  error
		want byte // the last one
	}{
		{"revoked", alert(42), revoked, 44},
		{"behind a flight", append(append([]byte{}, flight...), alert(42)...), revoked, 44},
		{"a reason without an alert", alert(42), errors.New("key too large"), 42},
		{"another alert", alert(47), revoked, 47},
		{"a sealed record that ends like it", sealed, revoked, 42},
		{"no alert", append([]byte{}, flight...), revoked, 3},
	} {
		n := len(c.out)
		closerAlert(c.out, c.err)
		if len(c.out) != n || c.out[n-1] != c.want {
			t.Errorf("%s: % x, want %d as the last byte", c.name, c.out, c.want)
		}
	}
	closerAlert(nil, revoked)
	closerAlert([]byte{typeAlert, 3, 3}, revoked)
}

// TestPeerAlert: each alert has a sentence with its name and rule, and one that nobody knows is told by its number.
func TestPeerAlert(t *testing.T) {
	for alert, e := range alertTable {
		own := &dtls.AlertError{Alert: ctls.AlertError(alert), Received: true}
		err := inWords(own)
		text := err.Error()
		if !strings.HasPrefix(text, "the peer "+e.says+": "+e.name+" (RFC ") || !errors.Is(err, own) {
			t.Errorf("%d: %q", alert, text)
		}
	}
	err := inWords(&dtls.AlertError{Alert: 201, Received: true})
	if err.Error() != "the peer sent the alert 201" {
		t.Errorf("an unknown one: %v", err)
	}
	sent := &dtls.AlertError{Alert: 44, Err: errors.New("ours")}
	if inWords(sent) != error(sent) {
		t.Errorf("our own: %v", inWords(sent))
	}
}
