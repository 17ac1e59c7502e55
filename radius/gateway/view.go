package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// ClientView is what may be seen of a client. Thread: any.
type ClientView struct {
	List   string // the name of its `clients NAME { }`; "": the global ones
	Name   string
	Prefix string // "*" of all addresses
	Proto  string
	*ClientState
}

// Clients are those of the present configuration, the global ones first. Thread: any.
func (g *Gateway) Clients() []ClientView {
	var all []ClientView
	cfg := g.current.Load()
	for _, name := range namesOf(cfg.Clients) {
		for _, c := range cfg.Clients[name].All {
			text := make([]string, len(c.Prefixes))
			for i, p := range c.Prefixes {
				text[i] = p.String()
				if p.IsSingleIP() {
					text[i] = p.Addr().String()
				}
			}
			if c.Everywhere {
				text = []string{"*"}
			}
			all = append(all, ClientView{name, c.Name, strings.Join(text, " "), fmt.Sprint(c.Proto), c.state})
		}
	}
	return all
}

// PoolView is what may be seen of a pool. Thread: any.
type PoolView struct {
	Name  string
	Type  string
	Homes []HomeView
	Down  bool // it was found that none lives, of one kind of ports at least, and none has answered since
}

// Pools are those of the present configuration, in its order. Thread: any.
func (g *Gateway) Pools() []PoolView {
	var all []PoolView
	cfg := g.current.Load()
	for _, p := range cfg.Pools {
		homes := slices.Clone(p.Homes)
		if p.FallbackHome != nil {
			homes = append(homes, p.FallbackHome)
		}
		one := PoolView{Name: p.Name, Type: fmt.Sprint(p.Balance), Down: p.down[0].Load() || p.down[1].Load()}
		for _, h := range homes {
			one.Homes = append(one.Homes, h.view())
		}
		all = append(all, one)
	}
	return all
}
