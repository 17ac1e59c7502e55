package tls

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
)

// shown is the serial number of the certificate that s shows.
func shown(t testing.TB, s *settings) string {
	t.Helper()
	good := clientCert()
	r := handshake(t, s.stream(), plainClient(&good, 0))
	if r.server != nil || r.client != nil {
		t.Fatalf("%v, %v", r.server, r.client)
	}
	return serialText(r.clientState.PeerCertificates[0].SerialNumber)
}

func TestReload(t *testing.T) {
	d := newTestDir(t)
	s := d.server(serverBase)
	told := 0
	cancel := s.onReload(func() { told++ })
	first := shown(t, s)
	if first != serialText(serverCert().cert.SerialNumber) {
		t.Fatal(first)
	}
	next := theCA().issue("server.example.org")
	d.putCert("server", next)
	if got := shown(t, s); got != first || told != 0 {
		t.Errorf("%s before reload, told %d times", got, told)
	}
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, s); got != serialText(next.cert.SerialNumber) || told != 1 {
		t.Errorf("%s after reload, told %d times", got, told)
	}

	// A certificate without its key yet: the old one stays, and the error says where.
	d.put("server.pem", theCA().issue("server.example.org").certPEM())
	err := s.reload()
	if lines := d.lines(err); len(lines) != 1 || !strings.HasPrefix(lines[0], "8:20: certificate_file: server.pem: its public key is not that of") {
		t.Error(lines)
	}
	if got := shown(t, s); got != serialText(next.cert.SerialNumber) || told != 1 {
		t.Errorf("%s after a bad reload, told %d times", got, told)
	}
	if err := os.Remove(d.file("ca.pem")); err != nil {
		t.Fatal(err)
	}
	if lines := d.lines(s.reload()); len(lines) != 2 || !strings.HasPrefix(lines[1], "10:11: ca_file: ca.pem: no such file") {
		t.Error(lines)
	}
	d.putCert("server", next)
	d.put("ca.pem", theCA().certPEM())
	cancel()
	d.put("ca.pem", pemOf("CERTIFICATE", theCA().cert.Raw))
	if err := s.reload(); err != nil || told != 1 {
		t.Errorf("%v, told %d times after cancel", err, told)
	}
}

// TestRecheck: an open connection is judged again by the files of today.
func TestRecheck(t *testing.T) {
	d := newTestDir(t)
	d.put("list.crl", pemOf("X509 CRL", theCA().crl()))
	c := theCA().issue("client.example.org")
	s := d.server(serverBase + "check_crl = yes\ncrl_file = list.crl")
	r := handshake(t, s.stream(), plainClient(&c, 0))
	if r.server != nil {
		t.Fatal(r.server)
	}
	if err := s.recheck(r.serverState); err != nil {
		t.Error(err)
	}
	d.put("list.crl", pemOf("X509 CRL", theCA().crl(c)))
	if err := s.recheck(r.serverState); err != nil {
		t.Errorf("before the reload: %v", err)
	}
	before := s.stream()
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	if err := s.recheck(r.serverState); !errors.Is(err, Revoked) {
		t.Errorf("revoked: %v", err)
	}
	// A handshake that began before the reload is judged by what is known at its end.
	if r := handshake(t, before, plainClient(&c, 0)); !errors.Is(r.server, Revoked) {
		t.Errorf("a handshake under way: %v", r.server)
	}
	d.put("list.crl", pemOf("X509 CRL", theCA().crl(), otherCA().crl()))
	d.put("ca.pem", pemOf("CERTIFICATE", otherCA().cert.Raw))
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	if err := s.recheck(r.serverState); !errors.Is(err, UnknownCA) {
		t.Errorf("another CA: %v", err)
	}
	if err := s.recheck(tls.ConnectionState{}); !errors.Is(err, NoCertificate) {
		t.Errorf("no certificate: %v", err)
	}
	s.clock = func() time.Time { return testNow.Add(48 * time.Hour) }
	d.put("ca.pem", pemOf("CERTIFICATE", theCA().cert.Raw))
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	if err := s.recheck(r.serverState); !errors.Is(err, Expired) {
		t.Errorf("two days later: %v", err)
	}
}

// TestRecheckFindsIntermediates: what the peer sent along is used again.
func TestRecheckFindsIntermediates(t *testing.T) {
	d := newTestDir(t)
	c := subCA().issue("client.example.org")
	s := d.server(serverBase)
	r := handshake(t, s.stream(), plainClient(&c, 0))
	if r.server != nil {
		t.Fatal(r.server)
	}
	if err := s.recheck(r.serverState); err != nil {
		t.Error(err)
	}
	r.serverState.PeerCertificates = r.serverState.PeerCertificates[:1]
	if err := s.recheck(r.serverState); !errors.Is(err, UnknownCA) {
		t.Errorf("without the intermediate: %v", err)
	}
}

// TestReloadWhileServing has handshakes, rechecks, reloads and other sections at once.
func TestReloadWhileServing(t *testing.T) {
	d := newTestDir(t)
	s := d.server(serverBase + "cache {\nlifetime = 1m\n}")
	var offset atomic.Int64 // the clock runs, so that ticket keys change as well
	s.clock = func() time.Time { return testNow.Add(time.Duration(offset.Add(int64(time.Millisecond)))) }
	others := []*settings{d.server(serverBase), d.server(serverBase + "tls_min_version = 1.3\ncache {\nenable = no\n}\n"),
		d.server(serverBase + "cache {\nlifetime = 1m\n}\nca_path_reload_interval = 1\n")}
	good := clientCert()
	client := plainClient(&good, 0)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	var reloads, serving sync.WaitGroup
	stop := make(chan struct{})
	reloads.Go(func() {
		for i := 0; ; i++ {
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.become(others[i%len(others)])
			s.onReload(func() {})()
			offset.Store((offset.Load() + int64(10*time.Second)) % int64(12*time.Hour)) // certificates last a day
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range 2 {
		serving.Go(func() {
			for range 20 {
				r := handshake(t, s.stream(), client)
				if r.server != nil || r.client != nil {
					t.Errorf("%v, %v", r.server, r.client)
					return
				}
				if err := s.recheck(r.serverState); err != nil {
					t.Error(err)
				}
				s.debug(io.Discard)
			}
		})
	}
	serving.Wait()
	close(stop)
	reloads.Wait()
}

// TestPolling: changed files are found while somebody waits for it, and only then; a bad file is tried once.
func TestPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDir(t)
		// In the bubble it is another year; the certificates are not looked at.
		s := d.server(serverBase + "ca_path_reload_interval = 60\n")
		var told, failed atomic.Int64
		s.onFail(func(error) { failed.Add(1) })
		check := func(when string, wantTold, wantFailed int64, serial string) {
			t.Helper()
			if told.Load() != wantTold || failed.Load() != wantFailed {
				t.Errorf("%s: told %d, failed %d; want %d, %d", when, told.Load(), failed.Load(), wantTold, wantFailed)
			}
			if got := serialText(s.stream().Certificates[0].Leaf.SerialNumber); got != serial {
				t.Errorf("%s: certificate %s, want %s", when, got, serial)
			}
		}
		first := serialText(serverCert().cert.SerialNumber)
		next := theCA().issue("server.example.org")
		second := serialText(next.cert.SerialNumber)
		put := func(name string, b []byte, at int) {
			d.put(name, b)
			when := testNow.Add(time.Duration(at) * time.Second) // whatever the grain of the file system's times
			if err := os.Chtimes(d.file(name), when, when); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		cancel := s.onReload(func() { told.Add(1) })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		check("nothing changed", 0, 0, first)
		put("server.pem", next.certPEM(), 10)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		check("without its key", 0, 1, first)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		check("and nothing more", 0, 1, first)
		put("server.key", next.keyPEM(), 20)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		check("with its key", 1, 1, second)
		cancel()
		put("server.pem", serverCert().certPEM(), 30)
		put("server.key", serverCert().keyPEM(), 30)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		check("nobody waits", 1, 1, second)
		s.onReload(func() { told.Add(1) })()
	})
}

// TestBecome: another section's lifetime of tickets and interval hold from then on; tickets stay good where theirs does not change.
func TestBecome(t *testing.T) {
	d := newTestDir(t)
	s := d.server(serverBase)
	client := resumer(0)
	if resumes(t, s, client) {
		t.Fatal("the first one resumes")
	}
	s.become(d.server(serverBase + "tls_min_version = 1.2\n"))
	if !resumes(t, s, client) {
		t.Error("a ticket is not good after a change that is none of it")
	}
	s.become(d.server(serverBase + "cache {\nlifetime = 1\n}\n"))
	if resumes(t, s, client) {
		t.Error("a ticket is good whose lifetime changed")
	}
	s.become(d.server(serverBase + "cache {\nenable = no\n}\n"))
	for range 2 {
		if resumes(t, s, client) {
			t.Error("it resumes without tickets")
		}
	}
	s.become(d.server(serverBase))
	if resumes(t, s, client) || !resumes(t, s, client) {
		t.Error("it does not resume when there are tickets again")
	}
}

// TestBecomePolls: files are looked after as the new section says, which files too.
func TestBecomePolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDir(t)
		s := d.server(serverBase)
		told := make(chan struct{}, 10)
		cancel := s.onReload(func() { told <- struct{}{} })
		defer cancel()
		d.putCert("other", serverCert())
		expect := func(when string, want int) {
			t.Helper()
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if n := len(told); n != want {
				t.Errorf("%s: told %d times, want %d", when, n, want)
			}
			for len(told) > 0 {
				<-told
			}
		}
		touch := func(name string, at int) {
			when := testNow.Add(time.Duration(at) * time.Second)
			if err := os.Chtimes(d.file(name), when, when); err != nil {
				t.Fatal(err)
			}
		}
		other := strings.ReplaceAll(serverBase, "server.", "other.")
		s.become(d.server(other + "ca_path_reload_interval = 60\n"))
		expect("the section itself", 1)
		touch("other.pem", 10)
		expect("a file of the new section", 1)
		touch("server.pem", 20)
		expect("a file of the old one", 0)
		s.become(d.server(other))
		expect("the section without interval", 1)
		touch("other.pem", 30)
		expect("nobody looks any more", 0)
	})
}

// TestBecomeOfOlderFiles: files that changed between the reading of the new section and its taking, and were found by the old one, are read again.
func TestBecomeOfOlderFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDir(t)
		const polls = serverBase + "ca_path_reload_interval = 60\n"
		s := d.server(polls)
		defer s.onReload(func() {})()
		as := d.server(polls + "tls_min_version = 1.2\n")
		next := theCA().issue("server.example.org")
		d.putCert("server", next)
		when := testNow.Add(time.Second) // whatever the grain of the file system's times
		if err := os.Chtimes(d.file("server.pem"), when, when); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		s.become(as)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if got := s.stream().Certificates[0].Leaf.SerialNumber; got.Cmp(next.cert.SerialNumber) != 0 {
			t.Error("the file that was changed is not read")
		}
	})
}

// TestBecomeKeepsKeys: the tickets' keys are nobody else's, also when their lifetime changes.
func TestBecomeKeepsKeys(t *testing.T) {
	d := newTestDir(t)
	s, as := d.server(serverBase), d.server(serverBase+"cache {\nlifetime = 1h\n}\n")
	s.become(as)
	before := s.snap.Load().tickets.keys
	as.snap.Load().tickets.drop(testNow)
	if before == [2][32]byte{} || s.snap.Load().tickets.keys != before || s.snap.Load().tickets.half != 30*time.Minute {
		t.Error("there are none, or another section changes them, or they have another lifetime")
	}
}

// TestFailedReloadIsCounted: whoever else is told of files that were found changed and wrong.
func TestFailedReloadIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDir(t)
		h := newShared(d.server(serverBase+"ca_path_reload_interval = 60\n"), nil, frio.Stream, 0, base.Limits{}, 1)
		h.use()
		defer h.unuse()
		told := 0
		(&Listener{how: h}).OnReload(func(error) { told++ })
		whole := serverCert().certPEM()
		d.put("server.pem", whole[:len(whole)/2])
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if n := h.counts.BadReloads.Load(); n != 1 || told != 1 {
			t.Errorf("%d counted, told %d times, want 1 each", n, told)
		}
	})
}

// TestStampsSeeDirectories: a file that comes to ca_path or leaves it is a change.
func TestStampsSeeDirectories(t *testing.T) {
	d := newTestDir(t)
	d.put("cas/a.pem", pemOf("CERTIFICATE", theCA().cert.Raw))
	s := d.server(ownLines + "ca_path = cas")
	before := s.snap.Load().plan.stamps()
	if !sameStamps(before, s.snap.Load().plan.stamps()) {
		t.Error("they differ without a change")
	}
	d.put("cas/b.pem", pemOf("CERTIFICATE", otherCA().cert.Raw))
	added := s.snap.Load().plan.stamps()
	if err := os.Remove(d.file("cas/a.pem")); err != nil {
		t.Fatal(err)
	}
	removed := s.snap.Load().plan.stamps()
	if sameStamps(before, added) || sameStamps(added, removed) || sameStamps(before, removed) {
		t.Error("a change was not seen")
	}
}

func TestKeyLog(t *testing.T) {
	d := newTestDir(t)
	for _, kind := range []frio.Kind{frio.Stream, frio.Datagram} {
		s, cs, err := d.parseServer(serverBase+"keylog_file = keys.log", kind)
		d.good(s, cs, err)
		if _, err := os.Stat(d.file("keys.log")); err == nil && kind == frio.Stream {
			t.Error("there is a file before the first secret")
		}
		shown(t, s)
		if kind == frio.Datagram && s.datagram().KeyLogWriter == nil {
			t.Error("DTLS logs no keys")
		}
	}
	b, err := os.ReadFile(d.file("keys.log"))
	if err != nil || !strings.Contains(string(b), "SERVER_HANDSHAKE_TRAFFIC_SECRET ") || !strings.HasSuffix(string(b), "\n") {
		t.Errorf("%q, %v", b, err)
	}
	if info, err := os.Stat(d.file("keys.log")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// A log that cannot be written does not end handshakes.
	d.put("gone/x", nil)
	s := d.server(serverBase + "keylog_file = gone/keys.log")
	if err := os.RemoveAll(d.file("gone")); err != nil {
		t.Fatal(err)
	}
	shown(t, s)
}
