package main

import (
	"bytes"
	"crypto/md5"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// simulated is radclient and a home server on two simulated hosts.
type simulated struct {
	t     *testing.T
	world *sim.World
	loops [2]*event.Loop // home's, client's
	hosts [2]*sim.Kernel
	home  *homeServer
	s     *sender
	out   bytes.Buffer
	errs  bytes.Buffer
}

// simulate makes both, from the flags that are given, in the way of the program, and the input.
func simulate(t *testing.T, stack, in string, f radclientFlags) *simulated {
	t.Helper()
	x := &simulated{t: t, world: sim.New(1, sim.Options{})}
	var roots [2]*talloc.Context
	for i, name := range []string{"home", "client"} {
		x.hosts[i] = x.world.Host(name, netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}))
		roots[i] = talloc.Root(name)
		sock.SetKernel(roots[i], x.hosts[i])
		loop, err := event.New(roots[i], x.hosts[i], event.Config{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		x.loops[i] = loop
	}
	x.home = newHome(t, x.loops[0], roots[0], strings.ReplaceAll(listenText(stack, "", 1812), "127.0.0.1", "192.0.2.1"))
	f.count, f.tries, f.parallel = max(f.count, 1), max(f.tries, 1), max(f.parallel, 1)
	if f.timeout == 0 {
		f.timeout = time.Second
	}
	text, err := f.section(stack, "192.0.2.1:1812")
	if err != nil {
		t.Fatal(err)
	}
	one, mistakes := f.parse(roots[1], text)
	if mistakes != nil {
		t.Fatal(mistakes)
	}
	keys, requests, err := f.input(testSecret, streams{in: strings.NewReader(in)})
	if err != nil {
		t.Fatal(err)
	}
	f.summary = true
	x.s = newSender(f, streams{nil, &x.out, &x.errs}, x.loops[1], roots[1], keys, requests, one)
	t.Cleanup(func() {
		x.home.close()
		x.world.Advance(time.Minute)
		for i, loop := range x.loops {
			loop.Close()
			roots[i].Free()
			if n := x.hosts[i].Descriptors(); n != 0 {
				t.Errorf("%s: %d descriptors are left", x.hosts[i].Name(), n)
			}
		}
	})
	return x
}

// run goes on until radclient has ended, and returns the virtual time that it took.
func (x *simulated) run(code int, want ...string) time.Duration {
	x.t.Helper()
	began := x.world.Now()
	x.s.begin()
	if err := x.world.Run(func() bool { return x.s.over }, x.loops[:]...); err != nil {
		x.t.Fatalf("%v; %s%s", err, &x.out, &x.errs)
	}
	if got := x.s.exitCode(); got != code {
		x.t.Errorf("exit code %d, want %d", got, code)
	}
	for _, text := range want {
		if !strings.Contains(x.out.String()+x.errs.String(), text) {
			x.t.Errorf("there is no %q", text)
		}
	}
	if x.t.Failed() {
		x.t.Logf("standard output:\n%sstandard error:\n%s", &x.out, &x.errs)
	}
	return x.world.Now().Sub(began)
}

// serve opens the home server.
func (x *simulated) serve() *simulated {
	x.home.open()
	return x
}

// A request is sent again, as it was, at most -r times, and the answer to any of them counts once.
func TestSimRadclientTries(t *testing.T) {
	for _, c := range []struct {
		tries, deafTo int
		code          int
		took          time.Duration
		want          string
	}{
		{1, 0, 0, 0, "Sent again    : 0\n"},
		{3, 1, 0, time.Second, "Sent again    : 1\n"},
		{3, 2, 0, 2 * time.Second, "Sent again    : 2\n"},
		{3, 3, 3, 3 * time.Second, "no answer to 3 tries; is the secret right"},
		{1, 1, 3, time.Second, "no answer within 1s; is the secret right"},
	} {
		x := simulate(t, "udp", bob, radclientFlags{tries: c.tries}).serve()
		x.home.change = func(seen int, _ radius.Packet, reply []byte) []byte {
			if seen < c.deafTo {
				return nil
			}
			return reply
		}
		if took := x.run(c.code, c.want).Truncate(time.Second); took != c.took {
			t.Errorf("%+v: took %v", c, took)
		}
		for _, p := range x.home.requests {
			if !bytes.Equal(p, x.home.requests[0]) {
				t.Errorf("%+v: what was sent again differs", c)
			}
		}
		if n := x.home.count(); n != min(c.tries, c.deafTo+1) {
			t.Errorf("%+v: %d packets have come", c, n)
		}
	}
}

// Over a stream nothing is sent again.
func TestSimRadclientStreamOnce(t *testing.T) {
	x := simulate(t, "tcp", bob, radclientFlags{tries: 5}).serve()
	x.home.change = func(int, radius.Packet, []byte) []byte { return nil }
	if took := x.run(3, "no answer within 1s", "Lost          : 1\n"); took.Truncate(time.Second) != time.Second {
		t.Errorf("took %v", took)
	}
	if n := x.home.count(); n != 1 {
		t.Errorf("%d packets have come", n)
	}
}

// A wrong reply costs nothing but itself: the right one behind it counts.
func TestSimRadclientWrongReplies(t *testing.T) {
	stranger := radius.NewKeys([]byte("other"))
	for _, c := range []struct {
		name   string
		change func(p radius.Packet, reply []byte) []byte
		want   string
	}{
		{"another secret", func(p radius.Packet, reply []byte) []byte {
			b := radius.NewReply(nil, radius.AccessAccept, p)
			out, _ := b.Seal(stranger)
			return out
		}, "wrong authenticator; is the secret right?"},
		{"Message-Authenticator", func(p radius.Packet, reply []byte) []byte {
			return unsigned(p, append([]byte{byte(radius.MessageAuthenticator), 18}, make([]byte, 16)...))
		}, "wrong Message-Authenticator"},
		{"another request's", func(p radius.Packet, reply []byte) []byte {
			return append([]byte{reply[0], reply[1] + 1}, reply[2:]...)
		}, "Dropped       : 1\n"},
		{"no answer to this", func(p radius.Packet, reply []byte) []byte {
			b := radius.NewReply(nil, radius.CoAACK, p)
			out, _ := b.Seal(radius.NewKeys([]byte(testSecret)))
			return out
		}, "CoA-ACK is no answer to Access-Request"},
		{"a request", func(p radius.Packet, reply []byte) []byte { return p }, "wrong authenticator"},
		{"half of it", func(p radius.Packet, reply []byte) []byte { return reply[:len(reply)/2] }, "radius: length beyond the datagram"},
		{"noise", func(p radius.Packet, reply []byte) []byte { return []byte("noise") }, "radius: length below 20"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := simulate(t, "udp", bob, radclientFlags{tries: 2}).serve()
			x.home.change = func(seen int, p radius.Packet, reply []byte) []byte {
				if seen == 0 {
					return c.change(p, reply)
				}
				return reply
			}
			x.run(0, "Received Access-Accept", "Dropped       : 1\n", c.want)
		})
	}
}

// One wrong reply on a stream costs that request, and no other one.
func TestSimRadclientWrongReplyOnStream(t *testing.T) {
	x := simulate(t, "tcp", bob, radclientFlags{count: 3, parallel: 3}).serve()
	x.home.change = func(seen int, p radius.Packet, reply []byte) []byte {
		if seen == 1 {
			reply[10] ^= 1
		}
		return reply
	}
	x.run(3, "Accepted      : 2\n", "Lost          : 1\n", "wrong authenticator; is the secret right?")
	if n := len(x.home.peers()); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// What is no RADIUS ends the connection; what is left is sent on another where one was answered before.
func TestSimRadclientLostFraming(t *testing.T) {
	x := simulate(t, "tcp", bob, radclientFlags{count: 4}).serve()
	x.home.change = func(seen int, p radius.Packet, reply []byte) []byte {
		if seen == 1 {
			return append(reply[:0:0], 2, 0, 0, 3)
		}
		return reply
	}
	x.run(3, "what comes is no RADIUS: radius: length below 20", "Accepted      : 3\n", "Lost          : 1\n", "Not sent      : 0\n")
	if n := len(x.home.peers()); n != 2 {
		t.Errorf("%d connections", n)
	}
	x = simulate(t, "tcp", bob, radclientFlags{count: 4}).serve()
	x.home.change = func(int, radius.Packet, []byte) []byte { return []byte{2, 0, 0xff, 0xff} }
	x.run(3, "radius: length above 4096", "Lost          : 1\n", "Not sent      : 3\n")
	if n := len(x.home.peers()); n != 1 {
		t.Errorf("%d connections though nobody ever answered", n)
	}
}

// A server that closes between two requests costs none.
func TestSimRadclientReconnects(t *testing.T) {
	x := simulate(t, "tcp", bob, radclientFlags{count: 3, rate: 1}).serve()
	x.home.change = func(seen int, p radius.Packet, reply []byte) []byte {
		if seen == 0 {
			c := x.home.conns[0]
			x.home.held = append(x.home.held, func() { c.Write(reply); c.Close() })
			return nil
		}
		return reply
	}
	x.run(0, "Accepted      : 3\n", "the peer has closed the connection")
	if n := len(x.home.peers()); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// Replies arrive byte by byte, and many at once.
func TestSimRadclientPieces(t *testing.T) {
	x := simulate(t, "tcp", bob, radclientFlags{count: 300, parallel: 300}).serve()
	x.hosts[1].SetFaults(sim.Faults{Partial: 0.5, Again: 0.2})
	x.home.hold = 100
	x.run(0, "Accepted      : 300\n")
}

// A peer that takes nothing is waited for no longer than for an answer.
func TestSimRadclientStalled(t *testing.T) {
	x := simulate(t, "tcp", strings.Repeat("Class = \""+strings.Repeat("x", 200)+"\"\n", 15), radclientFlags{count: 1000, parallel: 256})
	x.home.deaf = true
	x.serve()
	if took := x.run(3, "the peer does not take what is sent", "Accepted      : 0\n"); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// Connecting is waited for as long as the method says, not as long as for an answer.
func TestSimRadclientSlowConnect(t *testing.T) {
	x := simulate(t, "tcp", bob, radclientFlags{}).serve()
	x.world.SetLink(x.hosts[0], x.hosts[1], sim.Link{DelayMin: 600 * time.Millisecond, DelayMax: 600 * time.Millisecond})
	x.s.timeout = 1300 * time.Millisecond
	x.run(0, "Accepted      : 1\n")
	x = simulate(t, "tcp", bob, radclientFlags{count: 2}).serve()
	x.world.SetLink(x.hosts[0], x.hosts[1], sim.Link{Loss: 1})
	if took := x.run(3, "connect_timeout", "Not sent      : 1\n"); took.Truncate(time.Second) != 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// That nobody listens ends it, unless somebody did before.
func TestSimRadclientRefused(t *testing.T) {
	x := simulate(t, "udp", bob, radclientFlags{tries: 10})
	if took := x.run(3, "connection refused"); took > time.Second {
		t.Errorf("took %v", took)
	}
	x = simulate(t, "udp", bob, radclientFlags{count: 2, tries: 4}).serve()
	var again *homeServer
	x.home.change = func(seen int, p radius.Packet, reply []byte) []byte {
		x.home.held = append(x.home.held, func() {
			x.home.one.(frio.PacketIO).WritePackets([]frio.Packet{{Data: reply, Remote: only(x.home.from)}})
			x.home.one.Close()
		})
		return nil
	}
	back := &later{f: func() {
		again = newHome(t, x.loops[0], x.home.ctx, strings.ReplaceAll(listenText("udp", "", 1812), "127.0.0.1", "192.0.2.1"))
		again.open()
	}}
	var timer event.Timer
	timer.Init(back)
	timer.Set(x.loops[0], x.world.Now().Add(2500*time.Millisecond))
	took := x.run(0, "Accepted      : 2\n", "Sent again    : 3\n")
	if again == nil || again.count() != 1 || took.Truncate(time.Second) != 3*time.Second {
		t.Errorf("took %v", took)
	}
	again.close()
}

// later calls a function.
type later struct{ f func() }

func (l *later) Expire(time.Time) { l.f() }
func (l *later) Describe() string { return "test" }

func only(m map[netip.AddrPort]int) (a netip.AddrPort) {
	for a = range m {
	}
	return a
}

// -n spaces the requests evenly, whatever the answers do; those that cannot begin in time are not caught up with all at once.
func TestSimRadclientRate(t *testing.T) {
	x := simulate(t, "udp", bob, radclientFlags{count: 50, rate: 10, parallel: 256}).serve()
	took := x.run(0, "Accepted      : 50\n")
	if took < 4900*time.Millisecond || took > 5*time.Second {
		t.Errorf("50 requests at 10 a second took %v", took)
	}
	x = simulate(t, "udp", bob, radclientFlags{count: 20, rate: 10, parallel: 1, tries: 5}).serve()
	x.home.change = func(seen int, _ radius.Packet, reply []byte) []byte {
		if seen < 4 {
			return nil
		}
		return reply
	}
	took = x.run(0, "Accepted      : 20\n")
	// A second of the four is caught up with: 10 requests at once, 9 evenly spaced.
	if took < 4700*time.Millisecond || took > 5*time.Second {
		t.Errorf("20 requests, of which the first took 4 s, took %v", took)
	}
}

// No more than -p wait at once.
func TestSimRadclientWindow(t *testing.T) {
	for _, parallel := range []int{1, 7, 256, 257} {
		x := simulate(t, "udp", bob, radclientFlags{count: 2 * parallel, parallel: parallel, tries: 1}).serve()
		x.home.change = func(int, radius.Packet, []byte) []byte { return nil }
		took := x.run(3, "Lost          : "+strconv.Itoa(2*parallel)+"\n")
		if took.Truncate(time.Second) != 2*time.Second || x.home.count() != 2*parallel {
			t.Errorf("%d of %d requests in %v", x.home.count(), 2*parallel, took)
		}
		if n := len(x.home.peers()); n != (parallel+255)/256 {
			t.Errorf("-p %d: %d sockets", parallel, n)
		}
	}
}

// unsigned is an Access-Accept as servers of old make it.
func unsigned(p radius.Packet, attributes []byte) []byte {
	reply := append([]byte{byte(radius.AccessAccept), p.ID(), 0, byte(radius.HeaderSize + len(attributes))}, p.Authenticator()...)
	reply = append(reply, attributes...)
	sum := md5.Sum(append(reply[:len(reply):len(reply)], testSecret...))
	copy(reply[4:], sum[:])
	return reply
}

// A reply without Message-Authenticator is noted once, and with -b is none.
func TestSimRadclientUnsigned(t *testing.T) {
	plain := func(_ int, p radius.Packet, _ []byte) []byte { return unsigned(p, nil) }
	x := simulate(t, "udp", bob, radclientFlags{count: 3}).serve()
	x.home.change = plain
	x.run(0, "Accepted      : 3\n")
	if n := strings.Count(x.errs.String(), "BlastRADIUS"); n != 1 {
		t.Errorf("noted %d times", n)
	}
	x = simulate(t, "udp", bob, radclientFlags{strict: true}).serve()
	x.home.change = plain
	x.run(3, "no Message-Authenticator", "Dropped       : 1\n")
}

// Doubled, delayed and lost datagrams: each request is answered once.
func TestSimRadclientFaults(t *testing.T) {
	for seed := range uint64(5) {
		x := simulate(t, "udp", bob+"\nUser-Name = bob\nAcct-Status-Type = Start\n", radclientFlags{count: 500, parallel: 40, tries: 100, timeout: 50 * time.Millisecond}).serve()
		x.world.SetLink(x.hosts[0], x.hosts[1], sim.Link{DelayMin: time.Millisecond, DelayMax: time.Duration(20+seed*20) * time.Millisecond, Loss: 0.1, Duplicate: 0.1})
		x.run(0, "Accepted      : 1000\n", "Lost          : 0\n")
	}
}

func TestReadRequestsTruncated(t *testing.T) {
	text := bob + "\nUser-Name = \"alice\", CHAP-Password = 0x00112233\nTunnel-Type:1 = VLAN\n\nPacket-Type = 4\nAcct-Status-Type = Stop"
	for n := range text {
		list, err := readRequests("x", strings.NewReader(text[:n]), 0)
		if err == nil && len(list) > 3 || err != nil && !strings.HasPrefix(err.Error(), "x:") {
			t.Errorf("%q: %d requests, %v", text[:n], len(list), err)
		}
	}
}
