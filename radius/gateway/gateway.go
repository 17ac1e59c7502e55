package gateway

import (
	"crypto/rand"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/dict"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/tls/cert"
	"github.com/frio-io/frio/transport"
)

const (
	// exchangesMax is how many requests of one thread are under way or answered and kept: at 10,000 a second and 5 s of keeping, 50,000.
	exchangesMax = 64 << 10
	// instanceBytes is how much of our Proxy-State tells this instance; the rest tells nothing.
	instanceBytes = 8
)

// Options of a Gateway; the zero value is the default of each.
type Options struct {
	Logger *slog.Logger // default: silence
	Log    Log
}

// Gateway relays requests from clients to home servers. Thread: any, where nothing else is said.
type Gateway struct {
	opt      Options
	wanted   atomic.Pointer[Log]
	instance [instanceBytes]byte // RFC 2865, Section 5.33: what tells our Proxy-State from others
	marks    marks               // of the packets that have no room for it
	sticky   sticky
	lanes    transport.Lanes
	branches []*branch // on those
	current  atomic.Pointer[snapshot]
	serial   atomic.Uint64
	ids      atomic.Uint64 // of requests, for the log

	Refused RefusedCounts // datagrams of unknown clients

	mu      sync.Mutex
	homes   map[string]*homeState   // guarded by mu
	clients map[string]*ClientState // by the name of their list, and theirs
	lines   lines                   // of home servers
}

// snapshot is one configuration, as all threads see it until the next.
type snapshot struct {
	*Config
	serial uint64
}

// New makes a gateway that runs on lanes, with the first configuration.
func New(lanes transport.Lanes, cfg *Config, opt Options) (*Gateway, error) {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{opt: opt, clients: map[string]*ClientState{}}
	g.marks.seed, g.sticky.seed = maphash.MakeSeed(), maphash.MakeSeed()
	g.SetLog(opt.Log)
	if _, err := rand.Read(g.instance[:]); err != nil {
		return nil, err
	}
	g.lanes = lanes
	for _, l := range lanes {
		g.branches = append(g.branches, newBranch(g, l))
	}
	g.Load(cfg)
	return g, nil
}

// Load makes cfg the configuration of all requests that come from then on. Home servers and clients that are the same as before keep
// what is known of them; connections to those that are gone end when nothing is under way on them, and those of clients that are
// none any more end. Memory of home servers that is needed no more is freed. Thread: that of the contexts of both configurations,
// which is none of the lanes'.
func (g *Gateway) Load(cfg *Config) {
	g.mu.Lock()
	defer g.mu.Unlock()
	homes, clients := g.homeStates(cfg), g.clientStates(cfg)
	for _, p := range cfg.Pools {
		p.prepare()
	}
	if before := g.current.Load(); before != nil {
		cfg.inheritPools(before.Config)
	}
	cfg.usePorts()
	old := g.homes
	g.homes, g.clients = homes, clients
	g.current.Store(&snapshot{cfg, g.serial.Add(1)})
	if old == nil {
		return
	}
	var gone []*homeState
	for name, state := range old {
		if homes[name] != state {
			state.gone.Store(true)
			gone = append(gone, state)
		}
	}
	g.sticky.forget()
	if !g.lanes.Do(time.Now().Add(laneWait), func(at int) { g.branches[at].renew(gone) }) {
		g.opt.Logger.Warn("a thread has not come to the new configuration yet")
		return
	}
	for _, state := range gone {
		free(state.cfg.memory)
	}
}

// homeStates gives the home servers of cfg their states, by name: those of before where they are the same.
func (g *Gateway) homeStates(cfg *Config) map[string]*homeState {
	homes := map[string]*homeState{}
	for i, h := range cfg.Homes {
		state := g.homes[h.Name]
		if state == nil || state.cfg.Text != h.Text {
			state = newHomeState(g, h, g.branches[i%len(g.branches)])
		} else {
			h.inherit(state.cfg)
		}
		h.state = state
		homes[h.Name] = state
	}
	return homes
}

// clientStates gives the clients of cfg their states: those of before where they have the same name.
func (g *Gateway) clientStates(cfg *Config) map[string]*ClientState {
	clients := map[string]*ClientState{}
	for name, list := range cfg.Clients {
		for _, c := range list.All {
			key := name + "/" + c.Name // its place in the file may change
			state := g.clients[key]
			if state == nil {
				state = new(ClientState)
			} else if !c.same(state.of) {
				state.seenMA.Store(false) // another one, by the same name, may not do what that did
				state.seenProxyState.Store(false)
			}
			state.of = c
			c.state = state
			clients[key] = state
		}
	}
	return clients
}

// prepare sets what p knows of itself, once its home servers have their states.
func (p *HomePool) prepare() {
	p.key = radius.ID{Type: uint8(radius.CallingStationID)}
	if attr, ok := dict.Lookup(p.Key); ok {
		p.key = attr.ID
	}
	p.split = false
	p.each(func(h *homeState) { p.split = p.split || len(h.ports) > 1 })
}

// inheritPools has what was said of the pools of before not be said again of those by the same name.
func (cfg *Config) inheritPools(before *Config) {
	for _, p := range cfg.Pools {
		for _, q := range before.Pools {
			if p.Name == q.Name {
				for i := range p.down {
					p.down[i].Store(q.down[i].Load())
				}
			}
		}
	}
}

// usePorts says which ports of home servers requests go to.
func (cfg *Config) usePorts() {
	for _, h := range cfg.Homes {
		h.state.ports[0].use()
	}
	for _, r := range cfg.Realms.All {
		if r.Acct != nil {
			r.Acct.each(func(h *homeState) { h.port(radius.AccountingRequest).use() })
		}
	}
}

// laneWait is how long a lane may take to see a new configuration; then what it may still use is not freed.
const laneWait = 5 * time.Second

// same tells whether c and d are the same client, by what its packets show.
func (c *Client) same(d *Client) bool {
	return slices.Equal(c.Prefixes, d.Prefixes) && c.Everywhere == d.Everywhere && c.Proto == d.Proto && c.Secret.Reveal() == d.Secret.Reveal() &&
		cert.Same(c.Certificate, d.Certificate)
}

// inherit has h use the IOs of the same home server in the configuration before, whose connections go on.
func (h *Home) inherit(old *Home) {
	free(h.memory)
	h.IO, h.AcctIO, h.memory = old.IO, old.AcctIO, old.memory
}

func free(list []*talloc.Context) {
	for _, ctx := range list {
		ctx.Free()
	}
}

// Config returns the configuration that new requests meet.
func (g *Gateway) Config() *Config { return g.current.Load().Config }

// branchOf returns what the gateway has on a lane.
func (g *Gateway) branchOf(l *transport.Lane) *branch { return g.branches[l.Index()] }

// RefusedCounts are requests that belong to no client, by reason. Thread: any.
type RefusedCounts struct {
	UnknownClient atomic.Uint64
	Reasons       [radius.ReasonCount]atomic.Uint64
}
