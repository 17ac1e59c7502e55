package dtls

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"
	"time"
)

// lossConfigs is a handshake with all its messages: client certificate and ticket.
func lossConfigs(resume bool) (sc, cc *Config) {
	sc, cc = configs(keyECDSA)
	sc.ClientAuth = tls.RequireAndVerifyClientCert
	sc.TicketKeys, cc.Sessions = NewTicketKeys([32]byte{1}), NewSessionCache(1)
	sc.MTU, cc.MTU = 512, 512 // more datagrams
	sc.Retransmits, cc.Retransmits = 14, 14
	if resume {
		sc.MTU, cc.MTU = 0, 0
	}
	return sc, cc
}

// lossPath returns a path for which a ticket is there already if resume.
func lossPath(t *testing.T, resume bool) *path {
	sc, cc := lossConfigs(resume)
	if resume {
		newPath(t, sc, cc).open()
	}
	return newPath(t, sc, cc)
}

// finishUnder runs the handshake and checks what has to hold at its end.
func finishUnder(t *testing.T, p *path, limit time.Duration, resume bool, what string) {
	t.Helper()
	p.start()
	if !p.run(limit, p.bothOpen) {
		t.Fatalf("%s: not open within %v: %s", what, limit, p)
	}
	p.carry = nil
	p.settle(time.Second)
	if len(p.got[0])+len(p.got[1]) != 0 {
		t.Fatalf("%s: read %q before anything was written", what, p.got)
	}
	if p.client.ConnectionState().DidResume != resume {
		t.Fatalf("%s: resumed %v", what, !resume)
	}
	p.echo("after " + what)
}

// With each datagram lost in turn, and each pair, the handshake ends within the time-outs of the flights they are
// from: 1 s for one datagram lost; 1 + 2 s, or 1 s and 2 s kept for the next flight and another, for two.
func TestEveryLoss(t *testing.T) {
	for _, resume := range []bool{false, true} {
		p := lossPath(t, resume)
		p.open()
		total := p.sent
		t.Logf("resume %v: %d datagrams", resume, total)
		if total < 5 {
			t.Fatalf("only %d datagrams", total)
		}
		for i := range total {
			for j := i; j < total+6; j++ {
				p := lossPath(t, resume)
				p.carry = func(d *packet) int {
					if d.n == i || d.n == j {
						return 0
					}
					return 1
				}
				limit := 2 * time.Second
				if j != i {
					limit = 6 * time.Second
				}
				finishUnder(t, p, limit, resume, fmt.Sprintf("loss of %d and %d", i, j))
			}
		}
	}
}

func TestEveryDuplicateAndDelay(t *testing.T) {
	for _, resume := range []bool{false, true} {
		p := lossPath(t, resume)
		p.open()
		total := p.sent
		for i := range total {
			p := lossPath(t, resume)
			p.carry = func(d *packet) int {
				if d.n == i {
					return 3
				}
				return 1
			}
			finishUnder(t, p, time.Second, resume, fmt.Sprintf("three copies of %d", i))
			if n := p.client.Counts().Retransmits + p.server.Counts().Retransmits; n != 0 {
				t.Errorf("copies of %d caused %d retransmissions", i, n)
			}
			for _, delay := range []time.Duration{15 * time.Millisecond, 300 * time.Millisecond, 1500 * time.Millisecond} {
				p = lossPath(t, resume)
				p.carry = func(d *packet) int {
					if d.n == i {
						d.at = d.at.Add(delay)
					}
					return 1
				}
				finishUnder(t, p, 4*time.Second, resume, fmt.Sprintf("delay of %d by %v", i, delay))
			}
		}
		// All of a flight in reverse order.
		p = lossPath(t, resume)
		p.carry = func(d *packet) int {
			d.at = d.at.Add(-time.Duration(d.n) * time.Microsecond)
			return 1
		}
		finishUnder(t, p, time.Second, resume, "reverse order")
		if n := p.client.Counts().Retransmits + p.server.Counts().Retransmits; n != 0 {
			t.Errorf("reverse order caused %d retransmissions", n)
		}
	}
}

// lcg gives a repeatable sequence.
type lcg uint64

func (g *lcg) next(n int) int {
	*g = *g*6364136223846793005 + 1442695040888963407
	return int(uint64(*g)>>33) % n
}

func TestRandomLoss(t *testing.T) {
	for seed := range 300 {
		resume := seed%3 == 0
		p := lossPath(t, resume)
		g := lcg(seed)
		p.carry = func(d *packet) int {
			d.at = d.at.Add(time.Duration(g.next(400)) * time.Millisecond)
			switch k := g.next(100); {
			case k < 25:
				return 0
			case k < 35:
				return 2
			}
			return 1
		}
		finishUnder(t, p, 10*time.Minute, resume, fmt.Sprintf("seed %d", seed))
	}
}

// Data under loss, copies and delay: nothing twice, nothing altered.
func TestDataOnce(t *testing.T) {
	sc, cc := configs(keyECDSA)
	p := newPath(t, sc, cc)
	p.open()
	g := lcg(1)
	p.carry = func(d *packet) int {
		d.at = d.at.Add(time.Duration(g.next(50)) * time.Millisecond)
		return g.next(4)
	}
	for i := range 500 {
		p.write(p.client, fmt.Sprint("c", i))
		p.write(p.server, fmt.Sprint("s", i))
		p.now = p.now.Add(time.Millisecond)
		if i%10 == 0 {
			p.settle(5 * time.Millisecond)
		}
	}
	p.settle(time.Second)
	for i, got := range p.got {
		if len(got) < 200 {
			t.Errorf("end %d read %d", i, len(got))
		}
		seen := map[string]bool{}
		for _, s := range got {
			var n int
			if _, err := fmt.Sscanf(s, []string{"s%d", "c%d"}[i], &n); err != nil || n >= 500 {
				t.Errorf("end %d read %q", i, s)
			}
			if seen[s] {
				t.Errorf("end %d read %q twice", i, s)
			}
			seen[s] = true
		}
	}
	if c := p.server.Counts(); c.Replayed == 0 {
		t.Errorf("no copies seen: %+v", c)
	}
}

func TestTimeout(t *testing.T) {
	_, cc := configs(keyECDSA)
	p := newPath(t, cc2server(), cc)
	var at []time.Duration
	p.carry = func(*packet) int {
		at = append(at, p.now.Sub(epochStart))
		return 0
	}
	p.start()
	p.settle(10 * time.Minute)
	want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123}
	if len(at) != len(want) {
		t.Fatalf("sent at %v", at)
	}
	for i := range want {
		if at[i] != want[i]*time.Second {
			t.Errorf("sent at %v, want %v s", at, want)
			break
		}
	}
	if p.client.State() != Failed || p.client.Err() != ErrTimeout {
		t.Errorf("%s", p)
	}
	if p.client.MTU() != minMTU {
		t.Errorf("MTU %d after six lost flights", p.client.MTU())
	}
}

func cc2server() *Config { sc, _ := configs(keyECDSA); return sc }

// A client that lost its association comes back from the same address: the old one lives until the new hello has
// proven its address.
func TestRestartSameAddress(t *testing.T) {
	sc, cc := configs(keyECDSA)
	p := newPath(t, sc, cc)
	p.open()
	p.echo("first")
	old, oldClient := p.server, p.client
	// Hellos without cookie, and garbage, do not touch it.
	p.deliver(packet{toServer: true, b: firstHello(t)})
	p.deliver(packet{toServer: true, b: []byte("garbage")})
	p.wire = nil
	if p.server != old || old.State() != Open {
		t.Fatal("a hello without cookie touched the association")
	}
	p.echo("still there")
	next, err := NewClient(cc)
	if err != nil {
		t.Fatal(err)
	}
	p.client = next
	p.start()
	if !p.run(time.Minute, func() bool { return p.bothOpen() && p.server != old }) || p.accepted != 2 {
		t.Fatalf("second association: %s, %d made", p, p.accepted)
	}
	p.echo("second")
	// What the first client sends cannot be read by the second server.
	d, _, _ := oldClient.Seal(nil, []byte("of the first"))
	p.got = [2][]string{}
	p.deliver(packet{toServer: true, b: d})
	if p.drain(p.server); len(p.got[1]) != 0 || p.server.Counts().Forged+p.server.Counts().Replayed == 0 {
		t.Errorf("read %q", p.got[1])
	}
	if _, err := old.Feed(p.now, d); err != nil || !old.Held() {
		t.Errorf("the first server does not read its own client any more: %v", err)
	}
}

func TestSmallMTUBigChain(t *testing.T) {
	sc, cc := configs(keyRSA)
	sc.ClientAuth = tls.RequireAndVerifyClientCert
	for _, c := range []*Config{sc, cc} {
		leaf := c.Certificates[0]
		for range 6 { // not needed for the chain, but sent
			leaf.Certificate = append(leaf.Certificate, testPKI().issue(keyRSA, 0, "filler.example.org", func(c *x509.Certificate) {
				c.IsCA, c.BasicConstraintsValid = true, true
			}).Certificate[0])
		}
		c.Certificates = []tls.Certificate{leaf}
		c.MTU = minMTU
	}
	for _, lost := range []int{-1, 0, 7, 20, 33} {
		p := newPath(t, sc, cc)
		longest := 0
		p.carry = func(d *packet) int {
			longest = max(longest, len(d.b))
			if d.n == lost {
				return 0
			}
			return 1
		}
		p.open()
		if longest > minMTU || p.sent < 40 {
			t.Errorf("%d datagrams, longest %d", p.sent, longest)
		}
		p.carry = nil
		p.echo("data")
	}
}

func TestMTUExceeded(t *testing.T) {
	sc, cc := configs(keyECDSA)
	sc.MTU, cc.MTU = 1200, 1200
	p := newPath(t, sc, cc)
	// A path that takes 400 bytes, and says nothing: the MTU falls after two flights lost.
	p.carry = func(d *packet) int {
		if len(d.b) > 400 {
			return 0
		}
		return 1
	}
	p.open()
	if p.server.MTU() > 400 {
		t.Errorf("MTU %d", p.server.MTU())
	}
	// One that says so.
	p = newPath(t, sc, cc)
	p.start()
	p.run(time.Minute, func() bool {
		for _, e := range []*Engine{p.client, p.server} {
			for e != nil && len(e.Out()) > 0 && len(e.Out()[0]) > 400 && e.MTUExceeded() {
			}
		}
		return p.bothOpen()
	})
	if !p.bothOpen() {
		t.Fatal(p)
	}
	p.echo(string(make([]byte, 4096)))
}
