package dtls

import (
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

var (
	clientAddr = netip.MustParseAddrPort("192.0.2.1:40000")
	serverAddr = netip.MustParseAddrPort("198.51.100.7:2083")
)

// path is a client, a gate with a server behind it, and a network between them, in virtual time.
type path struct {
	t        testing.TB
	now      time.Time
	client   *Engine
	server   *Engine // nil until the gate accepted
	cfg      *Config // of the server
	gate     *Gate
	scratch  [GateScratch]byte
	wire     []packet
	sent     int                          // datagrams sent so far, both directions
	carry    func(p *packet) (copies int) // what the network does with a datagram; nil: one copy at once
	accepted int                          // engines made
	got      [2][]string                  // what client and server read
	onServer func(e *Engine)
}

type packet struct {
	n        int // its number
	toServer bool
	at       time.Time
	b        []byte
}

func newPath(t testing.TB, server, client *Config) *path {
	t.Helper()
	keys, err := NewCookieKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &path{t: t, now: epochStart, cfg: server, gate: NewGate(keys)}
	if p.client, err = NewClient(client); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *path) post(toServer bool, b []byte) {
	d := packet{n: p.sent, toServer: toServer, at: p.now.Add(10 * time.Millisecond), b: append([]byte(nil), b...)}
	p.sent++
	copies := 1
	if p.carry != nil {
		copies = p.carry(&d)
	}
	for range copies {
		p.wire = append(p.wire, d)
	}
}

// flush puts what the engines want sent on the wire, and reads what they hold.
func (p *path) flush() {
	for i, e := range []*Engine{p.client, p.server} {
		if e == nil {
			continue
		}
		for _, d := range e.Out() {
			p.post(i == 0, d)
		}
		e.Sent(p.now)
		p.drain(e)
	}
}

func (p *path) drain(e *Engine) {
	var b [maxPlaintext]byte
	for e.Held() {
		n, err := e.Read(b[:])
		if err != nil {
			p.t.Fatalf("read of a held record: %v", err)
		}
		i := 0
		if e == p.server {
			i = 1
		}
		p.got[i] = append(p.got[i], string(b[:n]))
	}
}

func (p *path) feed(e *Engine, b []byte) {
	used, err := e.Feed(p.now, b)
	if used != len(b) && e.State() != Awaiting {
		p.t.Fatalf("used %d of %d, state %v", used, len(b), e.State())
	}
	if (err != nil) != (e.State() == Failed) {
		p.t.Fatalf("feed: error %v in state %v", err, e.State())
	}
}

// deliver hands one datagram to its end, through the gate where that belongs.
func (p *path) deliver(d packet) {
	if !d.toServer {
		p.feed(p.client, d.b)
		return
	}
	if p.server == nil || IsHello(d.b) {
		reply, v, random := p.gate.Check(p.now, clientAddr, serverAddr, d.b, p.scratch[:])
		switch v {
		case Drop:
			return
		case Reply:
			if len(reply) > len(d.b) {
				p.t.Fatalf("reply of %d bytes to a hello of %d", len(reply), len(d.b))
			}
			p.post(false, reply)
			return
		}
		if p.server == nil || p.server.ClientRandom() != random {
			e, err := NewServer(p.cfg)
			if err != nil {
				p.t.Fatal(err)
			}
			if p.onServer != nil {
				p.onServer(e)
			}
			p.server = e
			p.accepted++
		}
	}
	p.feed(p.server, d.b)
}

// step does the next thing that is due: the earliest datagram, or the earliest time-out. False: nothing to come.
func (p *path) step(limit time.Time) bool {
	p.flush()
	next, at := -1, limit
	for i, d := range p.wire {
		if d.at.Before(at) {
			next, at = i, d.at
		}
	}
	var timer *Engine
	for _, e := range []*Engine{p.client, p.server} {
		if e != nil && !e.Deadline().IsZero() && e.Deadline().Before(at) {
			timer, at = e, e.Deadline()
		}
	}
	if next < 0 && timer == nil {
		return false
	}
	if at.After(p.now) {
		p.now = at
	}
	if timer != nil {
		timer.Expire(p.now)
		p.flush()
		return true
	}
	d := p.wire[next]
	p.wire = append(p.wire[:next], p.wire[next+1:]...)
	p.deliver(d)
	p.flush()
	return true
}

// run goes on until done, for at most d of virtual time.
func (p *path) run(d time.Duration, done func() bool) bool {
	limit := p.now.Add(d)
	for range 100000 {
		if done() {
			return true
		}
		if !p.step(limit) {
			return done()
		}
	}
	return false
}

func (p *path) settle(d time.Duration) { p.run(d, func() bool { return false }) }

func (p *path) bothOpen() bool {
	return p.server != nil && p.server.State() == Open && p.client.State() == Open
}

// start begins the handshake.
func (p *path) start() {
	if err := p.client.Start(p.now); err != nil {
		p.t.Fatal(err)
	}
	p.flush()
}

// open does the whole handshake.
func (p *path) open() {
	p.t.Helper()
	p.start()
	if !p.run(2*time.Minute, p.bothOpen) {
		p.t.Fatalf("not open: %s", p)
	}
}

func (p *path) String() string {
	s := fmt.Sprintf("after %v: client %v (%v)", p.now.Sub(epochStart), p.client.State(), p.client.Err())
	if p.server != nil {
		s += fmt.Sprintf(", server %v (%v)", p.server.State(), p.server.Err())
	}
	return s
}

func (p *path) write(e *Engine, text string) {
	p.t.Helper()
	d, n, err := e.Seal(nil, []byte(text))
	if err != nil || n != len(text) {
		p.t.Fatalf("seal: %d, %v", n, err)
	}
	p.post(e == p.client, d)
}

// echo sends text both ways and checks that it arrives once.
func (p *path) echo(text string) {
	p.t.Helper()
	p.got = [2][]string{}
	p.write(p.client, text)
	p.write(p.server, text)
	p.settle(time.Second)
	for i, got := range p.got {
		if len(got) != 1 || got[0] != text {
			p.t.Fatalf("end %d read %q, want %q once", i, got, text)
		}
	}
}

func wantAgain(t testing.TB, e *Engine) {
	t.Helper()
	if n, err := e.Read(make([]byte, 10)); n != 0 || err != syscall.EAGAIN {
		t.Errorf("read: %d, %v, want EAGAIN", n, err)
	}
}

func wantEOF(t testing.TB, e *Engine) {
	t.Helper()
	for range 2 {
		if n, err := e.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("read: %d, %v, want EOF", n, err)
		}
	}
}
