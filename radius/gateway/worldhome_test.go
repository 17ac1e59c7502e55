package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/transport"
)

// home is a home server that checks what it gets, counts it, and answers with Access-Accept and a Reply-Message that repeats the user's name.
type home struct {
	*world
	keys   *radius.Keys
	count  int // requests, Status-Server apart
	checks int // Status-Server
	silent bool
	deaf   bool // it does not answer Status-Server
	noisy  bool // what comes may be damaged under way
	seen   []radius.Packet
	conns  []*transport.Conn // of streams and DTLS
	port   *transport.Port
	socket *socket // of UDP
	answer func(req radius.Packet) []byte
	send   func(answer []byte) // to who asked last
}

// home is home server i over UDP.
func (w *world) home(i int) *home { return w.homeAt(i, 1812) }

func (w *world) homeAt(i, port int) *home {
	h := &home{world: w, keys: keys}
	h.socket = w.udp(w.homes[i], fmt.Sprintf("192.0.2.%d:%d", 3+i, port), func(s *socket, p frio.Packet) {
		to := p.Remote.String()
		h.serve(p.Data, func(answer []byte) { s.send(to, answer) })
	})
	return h
}

// die has nobody be there: what comes is refused.
func (h *home) die() {
	if h.socket != nil {
		h.socket.close()
		return
	}
	h.must(h.port.Close())
	for _, c := range h.conns {
		if !c.Over() {
			h.must(c.Close())
		}
	}
	h.conns = nil
}

func (h *home) serve(data []byte, send func([]byte)) {
	req, err := radius.Parse(data)
	if err == nil {
		err = h.keys.CheckRequest(req, true)
	}
	if err != nil {
		if !h.noisy {
			h.Errorf("home: %v", err)
		}
		return
	}
	h.send = send
	if req.Code() == radius.StatusServer {
		h.checks++
		if !h.silent && !h.deaf {
			b := radius.NewReply(nil, radius.AccessAccept, req)
			send(h.seal(&b))
		}
		return
	}
	h.seen = append(h.seen, append(radius.Packet(nil), req...))
	h.count++
	switch {
	case h.silent:
	case h.answer != nil:
		if msg := h.answer(req); msg != nil {
			send(msg)
		}
	default:
		send(h.accept(req))
	}
}

// accept is the usual answer.
func (h *home) accept(req radius.Packet) []byte {
	code := map[radius.Code]radius.Code{radius.AccountingRequest: radius.AccountingResponse, radius.CoARequest: radius.CoAACK,
		radius.DisconnectRequest: radius.DisconnectACK}[req.Code()]
	if code == 0 {
		code = radius.AccessAccept
	}
	b := radius.NewReply(nil, code, req)
	user, _ := req.Find(radius.UserName)
	b.Add(radius.ReplyMessage, user)
	return h.seal(&b)
}

func (h *home) seal(b *radius.Builder) []byte {
	p, err := b.Seal(h.keys)
	h.must(err)
	return p
}

// last is the newest request.
func (h *home) last() radius.Packet {
	h.Helper()
	if len(h.seen) == 0 {
		h.Fatal("the home server got nothing")
	}
	return h.seen[len(h.seen)-1]
}

// place is a host on which stacks run.
type place struct {
	kernel *sim.Kernel
	root   *talloc.Context
	lane   *transport.Lane
}

func (w *world) place(k *sim.Kernel) *place {
	w.Helper()
	if p := w.places[k]; p != nil {
		return p
	}
	p := &place{kernel: k, root: talloc.Root(k.Name())}
	sock.SetKernel(p.root, k)
	loop, err := event.New(p.root, k, event.Config{})
	w.must(err)
	p.lane, err = transport.NewLane(loop, p.root, 0)
	w.must(err)
	w.places[k] = p
	w.loops = append(w.loops, loop)
	return p
}

// section parses text, which is one section, and makes its IO.
func (w *world) section(p *place, text string) frio.IO {
	w.Helper()
	root, err := conf.ParseString("test.conf", text, conf.Options{})
	w.must(err)
	one, err := frio.Parse(p.root, root.Sections("")[0])
	w.must(err)
	return one
}

// homeOn is home server i on any stack; the text is that of a listen.
func (w *world) homeOn(i int, stack string) *home {
	w.Helper()
	h := &home{world: w, keys: radius.NewKeys([]byte(secretOf(stack)))}
	p := w.place(w.homes[i])
	h.listen(p, w.listenText("home", stack, fmt.Sprint("192.0.2.", 3+i)))
	return h
}

func (h *home) listen(p *place, text string) {
	h.Helper()
	one := h.section(p, text)
	h.must(one.Open())
	h.port = transport.NewPort("home", nil, one, p.root, (*homeService)(h))
	h.must(h.port.Join(p.lane))
}

// homeService is a home server as its port sees it.
type homeService home

func (s *homeService) Serve(c *transport.Conn) (transport.User, transport.Config) {
	s.conns = append(s.conns, c)
	return (*homeUser)(s), transport.Config{Frame: radius.Frame, MessageMax: radius.MaxSize}
}
func (s *homeService) Fault(p *transport.Port, err error) { s.Errorf("home: %v", err) }
func (s *homeService) Gone(*transport.Conn)               {}

type homeUser home

func (u *homeUser) Up(*transport.Conn)    {}
func (u *homeUser) Room(*transport.Conn)  {}
func (u *homeUser) Drain(*transport.Conn) {}
func (u *homeUser) Message(c *transport.Conn, m *transport.Message) {
	to := m.Addr
	(*home)(u).serve(m.Data, func(answer []byte) {
		if !c.Over() {
			u.must(c.Send(&to, answer))
		}
	})
}
func (u *homeUser) Fault(c *transport.Conn, err error) { u.Errorf("home: %v", err) }
func (u *homeUser) End(c *transport.Conn, err error)   { _ = c.Close() }

// peer is a client on any stack. It keeps the packets that come.
type peer struct {
	*world
	conn  *transport.Conn
	up    bool
	ended error
	got   [][]byte
}

// dial connects a client to the gateway.
func (w *world) dial(stack string) *peer {
	w.Helper()
	return w.dialText(w.connectText("home_server x", stack, gatewayAddr))
}

// dialRaw is dial without framing: what is sent need not be whole packets.
func (w *world) dialRaw(stack string) *peer {
	w.Helper()
	return w.dialFramed(w.connectText("home_server x", stack, gatewayAddr), nil)
}

func (w *world) dialText(text string) *peer {
	w.Helper()
	return w.dialFramed(text, radius.Frame)
}

func (w *world) dialFramed(text string, frame transport.Framer) *peer {
	w.Helper()
	p := w.place(w.nas)
	one := w.section(p, text)
	c := &peer{world: w}
	var err error
	c.conn, err = transport.Dial(p.lane, p.root, "client", func(ctx *talloc.Context) (frio.IO, error) {
		return one.(frio.Copier).Copy(ctx)
	}, transport.Config{Frame: frame, MessageMax: radius.MaxSize}, c)
	w.must(err)
	return c
}

func (c *peer) Up(*transport.Conn)    { c.up = true }
func (c *peer) Room(*transport.Conn)  {}
func (c *peer) Drain(*transport.Conn) {}
func (c *peer) Message(_ *transport.Conn, m *transport.Message) {
	c.got = append(c.got, append([]byte(nil), m.Data...))
}
func (c *peer) Fault(_ *transport.Conn, err error) {}
func (c *peer) End(_ *transport.Conn, err error)   { c.ended = err }

// send sends bytes once the connection is open.
func (c *peer) send(data []byte) {
	c.Helper()
	c.until("the connection is open", func() bool { return c.up || c.ended != nil })
	c.must(c.ended)
	c.must(c.conn.Send(nil, data))
}

func (c *peer) receive() []byte {
	c.Helper()
	c.until("a packet comes", func() bool { return len(c.got) > 0 || c.ended != nil })
	if len(c.got) == 0 {
		c.Fatalf("the connection ended: %v", c.ended)
	}
	p := c.got[0]
	c.got = c.got[1:]
	return p
}

// none fails if anything comes within d, or the connection ends.
func (c *peer) none(d time.Duration) {
	c.Helper()
	c.pass(d)
	if len(c.got) > 0 || c.ended != nil {
		c.Errorf("there came %d packets, end %v", len(c.got), c.ended)
	}
}

// secretOf is the secret over a stack.
func secretOf(stack string) string {
	switch stack {
	case "tls+tcp":
		return radsecSecret
	case "tls+udp":
		return dtlsSecret
	}
	return secret
}

// listenText is a listen of the gateway or a home server, connectText what connects to it.
func (w *world) listenText(name, stack, addr string) string {
	text := fmt.Sprintf("listen %s {\n\tprotocol = %s\n", name, stack) + baseText(stack, addr)
	if strings.HasPrefix(stack, "tls+") {
		dir := certificates(w.T)
		text += fmt.Sprintf("\ttls {\n\t\tcertificate_file = %[1]s/server.pem\n\t\tprivate_key_file = %[1]s/server.key\n\t\tca_file = %[1]s/ca.pem\n"+
			"\t\trequire_client_cert = yes\n\t}\n", dir)
	}
	return text + "}\n"
}

func (w *world) connectText(head, stack, addr string) string {
	return head + " {\n" + w.connectKeys(stack, addr) + "}\n"
}

func (w *world) connectKeys(stack, addr string) string {
	return fmt.Sprintf("\tprotocol = %s\n", stack) + baseText(stack, addr) + tlsText(w, stack)
}

func tlsText(w *world, stack string) string {
	if !strings.HasPrefix(stack, "tls+") {
		return ""
	}
	return fmt.Sprintf("\ttls {\n\t\tcertificate_file = %[1]s/client.pem\n\t\tprivate_key_file = %[1]s/client.key\n\t\tca_file = %[1]s/ca.pem\n"+
		"\t\thostname = test.example.org\n\t}\n", certificates(w.T))
}

func baseText(stack, addr string) string {
	base := stack[strings.LastIndexByte(stack, '+')+1:]
	return fmt.Sprintf("\t%s {\n\t\tipaddr = %s\n\t\tport = %d\n\t}\n", base, addr, portOf(stack))
}

func portOf(stack string) int {
	if strings.HasPrefix(stack, "tls+") {
		return radsecPort
	}
	return authPort
}

// clientText is a client that may come by any stack.
const clientText = "client nas {\n\tipaddr = 192.0.2.2\n\tsecret = testing123\n\tproto = udp\n\tproto = tcp\n}\n" +
	"client radsec {\n\tipaddr = 192.0.2.2\n\tproto = tls+dtls\n\tcertificate {\n\t\tname = client.example.org\n\t}\n}\n"

// homeOnText is home server i on a stack.
func (w *world) homeOnText(i int, stack, more string) string {
	own := ""
	if secretOf(stack) == secret {
		own = "\tsecret = testing123\n"
	}
	return fmt.Sprintf("home_server h%d {\n%s%s%s}\n", i, w.connectKeys(stack, fmt.Sprint("192.0.2.", 3+i)), own, more)
}

// placeDies frees all that a host has; who comes back there begins anew.
func (w *world) placeDies(k *sim.Kernel) {
	p := w.places[k]
	delete(w.places, k)
	loop := p.lane.Loop()
	w.loops = slices.DeleteFunc(w.loops, func(l *event.Loop) bool { return l == loop })
	p.root.Free()
}

// load has the gateway take another configuration, and its lanes turn meanwhile: Load waits for them.
func (w *world) load(cfg *Config) {
	w.Helper()
	done := make(chan struct{})
	go func() {
		w.gateway.Load(cfg)
		close(done)
	}()
	for {
		select {
		case <-done:
			return
		case <-time.After(100 * time.Microsecond):
		}
		for _, l := range w.lanes {
			w.must(l.Loop().Turn(0))
		}
	}
}
