package tls_test

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls/dtls"
)

// TestShortPath: on a path that takes less than a flight's datagrams, and says so, the flight is cut anew at once, at both ends: nothing
// is lost first.
func TestShortPath(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	near, far := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	e.Host().AddInterface("eth1", near)
	there := e.World().Host("far", far)
	own := e.Kernel
	e.Kernel = there
	side := e.NewSide("far")
	e.Kernel = own
	// 28 bytes are headers: of 1200, 600 and 300 only datagrams of 300 pass.
	e.Host().SetMTU(500)
	there.SetMTU(500)

	listen, home := sections(t, "require_client_cert = yes\n", "")
	l := e.ParseText(nil, "listener", "listen {\nprotocol = tls+udp\nudp {\nipaddr = 192.0.2.1\nport = 2083\nexceed_mtu = no\n}\n"+listen+"}\n")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	l.Wish(nil, func() {}, nil)
	began := e.Kernel.Now()
	c := e.ParseText(side, "client", "home_server {\nprotocol = tls+udp\nudp {\nipaddr = 192.0.2.1\nport = 2083\nexceed_mtu = no\n}\n"+home+"}\n")
	c.Wish(side, nil, nil)
	if err := c.Connect(); err != nil && err != frio.ErrAgain {
		t.Fatal(err)
	}
	s := e.AcceptFrom(l, nil)
	s.Wish(nil, nil, nil)
	opened(e, c, s)
	if d := e.Kernel.Now().Sub(began); d >= time.Second {
		t.Errorf("the handshake took %v of virtual time: a time-out repaired it", d)
	}
	for _, end := range []*friotest.Probe{c, s} {
		if text := end.DebugText(); !strings.Contains(text, " mtu 300\n") {
			t.Errorf("%s:\n%s", end.Name, text)
		}
	}
	e.Send(c, []byte("there"))
	e.Expect(s, []byte("there"))
	e.Send(s, []byte("and back"))
	e.Expect(c, []byte("and back"))
}

// renewal is a simPeer with an association, from whose address hellos of another one come.
type renewal struct {
	*simPeer
	listener, child *friotest.Probe
	replies         [][]byte // of the gate
}

// read takes what has come: the gate's replies, and the rest for the association that is there.
func (r *renewal) read() {
	r.Helper()
	var buf [2048]byte
	for {
		n, err := r.udp.Read(buf[:])
		if err != nil {
			return
		}
		const typeAt, helloVerifyRequest = 13, 3 // RFC 6347, Section 4.3.2
		if d := buf[:n]; n > typeAt && d[0] == 22 && d[typeAt] == helloVerifyRequest {
			r.replies = append(r.replies, append([]byte(nil), d...))
		} else if _, err := r.eng.Feed(r.Loop.Now(), d); err != nil {
			r.Fatalf("the association of before: %v", err)
		}
	}
}

// lives fails unless data pass both ways, and nobody else has come.
func (r *renewal) lives(after string) {
	r.Helper()
	d, _, err := r.eng.Seal(nil, []byte(after))
	if err != nil {
		r.Fatalf("after %s: %v", after, err)
	}
	r.Send(r.udp, d)
	r.Expect(r.child, []byte(after))
	r.Send(r.child, []byte(after))
	r.Until("the answer after "+after, func() bool { r.read(); return r.eng.Held() })
	got := make([]byte, 100)
	if n, err := r.eng.Read(got); err != nil || string(got[:n]) != after {
		r.Fatalf("after %s: read %q, %v", after, got[:n], err)
	}
	if _, err := r.listener.Accept(nil); err != frio.ErrAgain {
		r.Errorf("after %s: a child without proof: %v", after, err)
	}
	if text := r.listener.DebugText(); !strings.Contains(text, ", replaced 0, ") {
		r.Errorf("after %s:\n%s", after, text)
	}
}

// TestNewHelloUnproven: hellos from the address of an association, which anybody can send, do not touch it, until one brings the cookie
// that was sent to that address.
func TestNewHelloUnproven(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := datagramListener(e, "require_client_cert = no\n", "")
	r := &renewal{simPeer: newSimPeer(e, l), listener: l}
	r.flush(nil)
	e.Until("the cookie", func() bool { n, _ := r.receive(); return n > 0 })
	first := r.hello()
	r.Send(r.udp, first)
	r.child = e.AcceptFrom(l, nil)
	r.child.Wish(nil, nil, nil)
	e.Until("an association", func() bool {
		r.receive()
		r.flush(nil)
		return r.eng.State() == dtls.Open && r.child.State() == frio.StateOpen
	})
	r.lives("the handshake")

	next := newSimPeer(e, l)
	bare := next.hello()
	for range 3 {
		r.Send(r.udp, bare)
		r.lives("a hello without cookie")
	}
	e.Until("a cookie for the new hello", func() bool { r.read(); return len(r.replies) == 3 })
	if _, err := next.eng.Feed(e.Loop.Now(), r.replies[0]); err != nil {
		t.Fatal(err)
	}
	proven := next.hello()
	cookie := r.replies[0][len(r.replies[0])-16:]
	at := bytes.Index(proven, cookie)
	if at < 0 {
		t.Fatalf("no cookie %x in %x", cookie, proven)
	}
	wrong := append([]byte(nil), proven...)
	wrong[at] ^= 1
	r.Send(r.udp, wrong)
	r.lives("a hello with a wrong cookie")

	// A cookie that was sent to somebody else.
	stranger := newSimPeer(e, l)
	stranger.flush(nil)
	e.Until("the stranger's cookie", func() bool { n, _ := stranger.receive(); return n > 0 })
	r.Send(r.udp, stranger.hello())
	r.lives("a hello with a cookie of another address")

	r.Send(r.udp, first)
	r.lives("the hello of the association itself")
	r.Send(r.udp, proven[:len(proven)-1])
	r.lives("a hello that is cut short")

	r.Send(r.udp, proven)
	if end := e.ExpectEnd(r.child); !errors.Is(end, frio.ErrReset) {
		t.Errorf("the old association ended with %v, want ErrReset", end)
	}
	child := e.AcceptFrom(l, nil)
	child.Wish(nil, nil, nil)
	r.eng = next.eng
	e.Until("the new association", func() bool {
		r.receive()
		r.flush(nil)
		return r.eng.State() == dtls.Open && child.State() == frio.StateOpen
	})
	if text := l.DebugText(); !strings.Contains(text, ", replaced 1, ") {
		t.Errorf("%s", text)
	}
}

// hello is the datagram that the engine wants sent.
func (p *simPeer) hello() []byte {
	p.Helper()
	d := append([]byte(nil), p.eng.Out()[0]...)
	p.eng.Sent(p.Loop.Now())
	return d
}
