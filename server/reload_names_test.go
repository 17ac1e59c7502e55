package server

import (
	"strings"
	"testing"
)

// A list of clients that gets another name, in the server that names it too, costs no client its connection.
func TestReloadRenamesClients(t *testing.T) {
	release := make(chan struct{})
	close(release)
	home := homeOf(t, "b", nil, release)
	text := guestsOn(home, tcpOn("g", 0, ""))
	r := startFile(t, text)
	conn := r.dial("tcp", bound(r.Server, 2))
	if err := ask(conn, 1); err != nil {
		t.Fatal(err)
	}
	r.must(r.load(strings.NewReplacer("clients guests {", "clients visitors {", "clients = guests", "clients = visitors").Replace(text)))
	if err := ask(conn, 2); err != nil {
		t.Error(err)
	}
}
