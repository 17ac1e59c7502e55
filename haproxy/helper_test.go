package haproxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/haproxy"
)

// What most tests send: 198.51.100.7:40112 to 192.0.2.1:2083.
const (
	header1 = "PROXY TCP4 198.51.100.7 192.0.2.1 40112 2083\r\n"
	sign2   = "\r\n\r\n\x00\r\nQUIT\n"
	header2 = sign2 + "\x21\x11\x00\x19" + "\xc6\x33\x64\x07" + "\xc0\x00\x02\x01" + "\x9c\xb0" + "\x08\x23" +
		"\x02\x00\x03abc" + "\xee\x00\x04rest"
	local2 = sign2 + "\x20\x00\x00\x00"
	ends   = "192.0.2.1:2083 <- 198.51.100.7:40112"
)

// bench is a listener haproxy+tcp on a loop, and clients that speak TCP only.
type bench struct {
	*friotest.Env
	l *friotest.Probe
}

// newBench makes one on the simulated kernel; lines are those of haproxy { } besides trusted.
func newBench(t *testing.T, lines, limit string) *bench {
	t.Helper()
	e := friotest.NewEnv(t, true, 1)
	return listenOn(e, "haproxy {\ntrusted {\nallow = 127.0.0.1\n}\n"+lines+"}\nlimit {\n"+limit+"}\n")
}

func listenOn(e *friotest.Env, sections string) *bench {
	e.Helper()
	l := e.ParseText(nil, "listener", fmt.Sprintf("listen l {\nprotocol = haproxy+tcp\ntcp {\nipaddr = %v\nport = 0\n}\n%s}\n", e.Place.Addr, sections))
	if err := l.Open(); err != nil {
		e.Fatalf("Open: %v", err)
	}
	l.Wish(nil, nil, nil)
	return &bench{e, l}
}

func (b *bench) counts() *haproxy.Counts { return b.l.IO.(*haproxy.Listener).Counts() }

// refused wants exactly n connections refused, for reason why.
func (b *bench) refused(why haproxy.Refusal, n uint64) {
	b.Helper()
	for r := range b.counts().Refused {
		want := uint64(0)
		if haproxy.Refusal(r) == why {
			want = n
		}
		if got := b.counts().Refused[r].Load(); got != want {
			b.Errorf("%v: %d, want %d", haproxy.Refusal(r), got, want)
		}
	}
}

// dial connects over TCP, from 127.0.0.1 or the address given.
func (b *bench) dial(source string) *friotest.Probe {
	b.Helper()
	if source != "" {
		source = "src_ipaddr = " + source + "\n"
	}
	c := b.ParseText(nil, "raw client", fmt.Sprintf("home_server c {\nprotocol = tcp\ntcp {\nipaddr = %v\nport = %d\n%s}\n}\n",
		b.Place.Addr, b.Port(b.l), source))
	c.Wish(nil, nil, nil)
	if err := c.Connect(); err != nil && err != frio.ErrAgain {
		b.Fatalf("Connect: %v", err)
	}
	b.Until("the raw client is up", func() bool { return c.State() == frio.StateOpen })
	return c
}

// pair is a raw client and the connection that the listener made of it, on no loop or on the first one.
func (b *bench) pair(loop bool) (raw, conn *friotest.Probe) {
	b.Helper()
	raw = b.dial("")
	conn = b.AcceptFrom(b.l, nil)
	if !loop {
		conn.Leave()
	}
	return raw, conn
}

// silent wants conn to be waiting for its header.
func (b *bench) silent(conn *friotest.Probe, when string) {
	b.Helper()
	if s := conn.State(); s != frio.StateHandshaking {
		b.Fatalf("%s: state %v, want handshaking", when, s)
	}
	var buf [8]byte
	if n, err := conn.Read(buf[:]); n != 0 || err != frio.ErrAgain {
		b.Fatalf("%s: Read: %d, %v, want ErrAgain", when, n, err)
	}
	if n, err := conn.Write(buf[:]); n != 0 || err != frio.ErrAgain {
		b.Fatalf("%s: Write: %d, %v, want ErrAgain", when, n, err)
	}
	if got := conn.Describe(); strings.Contains(got, "198.51.100.7") {
		b.Fatalf("%s: Describe says %q", when, got)
	}
}

// shows wants conn to be open and to tell the real addresses, over those of the socket.
func (b *bench) shows(conn, raw *friotest.Probe) {
	b.Helper()
	if got, want := conn.Describe(), "haproxy+tcp "+ends; got != want {
		b.Errorf("Describe %q, want %q", got, want)
	}
	if l, r := b.Local(conn).String(), b.Remote(conn).String(); l+" <- "+r != ends {
		b.Errorf("addresses %s <- %s, want %s", l, r, ends)
	}
	l, r := conn.IO.(frio.SocketAddresser).SocketAddr()
	if l != b.Remote(raw) || r != b.Local(raw) {
		b.Errorf("socket %v <- %v, want %v <- %v", l, r, b.Remote(raw), b.Local(raw))
	}
	if s := conn.State(); s != frio.StateOpen {
		b.Errorf("state %v, want open", s)
	}
}

// fails waits for conn to fail, and returns why; both directions and the state must say the same.
func (b *bench) fails(conn *friotest.Probe) error {
	b.Helper()
	end := b.ExpectEnd(conn)
	if _, err := conn.Write([]byte("x")); err == nil || err.Error() != end.Error() {
		b.Errorf("Read: %v, but Write: %v", end, err)
	}
	if s := conn.State(); s != frio.StateFailed {
		b.Errorf("state %v after %v, want failed", s, end)
	}
	return end
}
