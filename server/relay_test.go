package server

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// relayText is a relay from listens to port of loopback.
func relayText(method string, port int, listens ...string) string {
	return strings.Replace(serverText("relay", listens...), "namespace", "target = up\nnamespace", 1) + homeServer("up", method, port)
}

// pair is a client of a relay and the connection that the target got for it.
type pair struct{ client, target *friotest.Probe }

// relayed connects a client through the relay b to the target's listener.
func relayed(b *bench, up *friotest.Probe) pair {
	b.Helper()
	c := b.dial(0)
	far := b.AcceptFrom(up, nil)
	far.Wish(nil, nil, nil)
	return pair{c, far}
}

func TestRelayStream(t *testing.T) {
	onBoth(t, func(t *testing.T, e *friotest.Env) {
		up := upstream(e, "tcp")
		b := start(e, relayText("tcp", int(e.Port(up)), tcpListen("a", "127.0.0.1", 0)))
		for _, clientFirst := range []bool{true, false} {
			p := relayed(b, up)
			e.Send(p.client, []byte("to the target"))
			e.Expect(p.target, []byte("to the target"))
			e.Send(p.target, []byte("to the client"))
			e.Expect(p.client, []byte("to the client"))
			b.steady()

			// One direction ends, the other goes on.
			first, second := p.client, p.target
			if !clientFirst {
				first, second = second, first
			}
			e.Send(first, []byte("the last of the first"))
			if err := first.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			e.Expect(second, []byte("the last of the first"))
			if err := e.ExpectEnd(second); err != io.EOF {
				t.Fatalf("the end is %v, want EOF", err)
			}
			e.Nothing(first)
			e.Send(second, pattern(300_000))
			if err := second.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got := collect(e, first); !bytes.Equal(got, pattern(300_000)) {
				t.Errorf("got %d bytes after the half-close", len(got))
			}
			b.sessionsEnd()
			b.steady()
		}
		if in, out := b.listenAt(0).counts.BytesIn.Load(), b.listenAt(0).counts.BytesOut.Load(); in+out != 2*(13+13+21+300_000) {
			t.Errorf("counted %d in, %d out", in, out)
		}
		b.finish()
	})
}

// A side that does not read holds up the other one, with one buffer for each direction.
func TestRelayBackPressure(t *testing.T) {
	onBoth(t, func(t *testing.T, e *friotest.Env) {
		up := upstream(e, "tcp")
		b := start(e, relayText("tcp", int(e.Port(up)), tcpListen("a", "127.0.0.1", 0)))
		p := relayed(b, up)
		sent := [2]int{fill(e, p.client), fill(e, p.target)}
		if total := b.ctx.Total(); total.Buffers > 2 || total.Bytes > 256<<10 {
			t.Errorf("a pair that does not read costs %d buffers, %d bytes", total.Buffers, total.Bytes)
		}
		events := e.Loop.Stats().Events
		e.Spin(10)
		if n := e.Loop.Stats().Events - events; n > 4 {
			t.Errorf("%d events while nothing can be done", n)
		}
		for _, one := range []*friotest.Probe{p.client, p.target} {
			if err := one.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		if got := collect(e, p.target); !bytes.Equal(got, pattern(sent[0])) {
			t.Errorf("the target got %d bytes, want %d", len(got), sent[0])
		}
		if got := collect(e, p.client); !bytes.Equal(got, pattern(sent[1])) {
			t.Errorf("the client got %d bytes, want %d", len(got), sent[1])
		}
		b.sessionsEnd()
		b.steady()
		b.finish()
	})
}

// Nobody listens at the target: the client's connection is closed, and the log says why.
func TestRelayRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, e *friotest.Env) {
		up := upstream(e, "tcp")
		port := int(e.Port(up))
		up.Close()
		b := start(e, relayText("tcp", port, tcpListen("a", "127.0.0.1", 0)))
		c := b.dial(0)
		if err := e.ExpectEnd(c); err != io.EOF {
			t.Errorf("the end is %v, want EOF", err)
		}
		b.sessionsEnd()
		if n := b.listenAt(0).counts.Faults[faultConnect].Load(); n != 1 {
			t.Errorf("counted %d failed connects", n)
		}
		log := b.log.String()
		if want := fmt.Sprintf("connect tcp 127.0.0.1:%d: ", port); !strings.Contains(log, want) || !strings.Contains(log, "connection refused") {
			t.Errorf("the log does not say %q and why:\n%s", want, log)
		}
		b.finish()
	})
}

// What a client sent before its limit ended it reaches the target, to the last byte that was read.
func TestRelayLostClient(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	up := upstream(e, "tcp")
	b := start(e, relayText("tcp", int(e.Port(up)), tcpListen("a", "127.0.0.1", 0, "limit {\nidle_timeout = 5s\n}")))
	p := relayed(b, up)
	fill(e, p.client) // the target does not read: the relay holds some of it
	n := &b.listenAt(0).counts
	read := int(n.BytesIn.Load())
	e.Pass(7 * time.Second)
	if b.sessions() != 0 || n.Faults[faultTimeout].Load() != 1 {
		t.Fatalf("%d sessions, %d time-outs", b.sessions(), n.Faults[faultTimeout].Load())
	}
	if got := collect(e, p.target); !bytes.Equal(got, pattern(read)) {
		t.Errorf("the target got %d bytes, want the %d that were read", len(got), read)
	}
	b.steady()
	b.finish()
}

// What a target sent before it went away reaches the client, also when what the client sends finds the target gone first.
func TestRelayLostTarget(t *testing.T) {
	onBoth(t, func(t *testing.T, e *friotest.Env) {
		up := e.ParseText(nil, "upstream", fmt.Sprintf("listen up {\nprotocol = unix\nunix {\nfilename = %s\n}\n}\n", e.Place.File))
		if err := up.Open(); err != nil {
			t.Fatal(err)
		}
		up.Wish(nil, nil, nil)
		text := strings.Replace(serverText("relay", tcpListen("a", "127.0.0.1", 0)), "namespace", "target = up\nnamespace", 1)
		b := start(e, text+fmt.Sprintf("home_server up {\nprotocol = unix\nunix {\nfilename = %s\n}\n}\n", e.Place.File))
		p := relayed(b, up)
		sent := fill(e, p.target)
		p.target.Ctx.Free() // all of it is in the kernel: close(2) loses nothing
		n := &b.listenAt(0).counts
		e.Send(p.client, []byte("nobody reads this"))
		e.Until("the relay has it", func() bool { return n.BytesIn.Load() == 17 })
		if got := collect(e, p.client); !bytes.Equal(got, pattern(sent)) {
			t.Errorf("the client got %d bytes, want %d", len(got), sent)
		}
		b.sessionsEnd()
		b.finish()
	})
}

// A connection that is reset ends the other one.
func TestRelayReset(t *testing.T) {
	onBoth(t, func(t *testing.T, e *friotest.Env) {
		up := upstream(e, "tcp")
		b := start(e, relayText("tcp", int(e.Port(up)), tcpListen("a", "127.0.0.1", 0)))
		p := relayed(b, up)
		n := &b.listenAt(0).counts
		e.Send(p.client, []byte("never read"))
		e.Until("it is at the target", func() bool { return n.BytesIn.Load() == 10 })
		e.Spin(20)
		p.target.Ctx.Free() // with unread bytes: the kernel resets
		if err := e.ExpectEnd(p.client); err != io.EOF {
			t.Errorf("the end is %v, want EOF", err)
		}
		b.sessionsEnd()
		if n.Faults[faultReset].Load() != 1 {
			t.Error("the reset was not counted")
		}
		b.finish()
	})
}

// A peer causes no connection to the target before its handshake is through.
func TestRelayHandshake(t *testing.T) {
	for _, header := range []string{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "GET / HTTP/1.0\r\n"} {
		t.Run(header[:5], func(t *testing.T) {
			e := friotest.NewEnv(t, true, 1)
			up := upstream(e, "tcp")
			listen := strings.Replace(tcpListen("a", "127.0.0.1", 7007), "protocol = tcp", "protocol = haproxy+tcp\nhaproxy {\ntrusted {\nallow = 127/8\n}\n}", 1)
			b := start(e, relayText("tcp", int(e.Port(up)), listen))
			c := e.ParseText(nil, "client", homeServer("plain", "tcp", 7007))
			c.Wish(nil, nil, nil)
			if err := c.Connect(); err != nil && err != frio.ErrAgain {
				t.Fatal(err)
			}
			e.Until("the client is connected", func() bool { return e.Step(c) })
			e.Spin(10)
			if _, err := up.Accept(nil); err != frio.ErrAgain || b.sessions() != 1 {
				t.Fatalf("a connection came during the handshake (%v, %d sessions)", err, b.sessions())
			}
			e.Send(c, []byte(header))
			if header[0] == 'P' {
				b.AcceptFrom(up, nil)
			} else {
				e.Spin(10)
				if _, err := up.Accept(nil); err != frio.ErrAgain || b.sessions() != 0 {
					t.Errorf("after a bad handshake: %v, %d sessions", err, b.sessions())
				}
			}
			b.finish()
		})
	}
}

// A client that has ended its side and waits for a target that says nothing is ended by its limit, though nothing is wished of it.
func TestRelayWatches(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	up := upstream(e, "tcp")
	b := start(e, relayText("tcp", int(e.Port(up)), tcpListen("a", "127.0.0.1", 0, "limit {\nidle_timeout = 30s\n}")))
	p := relayed(b, up)
	if err := p.client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	e.Pass(29 * time.Second)
	if b.sessions() != 1 {
		t.Error("the session ended before its time")
	}
	e.Pass(3 * time.Second)
	if b.sessions() != 0 {
		t.Error("the session outlives its limit")
	}
	if err := e.ExpectEnd(p.target); err != io.EOF {
		t.Errorf("the target's end is %v", err)
	}
	if n := b.listenAt(0).counts.Faults[faultTimeout].Load(); n != 1 {
		t.Errorf("counted %d time-outs", n)
	}
	b.finish()
}

// An idle pair costs two connections and no event.
func TestRelayIdle(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	up := upstream(e, "tcp")
	b := start(e, relayText("tcp", int(e.Port(up)), tcpListen("a", "127.0.0.1", 0)))
	p := relayed(b, up)
	e.Pass(time.Second)
	before := e.Loop.Stats()
	e.Pass(24 * time.Hour)
	if after := e.Loop.Stats(); after.Events != before.Events || after.Timers != before.Timers {
		t.Errorf("an idle day cost %d events and %d timers", after.Events-before.Events, after.Timers-before.Timers)
	}
	b.steady()
	e.Send(p.client, []byte("hello"))
	e.Expect(p.target, []byte("hello"))
	b.finish()
}

// Each peer of a relay over datagrams has a session, whose answers reach nobody else.
func TestRelayDatagrams(t *testing.T) {
	onBoth(t, func(t *testing.T, e *friotest.Env) {
		up := upstream(e, "udp")
		b := start(e, relayText("udp", int(e.Port(up)), udpListen("a", "127.0.0.1", 0)))
		clients := []*friotest.Probe{b.dial(0), b.dial(0), b.dial(0)}
		packets := make([]frio.Packet, 1)
		for round := range 3 {
			for i, c := range clients {
				e.Send(c, fmt.Appendf(nil, "client %d round %d", i, round))
			}
			for range clients {
				var got int
				e.Until("a datagram at the target", func() bool {
					packets[0] = frio.Packet{Data: make([]byte, 0, 100)}
					n, err := up.IO.(frio.PacketIO).ReadPackets(packets)
					if err != nil && err != frio.ErrAgain {
						t.Fatal(err)
					}
					got = n
					return n > 0
				})
				packets[0].Data = append([]byte("answer to "), packets[0].Data...)
				if n, err := up.IO.(frio.PacketIO).WritePackets(packets[:got]); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			for i, c := range clients {
				e.Expect(c, fmt.Appendf(nil, "answer to client %d round %d", i, round))
			}
		}
		for _, c := range clients {
			e.Nothing(c)
		}
		n := &b.listenAt(0).counts
		if n.Sessions.Load() != 3 || n.In.Load() != 9 || n.Out.Load() != 9 || n.Dropped.Load() != 0 {
			t.Errorf("%d sessions, %d in, %d out, %d dropped", n.Sessions.Load(), n.In.Load(), n.Out.Load(), n.Dropped.Load())
		}
		b.finish()
	})
}

// A session of datagrams ends after its time without any, 60 s where the listen does not say.
func TestRelayDatagramsIdle(t *testing.T) {
	for _, tt := range []struct {
		name, limit string
		alive, gone time.Duration
	}{
		{"default", "", 59 * time.Second, 61 * time.Second},
		{"given", "limit {\nidle_timeout = 5s\n}", 4 * time.Second, 6 * time.Second},
		{"never", "limit {\nidle_timeout = never\n}", 24 * time.Hour, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := friotest.NewEnv(t, true, 1)
			up := upstream(e, "udp")
			b := start(e, relayText("udp", int(e.Port(up)), udpListen("a", "127.0.0.1", 0, tt.limit)))
			c := b.dial(0)
			for range 2 {
				e.Send(c, []byte("hello"))
				e.Expect(up, []byte("hello"))
				e.Pass(tt.alive)
				if n := b.sessions(); n != 1 {
					t.Fatalf("%d sessions after %v", n, tt.alive)
				}
			}
			if tt.gone > 0 {
				e.Pass(tt.gone - tt.alive)
				if n := b.sessions(); n != 0 {
					t.Errorf("%d sessions after %v", n, tt.gone)
				}
			}
			b.finish()
		})
	}
}

// echoOver sends packets from a client of b's listen and returns what comes back.
func echoOver(b *bench, c *friotest.Probe, sizes ...int) (got []int) {
	b.Helper()
	client := c.IO.(frio.PacketIO)
	var packets []frio.Packet
	for _, n := range sizes {
		packets = append(packets, frio.Packet{Data: pattern(n)})
	}
	if n, err := client.WritePackets(packets); n != len(packets) || err != nil {
		b.Fatalf("sent %d of %d: %v", n, len(packets), err)
	}
	in := []frio.Packet{{Data: make([]byte, 0, 64<<10)}}
	b.Until("all datagrams are back", func() bool {
		n, err := client.ReadPackets(in)
		if err != nil && err != frio.ErrAgain {
			b.Fatal(err)
		}
		if n == 1 {
			if in[0].Err != nil || !bytes.Equal(in[0].Data, pattern(len(in[0].Data))) {
				b.Errorf("a datagram of %d bytes came back changed (%v)", len(in[0].Data), in[0].Err)
			}
			got = append(got, len(in[0].Data))
		}
		return len(got) == len(sizes)
	})
	return got
}

// Datagrams come back one for one, also empty ones and the largest, from a listener with and without children.
func TestEchoDatagrams(t *testing.T) {
	for _, children := range []string{"none", "demux"} {
		t.Run(children, func(t *testing.T) {
			onBoth(t, func(t *testing.T, e *friotest.Env) {
				listen := strings.Replace(udpListen("a", "127.0.0.1", 0), "port", "children = "+children+"\nport", 1)
				b := start(e, echoText(listen))
				c := b.dial(0)
				sizes := []int{1, 0, 1200, 65_507, 0, 5}
				if got := echoOver(b, c, sizes...); !equal(got, sizes) {
					t.Errorf("came back %v, sent %v", got, sizes)
				}
				want := 0
				if children == "demux" {
					want = 1
				}
				if n := b.sessions(); n != want {
					t.Errorf("%d sessions, want %d", n, want)
				}
				b.steady()
				b.finish()
			})
		})
	}
}

func equal(a, b []int) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// A datagram that cannot be answered costs itself only, whatever the reason.
func TestEchoUnanswerable(t *testing.T) {
	for _, tt := range []struct {
		name            string
		err             syscall.Errno
		failed, dropped uint64
	}{
		{"error", syscall.EPERM, 1, 0},
		{"too long", syscall.EMSGSIZE, 1, 0},
		{"no room", syscall.EAGAIN, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := friotest.NewEnv(t, true, 1)
			b := start(e, echoText(udpListen("a", "127.0.0.1", 0)))
			c := b.dial(0)
			e.Send(c, []byte("one"))
			e.Expect(c, []byte("one"))
			for _, text := range []string{"three", "two", "four"} { // one batch
				e.Send(c, []byte(text))
			}
			e.Host().Inject("SendPackets", 2, tt.err) // of the answers
			e.Expect(c, []byte("three"))
			if tt.dropped == 0 {
				e.Expect(c, []byte("four"))
			}
			e.Spin(10)
			e.Nothing(c)
			n := &b.listenAt(0).counts
			failed := n.Faults[faultDatagram].Load() + n.Faults[faultTooLong].Load()
			if failed != tt.failed || n.Dropped.Load() != tt.dropped || n.Out.Load() != 4-tt.failed-tt.dropped {
				t.Errorf("counted %d failed, %d dropped, %d sent", failed, n.Dropped.Load(), n.Out.Load())
			}
			b.finish()
		})
	}
}

// One listen with two sockets serves both.
func TestEchoShards(t *testing.T) {
	for _, method := range []string{"tcp", "udp"} {
		t.Run(method, func(t *testing.T) {
			e := friotest.NewEnv(t, true, 1)
			b := start(e, echoText(strings.Replace(inetListen(method, "a", "127.0.0.1", 7007), "port", "ipv6addr = ::1\nport", 1)))
			for _, addr := range []string{"127.0.0.1", "::1"} {
				c := e.ParseText(nil, "client", strings.Replace(homeServer("client", method, 7007), "127.0.0.1", addr, 1))
				c.Wish(nil, nil, nil)
				if err := c.Connect(); err != nil && err != frio.ErrAgain {
					t.Fatal(err)
				}
				e.Until("the client is connected", func() bool { return e.Step(c) })
				e.Send(c, []byte("hello "+addr))
				e.Expect(c, []byte("hello "+addr))
			}
			if n := b.listenAt(0).counts.BytesOut.Load(); n != uint64(len("hello 127.0.0.1hello ::1")) {
				t.Errorf("counted %d bytes", n)
			}
			b.finish()
		})
	}
}
