package tls_test

import (
	"context"
	ctls "crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
)

// TestSessionRefused: a server that answers a session by an alert is met by whole handshakes from then on. Until then one is resumed.
func TestSessionRefused(t *testing.T) {
	dir := pemFiles(t)
	cert := must(ctls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")))
	for _, version := range []uint16{ctls.VersionTLS12, ctls.VersionTLS13} {
		t.Run(ctls.VersionName(version), func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			var refuses atomic.Bool
			var offered atomic.Int64
			cfg := &ctls.Config{Certificates: []ctls.Certificate{cert}, MaxVersion: version}
			cfg.VerifyConnection = func(cs ctls.ConnectionState) error {
				if !cs.DidResume {
					return nil
				}
				offered.Add(1)
				if refuses.Load() {
					return errors.New("no")
				}
				return nil
			}
			port := serveEcho(t, cfg)
			_, home := sections(t, "", "")
			cl := connected(e, port, home)
			for round, c := range []struct {
				refuses, fails, resumed bool
				offered                 int64
			}{{false, false, false, 0}, {false, false, true, 1}, {true, true, false, 2}, {true, false, false, 2}, {false, false, false, 2}} {
				refuses.Store(c.refuses)
				if round > 0 {
					cl = next(e, cl)
				}
				if c.fails {
					cl.Wish(nil, func() { _, _ = cl.Read(make([]byte, 1)) }, nil) // over TLS 1.3 the refusal comes when it is open
					e.Until("it fails", func() bool { return cl.State() == frio.StateFailed })
				} else {
					opened(e, cl)
					e.Send(cl, []byte("hello"))
					e.Expect(cl, []byte("hello")) // and the tickets before it
					if s, _ := cl.IO.(*tls.Conn).ConnectionState(); s.DidResume != c.resumed {
						t.Errorf("connection %d: resumed is %v", round, s.DidResume)
					}
				}
				if n := offered.Load(); n != c.offered {
					t.Errorf("connection %d: %d sessions were offered, want %d", round, n, c.offered)
				}
			}
			cl.Close()
		})
	}
}

// next closes cl and connects another one with its settings.
func next(e *friotest.Env, cl *friotest.Probe) *friotest.Probe {
	e.Helper()
	ctx := e.Context(nil, "next")
	one, err := cl.IO.(frio.Copier).Copy(ctx)
	if err != nil {
		e.Fatal(err)
	}
	cl.Close()
	cl = e.Watch(one, ctx, "next")
	cl.Wish(nil, nil, nil)
	_ = cl.Connect() // its state tells
	return cl
}

// serveEcho serves crypto/tls on loopback until the test ends.
func serveEcho(t *testing.T, cfg *ctls.Config) (port uint16) {
	t.Helper()
	l, err := ctls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { stop(); l.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { conn.Close() })
			running.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // who refuses, or goes, ends it
			})
		}
	})
	return uint16(l.Addr().(*net.TCPAddr).Port)
}
