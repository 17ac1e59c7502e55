package tls_test

import (
	"errors"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls"
	"github.com/frio-io/frio/tls/dtls"
)

// simPeer is a DTLS client on the simulated kernel, whose datagrams the test sends itself.
type simPeer struct {
	*friotest.Env
	udp *friotest.Probe
	eng *dtls.Engine
}

func newSimPeer(e *friotest.Env, l *friotest.Probe) *simPeer {
	e.Helper()
	p := &simPeer{Env: e}
	p.udp = e.ParseText(nil, "peer", "home_server {\nprotocol = udp\nudp {\nipaddr = 127.0.0.1\nport = "+itoa(e.Port(l))+"\n}\n}\n")
	p.udp.Wish(nil, nil, nil)
	if err := p.udp.Connect(); err != nil {
		e.Fatal(err)
	}
	var err error
	if p.eng, err = dtls.NewClient(rawConfig); err == nil {
		err = p.eng.Start(e.Loop.Now())
	}
	if err != nil {
		e.Fatal(err)
	}
	return p
}

// flush sends what the engine wants sent, changed by change.
func (p *simPeer) flush(change func([]byte) []byte) {
	p.Helper()
	for _, d := range p.eng.Out() {
		if change != nil {
			d = change(append([]byte(nil), d...))
		}
		p.Send(p.udp, d)
	}
	p.eng.Sent(p.Loop.Now())
}

// receive feeds the datagrams that are there; it returns how many.
func (p *simPeer) receive() (n int, err error) {
	var buf [2048]byte
	for {
		got, readErr := p.udp.Read(buf[:])
		if readErr != nil {
			return n, err
		}
		n++
		if _, err = p.eng.Feed(p.Loop.Now(), buf[:got]); err != nil {
			return n, err
		}
	}
}

// TestDatagramAbuse: whoever begins an association and does not finish its handshake is gone after handshake_timeout, and its place of
// max_handshakes with it. Without its cookie back it has never been there.
func TestDatagramAbuse(t *testing.T) {
	const second = time.Second
	for _, c := range []struct {
		name string
		then func(p *simPeer, at int) // at each second after the hello with its cookie
	}{
		{"no more", func(*simPeer, int) {}},
		{"garbage", func(p *simPeer, at int) { p.Send(p.udp, []byte("no record at all, whatever the time")) }},
		{"the same hello", func(p *simPeer, at int) {
			if err := p.eng.Expire(p.eng.Deadline()); err != nil {
				p.Fatal(err)
			}
			p.flush(nil)
		}},
		{"a part of the next flight", func(p *simPeer, at int) {
			if at == 1 {
				p.receive()
				p.flush(func(d []byte) []byte { return d[:20] })
			}
		}},
		{"sealed records of unknown keys", func(p *simPeer, at int) {
			p.Send(p.udp, append([]byte{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, byte(at), 0, 40}, make([]byte, 40)...))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := friotest.NewEnv(t, true, 1)
			l := datagramListener(e, "require_client_cert = no\n", "handshake_timeout = 7s\nmax_handshakes = 1\n")
			p := newSimPeer(e, l)
			p.flush(nil)
			e.Until("the cookie", func() bool { n, _ := p.receive(); return n > 0 })
			if _, err := l.Accept(nil); err != frio.ErrAgain {
				t.Fatalf("a child without a cookie: %v", err)
			}
			p.flush(nil)
			child := e.AcceptFrom(l, nil)
			calls := 0
			child.Wish(nil, func() { calls++ }, nil)
			began := e.Loop.Now()
			// Another one waits for its place.
			_, home := sections(t, "", "check_cert_name = no\n")
			next := e.ParseText(nil, "next", "home_server {\nprotocol = tls+udp\nudp {\nipaddr = 127.0.0.1\nport = "+itoa(e.Port(l))+"\n}\n"+home+"}\n")
			next.Wish(nil, nil, nil)
			next.Connect()
			for at := 1; at <= 6; at++ {
				c.then(p, at)
				e.Pass(second)
				if _, err := l.Accept(nil); err != frio.ErrAgain {
					t.Fatalf("Accept at max_handshakes: %v", err)
				}
			}
			e.Pass(began.Add(6900 * time.Millisecond).Sub(e.Loop.Now()))
			if s := child.State(); s != frio.StateHandshaking {
				_, err := child.Read(make([]byte, 1))
				t.Fatalf("after 6.9 s it is %v: %v", s, err)
			}
			e.Pass(200 * time.Millisecond)
			_, err := child.Read(make([]byte, 10))
			var failed *tls.HandshakeError
			if !errors.As(err, &failed) || failed.Cause != tls.CauseTimeout || !errors.Is(err, frio.ErrTimeout) || calls == 0 {
				t.Fatalf("after 7.1 s: %v, told %d times", err, calls)
			}
			counts := l.IO.(*tls.Listener).Counts()
			if counts.Failed(tls.CauseTimeout) != 1 || counts.Handshakes.Load() != 0 {
				t.Errorf("%d time-outs counted, %d handshakes", counts.Failed(tls.CauseTimeout), counts.Handshakes.Load())
			}
			other := e.AcceptFrom(l, nil)
			other.Wish(nil, nil, nil)
			opened(e, next, other)
		})
	}
}

// TestDatagramVersion: a client that speaks no more than DTLS 1.0 is refused, with the reason at both ends.
func TestDatagramVersion(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := datagramListener(e, "require_client_cert = no\n", "")
	p := newSimPeer(e, l)
	old := func(d []byte) []byte {
		d[13+12+1] = 0xff // client_version, behind the headers of record and message (RFC 6347, Section 4.2.1)
		return d
	}
	p.flush(old)
	e.Until("the cookie", func() bool { n, _ := p.receive(); return n > 0 })
	p.flush(old)
	child := e.AcceptFrom(l, nil)
	child.Wish(nil, nil, nil)
	end := e.ExpectEnd(child)
	var failed *tls.HandshakeError
	if !errors.As(end, &failed) || failed.Cause != tls.CauseVersion || failed.Remote {
		t.Errorf("Read: %v, want the version as the cause", end)
	}
	var at error
	e.Until("the alert", func() bool { _, at = p.receive(); return at != nil })
	var alert *dtls.AlertError
	if !errors.As(at, &alert) || !alert.Received || alert.Alert != 70 {
		t.Errorf("the client sees %v, want the alert 70", at)
	}
}
