package tls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
	"time"
)

// resumer is a client that keeps sessions.
func resumer(max uint16) *tls.Config {
	good := clientCert()
	c := plainClient(&good, max)
	c.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	return c
}

func resumes(t *testing.T, s *settings, client *tls.Config) bool {
	t.Helper()
	r := handshake(t, s.stream(), client)
	if r.server != nil || r.client != nil {
		t.Fatalf("%v, %v", r.server, r.client)
	}
	if r.serverState.DidResume != r.clientState.DidResume {
		t.Error("one side resumed")
	}
	return r.serverState.DidResume
}

func eachVersion(t *testing.T, f func(t *testing.T, max uint16)) {
	for _, max := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(max), func(t *testing.T) { f(t, max) })
	}
}

func TestResumption(t *testing.T) {
	d := newTestDir(t)
	eachVersion(t, func(t *testing.T, max uint16) {
		s, other := d.server(serverBase), d.server(serverBase)
		c := resumer(max)
		if first, second := resumes(t, s, c), resumes(t, s, c); first || !second {
			t.Error("the second handshake does not resume, or the first does")
		}
		if resumes(t, other, c) {
			t.Error("a ticket is good at another listener")
		}
		off := d.server(serverBase + "cache {\nenable = no\n}")
		c = resumer(max)
		for range 2 {
			if resumes(t, off, c) {
				t.Error("resumed without tickets")
			}
		}
	})
}

// TestResumptionIsJudgedAgain: names, CRL and depth count in a resumed session too, and the ticket does not save a
// client that was revoked in between.
func TestResumptionIsJudgedAgain(t *testing.T) {
	eachVersion(t, func(t *testing.T, max uint16) {
		d := newTestDir(t)
		d.put("list.crl", pemOf("X509 CRL", theCA().crl()))
		s := d.server(serverBase + "check_crl = yes\ncrl_file = list.crl")
		c := resumer(max)
		if first, second := resumes(t, s, c), resumes(t, s, c); first || !second {
			t.Fatal("no resumption to test")
		}
		good := clientCert()
		d.put("list.crl", pemOf("X509 CRL", theCA().crl(good)))
		if err := s.reload(); err != nil {
			t.Fatal(err)
		}
		offered := false
		server := s.stream().Clone()
		judge := server.VerifyConnection
		server.VerifyConnection = func(cs tls.ConnectionState) error {
			offered = cs.DidResume
			return judge(cs)
		}
		r := handshake(t, server, c)
		if !errors.Is(r.server, Revoked) || r.client == nil || !offered {
			t.Errorf("server %v, client %v, by a ticket: %v", r.server, r.client, offered)
		}
	})
}

// TestReloadAndTickets: sessions outlive a reload, but not the CAs.
func TestReloadAndTickets(t *testing.T) {
	eachVersion(t, func(t *testing.T, max uint16) {
		d := newTestDir(t)
		s := d.server(serverBase)
		c := resumer(max)
		resumes(t, s, c)
		d.putCert("server", theCA().issue("server.example.org"))
		if err := s.reload(); err != nil {
			t.Fatal(err)
		}
		if !resumes(t, s, c) {
			t.Error("another certificate of ours made tickets void")
		}
		d.put("ca.pem", pemOf("CERTIFICATE", theCA().cert.Raw, otherCA().cert.Raw))
		if err := s.reload(); err != nil {
			t.Fatal(err)
		}
		if resumes(t, s, c) {
			t.Error("a ticket outlived a change of CAs")
		}
		if !resumes(t, s, c) {
			t.Error("no resumption after it")
		}
	})
}

// TestTicketsEnd: the keys change each half lifetime, and a ticket is good for a half to a whole one.
func TestTicketsEnd(t *testing.T) {
	d := newTestDir(t)
	eachVersion(t, func(t *testing.T, max uint16) {
		for _, c := range []struct {
			later []time.Duration // calls in between, from the start
			at    time.Duration
			want  bool
		}{
			{nil, 29 * time.Minute, true},
			{nil, 31 * time.Minute, true},
			{[]time.Duration{31 * time.Minute}, 59 * time.Minute, true},
			{[]time.Duration{31 * time.Minute}, 62 * time.Minute, false},
			{nil, 62 * time.Minute, false},
			{nil, 10 * time.Hour, false},
		} {
			s := d.server(serverBase + "cache {\nlifetime = 1h\n}")
			now := testNow
			s.clock = func() time.Time { return now }
			s.snap.Load().tickets.drop(now)
			s.snap.Load().tickets.give(s.snap.Load())
			client := resumer(max)
			client.Time = s.clock
			resumes(t, s, client)
			for _, at := range c.later {
				now = testNow.Add(at)
				s.stream()
			}
			now = testNow.Add(c.at)
			if got := resumes(t, s, client); got != c.want {
				t.Errorf("after %v and %v: resumed %v", c.later, c.at, got)
			}
		}
	})
}

func TestTicketKeys(t *testing.T) {
	k := newTickets(time.Hour)
	k.drop(testNow)
	first := k.keys
	if first[0] == first[1] || first[0] == [32]byte{} {
		t.Error("the keys are not random")
	}
	for _, c := range []struct {
		after time.Duration
		due   bool
	}{{0, false}, {29 * time.Minute, false}, {30 * time.Minute, true}, {time.Hour, true}, {-time.Second, true}, {-time.Hour, true}} {
		if got := k.due(testNow.Add(c.after)); got != c.due {
			t.Errorf("%v: due %v", c.after, got)
		}
	}
	k.change(testNow.Add(30 * time.Minute))
	if k.keys[1] != first[0] || k.keys[0] == first[0] || k.due(testNow.Add(31*time.Minute)) {
		t.Error("the sealing key is not the opening one after a change")
	}
	second := k.keys
	k.change(testNow.Add(24 * time.Hour))
	if k.keys[0] == second[0] || k.keys[1] == second[0] {
		t.Error("a key outlived a quiet day")
	}
	if a := testing.AllocsPerRun(100, func() { k.due(testNow) }); a != 0 {
		t.Errorf("due: %v allocations", a)
	}
}

// TestClientResumes: our client side, whose sessions a reload forgets, and which judges resumed servers as well.
func TestClientResumes(t *testing.T) {
	eachVersion(t, func(t *testing.T, max uint16) {
		d := newTestDir(t)
		d.put("list.crl", pemOf("X509 CRL", theCA().crl()))
		lines := "ca_file = ca.pem\ncheck_crl = yes\ncrl_file = list.crl\n"
		if max == tls.VersionTLS12 {
			lines += "tls_max_version = 1.2\n"
		}
		s := d.client(lines)
		server := &tls.Config{Certificates: []tls.Certificate{serverCert().tls()}}
		once := func(client *tls.Config) (shaken, string) {
			r := handshake(t, server, client)
			return r, fmt.Sprint(r.clientState.DidResume)
		}
		if r, did := once(s.stream()); r.client != nil || did != "false" {
			t.Fatal(r.client, did)
		}
		if r, did := once(s.stream()); r.client != nil || did != "true" {
			t.Fatal(r.client, did)
		}
		before := s.stream()
		d.put("list.crl", pemOf("X509 CRL", theCA().crl(serverCert())))
		if err := s.reload(); err != nil {
			t.Fatal(err)
		}
		for _, c := range []*tls.Config{before, s.stream()} {
			if r, _ := once(c); !errors.Is(r.client, Revoked) {
				t.Errorf("a server that was revoked in between: %v", r.client)
			}
		}
	})
}
