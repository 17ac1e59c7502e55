package tls_test

import (
	"net"
	"testing"
	"time"

	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/tls/dtls"
)

// rawPeer is a DTLS client whose datagrams the test sends itself.
type rawPeer struct {
	tb   testing.TB
	conn net.Conn
	eng  *dtls.Engine
	name string // in its hello; "": that of rawConfig
	err  error  // of the last datagram that came
	buf  [2048]byte
}

// dialRaw makes the socket only.
func dialRaw(e *friotest.Env, l *friotest.Probe) *rawPeer {
	e.Helper()
	conn, err := net.Dial("udp", e.Local(l).String())
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(time.Minute)) // its timer is there from now on
	return &rawPeer{tb: e.TB, conn: conn}
}

var rawConfig = &dtls.Config{InsecureSkipVerify: true, ServerName: "server.example.org"}

func (p *rawPeer) start(now time.Time) {
	p.tb.Helper()
	cfg := *rawConfig
	if p.name != "" {
		cfg.ServerName = p.name
	}
	var err error
	if p.eng, err = dtls.NewClient(&cfg); err == nil {
		err = p.eng.Start(now)
	}
	if err != nil {
		p.tb.Fatal(err)
	}
	p.flush(now)
}

// flush sends what the engine wants sent.
func (p *rawPeer) flush(now time.Time) {
	p.tb.Helper()
	for _, d := range p.eng.Out() {
		p.send(d)
	}
	p.eng.Sent(now)
}

func (p *rawPeer) send(d []byte) {
	p.tb.Helper()
	if _, err := p.conn.Write(d); err != nil {
		p.tb.Fatal(err)
	}
}

// seal is one record of application data.
func (p *rawPeer) seal(data string) []byte {
	p.tb.Helper()
	d, _, err := p.eng.Seal(nil, []byte(data))
	if err != nil {
		p.tb.Fatal(err)
	}
	return d
}

// read looks for a datagram; nil if there is none.
func (p *rawPeer) read() []byte {
	p.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, err := p.conn.Read(p.buf[:])
	if err != nil {
		return nil
	}
	return p.buf[:n]
}

// receive is read for the engine; false if there is nothing.
func (p *rawPeer) receive(now time.Time) bool {
	d := p.read()
	if d == nil {
		return false
	}
	_, p.err = p.eng.Feed(now, d)
	return true
}

// open completes the handshake with l.
func (p *rawPeer) open(e *friotest.Env, l *friotest.Probe) (child *friotest.Probe) {
	e.Helper()
	p.start(e.Loop.Now())
	e.Until("the cookie", func() bool { return p.receive(e.Loop.Now()) })
	p.flush(e.Loop.Now())
	child = e.AcceptFrom(l, nil)
	child.Wish(nil, nil, nil)
	e.Until("an association", func() bool {
		if p.receive(e.Loop.Now()) {
			p.flush(e.Loop.Now())
		}
		return p.eng.State() == dtls.Open
	})
	opened(e, child)
	return child
}

func datagramListener(e *friotest.Env, more, limit string) *friotest.Probe {
	e.Helper()
	listen, _ := sections(e.TB, more, "")
	l := e.ParseText(nil, "listener", "listen {\nprotocol = tls+udp\nudp {\nipaddr = 127.0.0.1\nport = 0\n}\n"+listen+"limit {\n"+limit+"}\n}\n")
	if err := l.Open(); err != nil {
		e.Fatal(err)
	}
	l.Wish(nil, func() {}, nil) // so that it reads
	return l
}
