package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
)

// circleText is a gateway whose home server h0 is the gateway itself, by another of its listens, and which has a good one for good.example.
func circleText(stack string, connections int) string {
	pre := new(world)
	return udpListen + fmt.Sprintf("listen back {\n\tprotocol = %s\n\t%[1]s {\n\t\tipaddr = 192.0.2.1\n\t\tport = 1912\n\t}\n}\n", stack) +
		"client self {\n\tipaddr = 192.0.2.1\n\tsecret = testing123\n}\n" +
		fmt.Sprintf("home_server h0 {\n\tproto = %s\n\tipaddr = 192.0.2.1\n\tport = 1912\n\tacct_port = 1912\n\tsecret = testing123\n\tstatus_check = none\n"+
			"\tlimit {\n\t\tmax_connections = %d\n\t}\n}\n", stack, connections) +
		pre.homeOnText(1, "udp", "") + poolText +
		"home_server_pool good {\n\thome_server = h1\n}\nrealm good.example {\n\tauth_pool = good\n}\n"
}

// full is a request of a size, in bytes: what add adds, and filling.
func full(code radius.Code, id uint8, size int, add func(b *radius.Builder)) []byte {
	n := len(buildCode(code, id, add))
	return buildCode(code, id, func(b *radius.Builder) {
		add(b)
		fill(b, size-n)
	})
}

// A packet goes in a circle, through a home server that is the gateway itself. It is found out whatever its size is, also where our Proxy-State has
// no room in it: then after a few turns. Other clients are served meanwhile.
func TestLoopCircle(t *testing.T) {
	for _, c := range []struct {
		code        radius.Code
		size, turns int
	}{
		{radius.AccessRequest, 4096, sameMax - 1}, {radius.AccessRequest, 4090, sameMax - 1}, {radius.AccessRequest, 4087, sameMax - 1},
		{radius.AccessRequest, 4086, 0}, {radius.AccessRequest, 4000, 0},
		{radius.AccountingRequest, 4096, sameMax - 1}, {radius.AccountingRequest, 4090, sameMax - 1}, {radius.AccountingRequest, 4000, 0},
	} {
		for _, stack := range []string{"udp", "tcp"} {
			for _, threads := range []struct{ lanes, connections int }{{1, 8}, {2, 8}, {2, 1}} { // with one connection requests are handed over
				t.Run(fmt.Sprintf("%v of %d, %s, %d lanes, %d connections", c.code, c.size, stack, threads.lanes, threads.connections), func(t *testing.T) {
					w := newWorldOf(t, sim.New(1, sim.Options{}), threads.lanes, circleText(stack, threads.connections))
					w.gateway.SetLog(Log{})
					w.home(1)
					nas := w.udp(w.nas, "192.0.2.2:4000", nil)
					req := full(c.code, 1, c.size, func(b *radius.Builder) { b.HidePassword(keys, []byte("hello")) })
					if len(req) != c.size {
						t.Fatalf("it has %d bytes", len(req))
					}
					for range 3 { // a copy of the client is none of the circle's turns
						nas.send("192.0.2.1:1812", req)
						w.pass(100 * time.Millisecond)
					}
					self, from := w.gateway.clients["/self"], w.gateway.clients["/nas"]
					loops := self.Outcomes[OutcomeLoop].Load()
					turns := int(self.Requests.Load() - self.Duplicates.Load() - loops)
					if turns != c.turns || loops < 1 || loops > 3 || from.Outcomes[OutcomeLoop].Load() != 0 {
						t.Errorf("%d turns, %d loops; of the client: %d", turns, loops, from.Outcomes[OutcomeLoop].Load())
					}
					nas.got = nil
					other := access(7, "bob@good.example", "hello")
					nas.send("192.0.2.1:1812", other)
					if p := w.reply(nas.receive(), other); p.Code() != radius.AccessAccept {
						t.Errorf("another request: %v", p.Code())
					}
					w.pass(time.Minute)
					for i := range w.gateway.marks.count {
						if n := w.gateway.marks.count[i].Load(); n != 0 {
							t.Fatalf("%d are marked at the end", n)
						}
					}
				})
			}
		}
	}
}

// Long packets that look the same are no loop: those of other users or NASes never, and the same one under other identifiers a few times.
func TestLoopLookAlikes(t *testing.T) {
	w := newWorld(t, udpListen+"client two {\n\tipaddr = 192.0.2.6\n\tsecret = testing123\n}\n"+homeText(0, "")+poolText)
	w.gateway.SetLog(Log{})
	h := w.home(0)
	h.answer = func(radius.Packet) []byte { return nil } // checks are answered
	one, two := w.udp(w.nas, "192.0.2.2:4000", nil), w.udp(w.homes[3], "192.0.2.6:4000", nil)
	for id := range uint8(50) {
		same := func(b *radius.Builder) {
			b.AddString(radius.UserName, "bob")
			b.AddUint32(radius.NASPort, uint32(id))
			b.HidePassword(keys, []byte("hello"))
		}
		one.send("192.0.2.1:1812", full(radius.AccessRequest, id, 4096, same))
		two.send("192.0.2.1:1812", full(radius.AccessRequest, id+100, 4096, same))
		w.pass(10 * time.Millisecond)
	}
	if h.count != 100 {
		t.Errorf("the home server got %d of 100", h.count)
	}
	w.pass(time.Minute)
	h.count = 0
	for id := range uint8(2 * sameMax) {
		one.send("192.0.2.1:1812", full(radius.AccessRequest, 200+id, 4096, func(*radius.Builder) {}))
	}
	w.pass(10 * time.Millisecond)
	if n := w.gateway.clients["/nas"].Outcomes[OutcomeLoop].Load(); h.count != sameMax || n != sameMax {
		t.Errorf("of %d that look the same the home server got %d, %d were loops", 2*sameMax, h.count, n)
	}
}
