package dtls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// interopLimit bounds each exchange with another program, in real time.
const interopLimit = 10 * time.Second

// udpEnd drives an engine over a real socket, as plainly as possible.
type udpEnd struct {
	t    testing.TB
	sock *net.UDPConn
	peer netip.AddrPort // of a client's engine fixed, of a server's the one that the gate accepted
	e    *Engine
	cfg  *Config // of a server
	gate *Gate
	got  []byte
	end  error       // of Read: io.EOF or the failure
	lose func() bool // whether the next datagram, of either side, is lost; nil for none
}

func listenUDP(t testing.TB) *net.UDPConn {
	t.Helper()
	sock, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	return sock
}

func addrOf(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

func newUDPServer(t testing.TB, c *Config) *udpEnd {
	return &udpEnd{t: t, sock: listenUDP(t), cfg: c, gate: newGate(t)}
}

func newUDPClient(t testing.TB, c *Config, peer netip.AddrPort) *udpEnd {
	e, err := NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	u := &udpEnd{t: t, sock: listenUDP(t), peer: peer, e: e}
	if err := e.Start(time.Now()); err != nil {
		t.Fatal(err)
	}
	u.flush()
	return u
}

func (u *udpEnd) flush() {
	if u.e == nil {
		return
	}
	for _, d := range u.e.Out() {
		if u.lose == nil || !u.lose() {
			u.sock.WriteToUDPAddrPort(d, u.peer)
		}
	}
	u.e.Sent(time.Now())
	var b [maxPlaintext]byte
	for u.end == nil {
		n, err := u.e.Read(b[:])
		if n == 0 && !u.e.Held() {
			if u.e.State() == PeerClosed || u.e.State() == Failed {
				u.end = err
			}
			return
		}
		u.got = append(u.got, b[:n]...)
	}
}

func (u *udpEnd) write(text string) {
	u.t.Helper()
	d, _, err := u.e.Seal(nil, []byte(text))
	if err != nil {
		u.t.Fatal(err)
	}
	if _, err := u.sock.WriteToUDPAddrPort(d, u.peer); err != nil {
		u.t.Fatal(err)
	}
}

// run goes on until done, and fails the test after the limit.
func (u *udpEnd) run(what string, done func() bool) {
	u.t.Helper()
	limit := time.Now().Add(interopLimit)
	b := make([]byte, 1<<16)
	var scratch [GateScratch]byte
	for !done() {
		now := time.Now()
		if now.After(limit) {
			state := "no hello"
			if u.gate != nil {
				state = fmt.Sprintf("gate %+v", u.gate.Counts())
			}
			if u.e != nil {
				state = fmt.Sprint(u.e.State(), u.e.Err(), u.e.Counts())
			}
			u.t.Fatalf("%s: not within %v: %v; read %q", what, interopLimit, state, u.got)
		}
		wait := now.Add(50 * time.Millisecond) // so that done is asked again
		if u.e != nil && !u.e.Deadline().IsZero() && u.e.Deadline().Before(wait) {
			wait = u.e.Deadline()
		}
		u.sock.SetReadDeadline(wait)
		n, from, err := u.sock.ReadFromUDPAddrPort(b)
		now = time.Now()
		switch {
		case err == nil && u.lose != nil && u.lose():
		case err == nil:
			u.take(now, from, b[:n], scratch[:])
		case errors.Is(err, net.ErrClosed):
			u.t.Fatal(err)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			continue // ECONNREFUSED of a peer that is gone
		}
		if u.e != nil {
			u.e.Expire(now)
			u.flush()
		}
	}
}

func (u *udpEnd) take(now time.Time, from netip.AddrPort, b, scratch []byte) {
	if u.gate != nil && (u.e == nil || IsHello(b)) {
		reply, v, random := u.gate.Check(now, from, addrOf(u.sock), b, scratch)
		if v == Reply {
			u.sock.WriteToUDPAddrPort(reply, from)
		}
		if v != Accept {
			return
		}
		if u.e == nil || u.e.ClientRandom() != random {
			var err error
			if u.e, err = NewServer(u.cfg); err != nil {
				u.t.Fatal(err)
			}
			u.peer, u.got, u.end = from, nil, nil
		}
	}
	if from == u.peer {
		u.e.Feed(now, b)
	}
}

// opened waits for the end of the handshake.
func (u *udpEnd) opened() {
	u.t.Helper()
	u.run("handshake", func() bool { return u.e != nil && u.e.State() != Handshaking })
	if u.e.State() != Open {
		u.t.Fatalf("%v: %v", u.e.State(), u.e.Err())
	}
}

// interopCases are run against each program, in both roles.
func interopCases() (list []interopCase) {
	for _, s := range suites {
		kinds := []keyKind{keyRSA}
		if s.ecdsa {
			kinds = []keyKind{keyECDSA, keyEd25519}
		}
		for _, kind := range kinds {
			for _, auth := range []bool{false, true} {
				name := fmt.Sprintf("%s/key=%d/auth=%v", tls.CipherSuiteName(s.id), kind, auth)
				list = append(list, interopCase{name, s.id, kind, auth})
			}
		}
	}
	return list
}

type interopCase struct {
	name string
	id   uint16
	kind keyKind
	auth bool
}

func (c interopCase) configs() (server, client *Config) {
	server, client = configs(c.kind)
	server.CipherSuites, client.CipherSuites = []uint16{c.id}, []uint16{c.id}
	server.NextProtos, client.NextProtos = []string{"radius/1.1"}, []string{"radius/1.1"}
	if c.auth {
		server.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return server, client
}
