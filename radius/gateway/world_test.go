package gateway

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	_ "github.com/frio-io/frio/all"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/transport"
)

const (
	gatewayAddr = "192.0.2.1"
	nasAddr     = "192.0.2.2"
	homeAddr    = "192.0.2.3" // of the first; the others have the next addresses
	secret      = "testing123"
)

// world is a gateway on a simulated host, with hosts for a client and home servers, and a virtual clock.
type world struct {
	*testing.T
	sim     *sim.World
	host    *sim.Kernel // of the gateway
	nas     *sim.Kernel
	homes   [4]*sim.Kernel
	root    *talloc.Context
	loop    *event.Loop
	lanes   transport.Lanes
	lane    *transport.Lane // the first
	config  *talloc.Context
	gateway *Gateway
	listens []*Listen
	ports   []*transport.Port
	file    *conf.Section
	log     bytes.Buffer
	polls   []func() // of the raw sockets
	places  map[*sim.Kernel]*place
	loops   []*event.Loop // the gateway's, and those of places
}

// newWorld runs the configuration in text: listens at the top level, and the gateway's sections.
func newWorld(t *testing.T, text string) *world {
	t.Helper()
	return newWorldOf(t, sim.New(1, sim.Options{}), 1, text)
}

// newWorldOf is newWorld in a simulated world, with some lanes; the listens are on one after the other.
func newWorldOf(t *testing.T, in *sim.World, lanes int, text string) *world {
	t.Helper()
	w := &world{T: t, sim: in, places: map[*sim.Kernel]*place{}}
	host := w.sim.Host("gateway", netip.MustParseAddr(gatewayAddr))
	w.host = host
	w.nas = w.sim.Host("nas", netip.MustParseAddr(nasAddr))
	at := netip.MustParseAddr(homeAddr)
	for i := range w.homes {
		w.homes[i] = w.sim.Host(fmt.Sprint("home ", i), at)
		at = at.Next()
	}
	w.host = host
	for i := range lanes {
		root := talloc.Root(fmt.Sprint("lane ", i))
		sock.SetKernel(root, host)
		loop, err := event.New(root, host, event.Config{})
		w.must(err)
		lane, err := transport.NewLane(loop, root, i)
		w.must(err)
		w.loops, w.lanes = append(w.loops, loop), append(w.lanes, lane)
	}
	w.loop, w.lane, w.root = w.loops[0], w.lanes[0], w.lanes[0].Context()
	w.config = talloc.Root("configuration")
	sock.SetKernel(w.config, host)
	var err error
	cfg, listens := w.parse(text)
	logger := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.gateway, err = New(w.lanes, cfg, Options{Logger: logger, Log: Log{Trace: true, Requests: true}})
	w.must(err)
	for i, cs := range listens {
		w.listen(cs, w.lanes[i%lanes])
	}
	for _, err := range w.file.Unknown() {
		w.Error(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", w.log.String())
		}
	})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) parse(text string) (*Config, []*conf.Section) {
	w.Helper()
	root, err := conf.ParseString("test.conf", text, conf.Options{})
	w.must(err)
	cfg, errs := ParseConfig(w.config, root, nil)
	if len(errs) > 0 {
		w.Fatal(errs)
	}
	w.file = root
	return cfg, root.TakeSections("listen")
}

func (w *world) listen(cs *conf.Section, lane *transport.Lane) {
	w.Helper()
	stack := cs.Pairs("protocol")[0].Value
	io, err := frio.ParseServer(lane.Context(), cs)
	w.must(err)
	l := w.gateway.NewListen("test."+cs.Name2, &ListenConfig{
		Proto: ProtoOf(stack, io.Kind() == frio.Datagram), Server: new(ServerConfig),
	}, transport.Config{Timeout: 10 * time.Second})
	w.listens = append(w.listens, l)
	if a, ok := io.(frio.Admitter); ok {
		w.must(a.SetAdmit(l.Admit))
	}
	w.must(io.Open())
	p := transport.NewPort("test", nil, io, lane.Context(), l)
	w.ports = append(w.ports, p)
	w.must(p.Join(lane))
}

// until runs the world until done.
func (w *world) until(what string, done func() bool) {
	w.Helper()
	end := w.sim.Now().Add(time.Hour)
	err := w.sim.Run(func() bool {
		for _, poll := range w.polls {
			poll()
		}
		return done() || w.sim.Now().After(end)
	}, w.loops...)
	if err != nil || !done() {
		w.Fatalf("%s: never (%v)", what, err)
	}
}

// pass lets d pass.
func (w *world) pass(d time.Duration) {
	w.Helper()
	end := w.sim.Now().Add(d)
	var tick event.Timer
	tick.Init(nothing{})
	tick.Set(w.loop, end)
	w.until("time passes", func() bool { return !w.sim.Now().Before(end) })
}

type nothing struct{}

func (nothing) Expire(time.Time) {}
func (nothing) Describe() string { return "the test" }

// socket is a raw UDP socket on a host.
type socket struct {
	*world
	kernel *sim.Kernel
	fd     int
	in     [1]frio.Packet
	room   [65536]byte
	got    []frio.Packet
	handle func(p frio.Packet)
}

// udp binds a socket. What comes goes to handle, else into got.
func (w *world) udp(k *sim.Kernel, addr string, handle func(s *socket, p frio.Packet)) *socket {
	w.Helper()
	fd, err := k.Socket(sock.Inet4, frio.Datagram)
	w.must(err)
	w.must(k.Bind(fd, sock.Addr{AddrPort: netip.MustParseAddrPort(addr)}))
	s := &socket{world: w, kernel: k, fd: fd}
	if handle != nil {
		s.handle = func(p frio.Packet) { handle(s, p) }
	}
	w.polls = append(w.polls, s.poll)
	return s
}

func (s *socket) poll() {
	for s.fd >= 0 {
		s.in[0] = frio.Packet{Data: s.room[:0]}
		if n, err := s.kernel.RecvPackets(s.fd, s.in[:]); n == 0 || err != nil {
			return
		}
		p := s.in[0]
		p.Data = bytes.Clone(p.Data)
		if s.handle != nil {
			s.handle(p)
		} else {
			s.got = append(s.got, p)
		}
	}
}

func (s *socket) close() {
	s.kernel.Close(s.fd)
	s.fd = -1
}

func (s *socket) send(to string, data []byte) {
	s.Helper()
	if _, err := s.kernel.SendTo(s.fd, data, sock.Addr{AddrPort: netip.MustParseAddrPort(to)}); err != nil {
		s.Fatal(err)
	}
}

// receive waits for a datagram.
func (s *socket) receive() []byte {
	s.Helper()
	s.until("a datagram comes", func() bool { return len(s.got) > 0 })
	p := s.got[0].Data
	s.got = s.got[1:]
	return p
}

// none fails if anything comes within d.
func (s *socket) none(d time.Duration) {
	s.Helper()
	s.pass(d)
	if len(s.got) > 0 {
		s.Errorf("there came %d datagrams", len(s.got))
	}
}

var keys = radius.NewKeys([]byte(secret))

// access makes an Access-Request.
func access(id uint8, user, password string) []byte {
	var vector [16]byte
	vector[0], vector[1] = id, 77
	b := radius.NewRequest(nil, radius.AccessRequest, id, vector)
	b.AddString(radius.UserName, user)
	b.HidePassword(keys, []byte(password))
	return seal(&b)
}

func accounting(id uint8, user string) []byte {
	b := radius.NewRequest(nil, radius.AccountingRequest, id, [16]byte{})
	b.AddString(radius.UserName, user)
	b.AddUint32(radius.AcctStatusType, 1)
	b.AddString(radius.AcctSessionID, fmt.Sprint(id))
	return seal(&b)
}

func seal(b *radius.Builder) []byte {
	p, err := b.Seal(keys)
	if err != nil {
		panic(err)
	}
	return p
}

// reply checks an answer to request and returns it.
func (w *world) reply(data, request []byte) radius.Packet {
	w.Helper()
	p, err := radius.Parse(data)
	w.must(err)
	if err := keys.CheckReply(p, request[4:20], true); err != nil {
		w.Errorf("reply: %v", err)
	}
	if p.ID() != request[1] {
		w.Errorf("reply has id %d, want %d", p.ID(), request[1])
	}
	return p
}

const udpListen = `
listen u {
	protocol = udp
	udp {
		ipaddr = 192.0.2.1
		port = 1812
	}
}
client nas {
	ipaddr = 192.0.2.2
	secret = testing123
}
`

func homeText(i int, more string) string {
	return fmt.Sprintf("home_server h%d {\n\tipaddr = 192.0.2.%d\n\tport = 1812\n\tsecret = testing123\n%s}\n", i, 3+i, more)
}

const poolText = "home_server_pool all {\n\ttype = fail-over\n\thome_server = h0\n}\nrealm DEFAULT {\n\tpool = all\n}\n"

const poolTwo = "home_server_pool all {\n\ttype = fail-over\n\thome_server = h0\n\thome_server = h1\n}\nrealm DEFAULT {\n\tpool = all\n}\n"

func (w *world) logged(text string) int { return strings.Count(w.log.String(), text) }
