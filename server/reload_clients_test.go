package server

import (
	"strings"
	"testing"
)

// guestsOn is a gateway whose listens take the clients of a list of their own, if there are any.
func guestsOn(home int, listens string) string {
	text := gatewayText(home)
	if listens == "" {
		return text
	}
	return text + "clients guests {\nclient any {\nipaddr = 127.0.0.1\nproto = *\nsecret = a\n}\n}\n" +
		"server guests {\nnamespace = radius\nclients = guests\n" + listens + "}\n"
}

// Requests of a listen that goes, together with its clients, are answered: those that are under way, and the one that had come and was not read.
func TestReloadAnswersWhoGoes(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			arrived, release := make(chan struct{}, 2), make(chan struct{})
			home := homeOf(t, "b", arrived, release)
			r := startFile(t, guestsOn(home, strings.ReplaceAll(tcpOn("g", 0, ""), "tcp", network)))
			conn := r.dial(network, bound(r.Server, 2))
			answered, loaded := make(chan error, 1), make(chan error, 1)
			go func() { answered <- ask(conn, 1) }()
			<-arrived
			begins := freePort(t)
			go func() {
				loaded <- r.load(guestsOn(home, "") + "server e {\nnamespace = echo\n" + tcpOn("e", begins, "") + "}\n")
			}()
			r.echoes(r.dialSoon(begins), "what is new does not wait")
			close(release)
			if err := <-answered; err != nil {
				t.Errorf("under way: %v", err)
			}
			r.must(<-loaded)
		})
	}
}

// A client that is taken from the configuration while it waits for an answer gets that answer, and then its connection ends.
func TestReloadAnswersWhoIsNoClient(t *testing.T) {
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	home := homeOf(t, "b", arrived, release)
	r := startFile(t, gatewayText(home))
	conn := r.dial("tcp", bound(r.Server, 0))
	answered := make(chan error, 1)
	go func() { answered <- ask(conn, 1) }()
	<-arrived
	r.must(r.load(strings.Replace(gatewayText(home), "\tipaddr = 127.0.0.1\n\tproto = *", "\tipaddr = 192.0.2.1\n\tproto = *", 1)))
	close(release)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("the connection goes on: %d, %v", n, err)
	}
}
