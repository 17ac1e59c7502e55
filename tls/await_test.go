package tls_test

import (
	ctls "crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
)

// TestLend: a change of crypto/tls that takes the fields of lend.go away must be seen here, not in the memory of servers.
func TestLend(t *testing.T) {
	if !tls.CanLend {
		t.Error("crypto/tls has changed: see lend.go")
	}
}

// awaiting has the listener's certificate callback wait for work, which signals that it began and ends when told.
func awaiting(l *friotest.Probe) (began chan struct{}, end chan struct{}, results chan error) {
	began, end, results = make(chan struct{}, 9), make(chan struct{}, 9), make(chan error, 9)
	cfg := l.IO.(*tls.Listener).StreamConfig()
	certificate := &cfg.Certificates[0]
	cfg.GetCertificate = func(h *ctls.ClientHelloInfo) (*ctls.Certificate, error) {
		err := h.Conn.(tls.Awaiter).Await(func() {
			began <- struct{}{}
			<-end
		})
		results <- err
		return certificate, err
	}
	return began, end, results
}

// TestAwait: while a callback waits, the loop goes on and nothing of that handshake moves; then it goes on, on whatever loop
// the connection is by then, or on none.
func TestAwait(t *testing.T) {
	for _, how := range []string{"stay", "move while waiting", "leave and come back after the answer", "without a loop"} {
		t.Run(how, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			l := listener(e, "", "")
			began, end, _ := awaiting(l)
			c := client(e, l, "tls+tcp", "")
			s := e.AcceptFrom(l, nil)
			if how == "without a loop" {
				s.Leave()
			} else {
				s.Wish(nil, nil, nil)
			}
			e.Until("the work", func() bool {
				if how == "without a loop" {
					s.Read(make([]byte, 1))
				}
				return len(began) == 1
			})
			events := e.Loop.Stats().Events
			e.Spin(20)
			if n := e.Loop.Stats().Events - events; n > 2 {
				t.Errorf("%d events in 20 turns while a callback waits", n)
			}
			if s.State() != frio.StateHandshaking || !strings.Contains(s.DebugText(), "awaits") {
				t.Errorf("state %v while waiting:\n%s", s.State(), s.DebugText())
			}
			other := e.NewSide("other")
			switch how {
			case "move while waiting":
				e.Move(s, other, nil, nil)
				end <- struct{}{}
			case "leave and come back after the answer":
				s.Leave()
				end <- struct{}{}
				e.Spin(20)
				if s.State() != frio.StateHandshaking {
					t.Errorf("state %v with nobody to drive it", s.State())
				}
				s.Wish(nil, nil, nil)
			default:
				end <- struct{}{}
			}
			e.Until("open", func() bool {
				if how == "without a loop" && s.State() != frio.StateOpen {
					s.Read(make([]byte, 1))
				}
				return c.State() == frio.StateOpen && s.State() == frio.StateOpen
			})
			e.Send(c, []byte("after"))
			e.Expect(s, []byte("after"))
		})
	}
}

// TestAwaitAborted: closing a connection whose callback waits ends the callback with an error, at once.
func TestAwaitAborted(t *testing.T) {
	for _, free := range []bool{false, true} {
		e := friotest.NewEnv(t, false, 1)
		l := listener(e, "", "")
		began, end, results := awaiting(l)
		client(e, l, "tls+tcp", "")
		s := e.AcceptFrom(l, nil)
		e.Until("the work", func() bool { return len(began) == 1 })
		if free {
			s.Ctx.Free()
		} else {
			s.Close()
		}
		select {
		case err := <-results:
			if err == nil {
				t.Errorf("Await returned nil though the connection was closed")
			}
		default:
			t.Errorf("the callback still waits")
		}
		end <- struct{}{}
		e.Spin(5)
	}
}

// TestPanicInCallback: it costs that connection, not the loop.
func TestPanicInCallback(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listener(e, "", "")
	l.IO.(*tls.Listener).StreamConfig().GetCertificate = func(*ctls.ClientHelloInfo) (*ctls.Certificate, error) { panic("in a callback") }
	client(e, l, "tls+tcp", "")
	s := e.AcceptFrom(l, nil)
	s.Wish(nil, nil, nil)
	if end := e.ExpectEnd(s); !strings.Contains(end.Error(), "in a callback") {
		t.Errorf("Read: %v", end)
	}
}

// TestReload: open connections are judged by what was read last, wherever they are: on the listener's loop, on another, on none. Over
// datagrams they are where their listener is.
func TestReload(t *testing.T) {
	for _, stack := range []string{"tls+tcp", "tls+udp"} {
		t.Run(stack, func(t *testing.T) { testReload(t, stack) })
	}
}

func testReload(t *testing.T, stack string) {
	e := friotest.NewEnv(t, false, 1)
	dir := t.TempDir()
	p := thePKI()
	ca := p.ca.caFile(t, dir)
	base := func(port uint16) string {
		return stack[len("tls+"):] + " {\nipaddr = 127.0.0.1\nport = " + itoa(port) + "\n}\n"
	}
	l := e.ParseText(nil, "listener", "listen {\nprotocol = "+stack+"\n"+base(0)+"tls {\nrequire_client_cert = yes\n"+p.server.files(t, dir, "server")+ca+"}\n}\n")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	l.Wish(nil, nil, nil)
	other := e.NewSide("other")
	_, home := sections(t, "", "")
	var list []*friotest.Probe
	for i := range 3 {
		c := e.ParseText(nil, "client", "home_server {\nprotocol = "+stack+"\n"+base(e.Port(l))+home+"}\n")
		c.Wish(nil, nil, nil)
		if err := c.Connect(); err != nil && err != frio.ErrAgain {
			t.Fatal(err)
		}
		s := e.AcceptFrom(l, nil)
		s.Wish(nil, nil, nil)
		opened(e, c, s)
		switch {
		case stack == "tls+udp":
		case i == 1:
			e.Move(s, other, nil, nil)
		case i == 2:
			s.Leave()
		}
		list = append(list, s)
	}
	reload := l.IO.(frio.Reloader).Reload
	if err := reload(nil); err != nil {
		t.Fatal(err)
	}
	e.Spin(5)
	for i, s := range list {
		if s.State() != frio.StateOpen {
			t.Fatalf("connection %d is %v after a reload of the same files", i, s.State())
		}
		e.Nothing(s)
	}
	writeFile(t, filepath.Join(dir, "ca.pem"), []byte("no certificate"))
	if err := reload(nil); err == nil {
		t.Errorf("a reload of rubbish succeeded")
	}
	another := issue("another CA", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	another.caFile(t, dir)
	e.Spin(5)
	for i, s := range list {
		if s.State() != frio.StateOpen {
			t.Fatalf("connection %d is %v after a reload that failed", i, s.State())
		}
	}
	if err := reload(nil); err != nil {
		t.Fatal(err)
	}
	e.Spin(5)
	for i, s := range list {
		if (i < 2 || stack == "tls+udp") && s.State() != frio.StateFailed {
			t.Errorf("connection %d is %v after its CA went away", i, s.State())
		}
		var refused *tls.VerifyError
		if end := e.ExpectEnd(s); !errors.As(end, &refused) {
			t.Errorf("connection %d: Read: %v, want a *VerifyError", i, end)
		}
	}
	if n := l.IO.(*tls.Listener).Counts().Rechecked.Load(); n != 3 {
		t.Errorf("%d counted", n)
	}
	os.Remove(filepath.Join(dir, "ca.pem"))
}
