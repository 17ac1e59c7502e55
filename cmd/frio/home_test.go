package main

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/home"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

const testSecret = "marked-shared-secret"

var testUsers = []home.User{{Name: "bob", Password: "hello"}, {Name: "alice", Password: "wonderland"}}

// homeServer is the built-in home server on one IO of any stack, with faults.
type homeServer struct {
	t    *testing.T
	loop *event.Loop
	ctx  *talloc.Context
	home *home.Server
	keys *radius.Keys
	one  frio.IO
	// change makes of a reply what is sent, which may be nothing; seen is how many requests came before.
	change func(seen int, request radius.Packet, reply []byte) []byte
	deaf   bool // reads nothing
	hold   int  // no reply before that many requests have come
	held   []func()
	conns  []frio.IO

	mu       sync.Mutex
	requests []radius.Packet        // guarded by mu
	from     map[netip.AddrPort]int // requests of each peer; guarded by mu
}

// newHome makes one from the lines of a `listen`.
func newHome(t *testing.T, loop *event.Loop, ctx *talloc.Context, text string) *homeServer {
	t.Helper()
	root, err := conf.ParseString("test", "listen {\n"+text+"}\n", conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	one, err := frio.ParseServer(ctx, root.Sections("listen")[0])
	if err != nil {
		t.Fatal(err)
	}
	return &homeServer{t: t, loop: loop, ctx: ctx, one: one, keys: radius.NewKeys([]byte(testSecret)), home: home.New(home.Config{Users: testUsers}), from: map[netip.AddrPort]int{}}
}

// open begins to serve, and returns where.
func (h *homeServer) open() (address string) {
	h.t.Helper()
	if err := h.one.Open(); err != nil {
		h.t.Fatal(err)
	}
	if err := h.one.Event(h.loop, h.accept, nil); err != nil {
		h.t.Fatal(err)
	}
	return h.one.(frio.Addresser).LocalAddr().String()
}

func (h *homeServer) accept() {
	child, err := h.one.Accept(h.ctx)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		h.packets()
	case err == nil:
		h.conns = append(h.conns, child)
		var in []byte
		if err := child.Event(h.loop, func() {
			if !h.deaf {
				h.read(child, &in)
			}
		}, nil); err != nil {
			h.t.Error(err)
		}
		if h.deaf {
			child.Event(h.loop, nil, nil)
		}
	}
}

// packets answers on a socket without children.
func (h *homeServer) packets() {
	list := []frio.Packet{{Data: make([]byte, 0, radius.MaxSize)}}
	socket := h.one.(frio.PacketIO)
	if n, _ := socket.ReadPackets(list); n == 0 {
		return
	}
	p := list[0]
	h.answer(p.Remote, p.Data, func(reply []byte) {
		p.Data = reply
		socket.WritePackets([]frio.Packet{p})
	})
}

// read answers on a connection.
func (h *homeServer) read(c frio.IO, in *[]byte) {
	var buf [radius.MaxSize]byte
	n, err := c.Read(buf[:])
	var packet *frio.PacketError
	if err == frio.ErrAgain || errors.As(err, &packet) {
		return
	}
	if err != nil {
		c.Close()
		return
	}
	*in = append(*in, buf[:n]...)
	for {
		size, err := radius.Frame(*in)
		if err != nil || size == 0 || size > len(*in) {
			return
		}
		message := (*in)[:size]
		*in = append([]byte(nil), (*in)[size:]...)
		h.answer(c.(frio.Addresser).RemoteAddr(), message, func(reply []byte) {
			if n, err := c.Write(reply); n != len(reply) {
				h.t.Errorf("%d of %d bytes of a reply: %v", n, len(reply), err)
			}
		})
	}
}

// answer gives send the replies to what has come.
func (h *homeServer) answer(from netip.AddrPort, b []byte, send func(reply []byte)) {
	p, err := radius.Parse(append([]byte(nil), b...))
	if err != nil {
		h.t.Errorf("a client sends %x: %v", b, err)
		return
	}
	h.mu.Lock()
	seen := len(h.requests)
	h.requests = append(h.requests, p)
	h.from[from]++
	h.mu.Unlock()
	reply, err := h.home.Handle(nil, p, h.keys)
	if err != nil {
		return
	}
	if h.change != nil {
		reply = h.change(seen, p, reply)
	}
	if reply != nil {
		h.held = append(h.held, func() { send(reply) })
	}
	if seen+1 >= h.hold {
		for _, f := range h.held {
			f()
		}
		h.held = nil
	}
}

// count returns how many requests have come.
func (h *homeServer) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.requests)
}

// peers returns how many requests have come from each.
func (h *homeServer) peers() map[netip.AddrPort]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.from)
}

func (h *homeServer) close() {
	h.one.Close()
	for _, c := range h.conns {
		c.Close()
	}
}

// listenText is the inside of a listen on loopback, with the certificates in dir.
func listenText(stack, dir string, port int) string {
	methods := splitStack(stack)
	text := fmt.Sprintf("protocol = %s\n%s {\nipaddr = 127.0.0.1\nport = %d\n}\n", stack, methods[len(methods)-1], port)
	if methods[0] == "tls" {
		text += fmt.Sprintf("tls {\ncertificate_file = %s/server.pem\nprivate_key_file = %s/server.key\nca_file = %s/ca.pem\nrequire_client_cert = yes\n}\n", dir, dir, dir)
	}
	return text
}

// startHome serves on loopback, on a thread of its own, until the test ends. prepare may change the server before.
func startHome(t *testing.T, stack, dir string, prepare func(h *homeServer)) (h *homeServer, address string) {
	t.Helper()
	root := talloc.Root("home")
	loop, err := event.New(root, sock.System, event.Config{Name: "home"})
	if err != nil {
		t.Fatal(err)
	}
	h = newHome(t, loop, root, listenText(stack, dir, 0))
	if prepare != nil {
		prepare(h)
	}
	address = h.open()
	done := make(chan error, 1)
	go func() { done <- loop.Run() }()
	t.Cleanup(func() {
		loop.Post(func() {
			h.close()
			loop.Stop()
		})
		if err := <-done; err != nil {
			t.Error(err)
		}
		loop.Close()
		root.Free()
	})
	return h, address
}
