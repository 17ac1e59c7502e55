package base

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Networks says which peers may speak to us. The longest matching prefix decides, in whatever order they were
// given; a peer that none matches is denied if anything is allowed by name, else allowed.
// Its zero value allows everybody. It does not change after NewNetworks. Thread: any.
type Networks struct {
	rules []rule // longest prefix first
	open  bool   // what no rule matches is allowed
}

type rule struct {
	prefix netip.Prefix
	allow  bool
}

// NetworksConfig is `networks { allow = ...  deny = ... }`.
type NetworksConfig struct {
	Allow []netip.Prefix `conf:"allow"`
	Deny  []netip.Prefix `conf:"deny"`
}

// NewNetworks makes the rules. A prefix that is both allowed and denied is denied.
func NewNetworks(cfg NetworksConfig) Networks {
	n := Networks{open: len(cfg.Allow) == 0}
	for _, p := range cfg.Deny {
		n.rules = append(n.rules, rule{p.Masked(), false})
	}
	for _, p := range cfg.Allow {
		n.rules = append(n.rules, rule{p.Masked(), true})
	}
	slices.SortStableFunc(n.rules, func(a, b rule) int {
		return cmp.Compare(b.prefix.Bits(), a.prefix.Bits())
	})
	return n
}

// String prints the rules as they are asked: "deny 10.0.0.0/8, allow 0.0.0.0/0, deny all others".
func (n *Networks) String() string {
	if len(n.rules) == 0 {
		return "all allowed"
	}
	var b strings.Builder
	for _, r := range n.rules {
		fmt.Fprintf(&b, "%s %v, ", verb(r.allow), r.prefix)
	}
	return b.String() + verb(n.open) + " all others"
}

func verb(allow bool) string {
	if allow {
		return "allow"
	}
	return "deny"
}

// Allowed tells whether addr may speak to us.
func (n *Networks) Allowed(addr netip.Addr) bool {
	if len(n.rules) == 0 {
		return true
	}
	addr = addr.Unmap().WithZone("")
	for i := range n.rules {
		if n.rules[i].prefix.Contains(addr) {
			return n.rules[i].allow
		}
	}
	return n.open
}
