package gateway

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
	"github.com/frio-io/frio/transport"
)

// tcpHome is a home server on real sockets. It answers each request, or cuts the connection at every cut-th.
type tcpHome struct {
	t     *testing.T
	l     net.Listener
	cut   int64
	count atomic.Int64
	conns atomic.Int64
	done  sync.WaitGroup
}

func newTCPHome(t *testing.T, cut int64) *tcpHome {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &tcpHome{t: t, l: l, cut: cut}
	h.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.conns.Add(1)
			h.done.Go(func() { h.serve(c) })
		}
	})
	return h
}

func (h *tcpHome) serve(c net.Conn) {
	defer c.Close()
	keys := radius.NewKeys([]byte(secret))
	var buf [1 << 16]byte
	have := 0
	for {
		n, err := c.Read(buf[have:])
		if err != nil {
			return
		}
		have += n
		for {
			size, err := radius.Frame(buf[:have])
			if err != nil || size == 0 || size > have {
				break
			}
			req, err := radius.Parse(buf[:size])
			if err == nil {
				err = keys.CheckRequest(req, true)
			}
			if err != nil {
				h.t.Errorf("home: %v", err)
				return
			}
			if n := h.count.Add(1); h.cut > 0 && n%h.cut == 0 {
				return
			}
			b := radius.NewReply(nil, radius.AccessAccept, req)
			user, _ := req.Find(radius.UserName)
			b.Add(radius.ReplyMessage, user)
			p, _ := b.Seal(keys)
			if _, err := c.Write(p); err != nil {
				return
			}
			have = copy(buf[:], buf[size:have])
		}
	}
}

// Four threads share one connection to each of two home servers, which cut it now and then; the configuration is loaded again all the
// while, and they are checked. Each
// request is answered once, with its own answer.
func TestThreads(t *testing.T) {
	const threads, clients, requests = 4, 8, 300
	h0, h1 := newTCPHome(t, 100), newTCPHome(t, 0)
	text := "client nas {\n\tipaddr = 127.0.0.1\n\tsecret = testing123\n}\n"
	for i, h := range []*tcpHome{h0, h1} {
		port := h.l.Addr().(*net.TCPAddr).Port
		text += fmt.Sprintf("home_server h%d {\n\tipaddr = 127.0.0.1\n\tproto = tcp\n\tport = %d\n\tacct_port = %[2]d\n\tsecret = testing123\n"+
			"\tstatus_check = status-server\n\tcheck_interval = 1s\n\tlimit {\n\t\tmax_connections = 1\n\t}\n}\n", i, port)
	}
	text += poolTwo
	load := func() *Config {
		root, err := conf.ParseString("test.conf", text, conf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		cfg, errs := ParseConfig(talloc.Root("configuration"), root, nil)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		return cfg
	}
	pool, err := thread.New(thread.Config{Network: threads})
	if err != nil {
		t.Fatal(err)
	}
	lanes, err := transport.NewLanes(pool)
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(lanes, load(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	pool.Start()
	addrs := make(chan netip.AddrPort, threads)
	for i, lane := range lanes {
		l := g.NewListen(fmt.Sprint("l", i), &ListenConfig{Proto: ProtoUDP, Server: new(ServerConfig)}, transport.Config{})
		if err := lane.Thread().Send(func() { addrs <- listenUDP(t, lanes, lane, l) }); err != nil {
			t.Fatal(err)
		}
	}
	var all []netip.AddrPort
	for range lanes {
		all = append(all, <-addrs)
	}
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() { askMany(t, all[n%threads], n, requests) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for loading := true; loading; {
		select {
		case <-done:
			loading = false
		case <-time.After(5 * time.Millisecond):
			g.Load(load())
		}
	}
	if cut, err := pool.Stop(5 * time.Second); err != nil || !cut.None() {
		t.Errorf("stop: %v, %v", cut, err)
	}
	h0.l.Close()
	h1.l.Close()
	h0.done.Wait()
	h1.done.Wait()
	if h0.conns.Load() < 2 || h0.count.Load() < requests {
		t.Errorf("the first home server got %d requests on %d connections", h0.count.Load(), h0.conns.Load())
	}
	for _, l := range g.branches {
		if l.active != 0 {
			t.Errorf("%d are under way", l.active)
		}
	}
}

func listenUDP(t *testing.T, lanes transport.Lanes, lane *transport.Lane, l *Listen) netip.AddrPort {
	root, err := conf.ParseString("test.conf", "listen x {\n\tprotocol = udp\n\tudp {\n\t\tipaddr = 127.0.0.1\n\t\tport = 0\n\t}\n}\n", conf.Options{})
	if err != nil {
		t.Error(err)
		return netip.AddrPort{}
	}
	ctx, err := lane.Thread().Root().New("listen")
	if err == nil {
		var one frio.IO
		if one, err = frio.ParseServer(ctx, root.Sections("listen")[0]); err == nil {
			if err = one.Open(); err == nil {
				err = transport.NewPort("test", lanes, one, ctx, l).Join(lane)
			}
			if err == nil {
				return one.(frio.Addresser).LocalAddr()
			}
		}
	}
	t.Error(err)
	return netip.AddrPort{}
}

// askMany sends requests, sixteen at a time, repeats what is not answered, and checks the answers.
func askMany(t *testing.T, to netip.AddrPort, client, count int) {
	keys := radius.NewKeys([]byte(secret))
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	const window = 16
	for first := 0; first < count; first += window {
		waiting := map[uint8][]byte{}
		for n := first; n < min(first+window, count); n++ {
			b := radius.NewRequest(nil, radius.AccessRequest, uint8(n), [16]byte{uint8(client), uint8(n), uint8(n >> 8)})
			b.AddString(radius.UserName, fmt.Sprint(client, " ", n))
			waiting[uint8(n)], _ = b.Seal(keys)
		}
		for tries := 0; len(waiting) > 0 && tries < 20; tries++ {
			for _, req := range waiting {
				_, _ = c.Write(req)
			}
			c.SetReadDeadline(time.Now().Add(2 * time.Second))
			var buf [4096]byte
			for len(waiting) > 0 {
				n, err := c.Read(buf[:])
				if err != nil {
					break
				}
				p, err := radius.Parse(buf[:n])
				if err != nil || waiting[p.ID()] == nil {
					continue // it was answered before
				}
				req := radius.Packet(waiting[p.ID()])
				user, _ := req.Find(radius.UserName)
				message, _ := p.Find(radius.ReplyMessage)
				if err := keys.CheckReply(p, req.Authenticator(), true); err != nil || p.Code() != radius.AccessAccept || string(user) != string(message) {
					t.Errorf("%s: %v %q, %v", user, p.Code(), message, err)
				}
				delete(waiting, p.ID())
			}
		}
		if len(waiting) > 0 {
			t.Errorf("client %d: %d requests were never answered", client, len(waiting))
			return
		}
	}
}
