package base

import (
	"net/netip"
	"slices"
	"testing"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestNetworksLongestPrefixWins(t *testing.T) {
	cases := []struct {
		name        string
		allow, deny []netip.Prefix
		yes, no     []string
	}{
		{"none given", nil, nil, []string{"192.0.2.1", "2001:db8::1"}, nil},
		{"allow only", prefixes("10.0.0.0/8", "2001:db8::/32"), nil, []string{"10.1.2.3", "2001:db8::1", "::ffff:10.0.0.1"}, []string{"11.0.0.1", "2001:db9::1"}},
		{"deny only", nil, prefixes("10.0.0.0/8"), []string{"11.0.0.1"}, []string{"10.0.0.1", "::ffff:10.0.0.1"}},
		{"nested", prefixes("10.0.0.0/8", "10.1.1.0/24"), prefixes("10.1.0.0/16", "10.1.1.7/32"),
			[]string{"10.0.0.1", "10.1.1.1"}, []string{"10.1.2.1", "10.1.1.7", "192.0.2.1"}},
		{"same in both", prefixes("10.0.0.0/8"), prefixes("10.0.0.0/8"), nil, []string{"10.0.0.1"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			// The order of the lines must not matter.
			for range 2 {
				n := NewNetworks(NetworksConfig{Allow: c.allow, Deny: c.deny})
				for _, a := range c.yes {
					if !n.Allowed(netip.MustParseAddr(a)) {
						t.Errorf("%s is denied", a)
					}
				}
				for _, a := range c.no {
					if n.Allowed(netip.MustParseAddr(a)) {
						t.Errorf("%s is allowed", a)
					}
				}
				slices.Reverse(c.allow)
				slices.Reverse(c.deny)
			}
		})
	}
}

func TestNetworksAllowedDoesNotAllocate(t *testing.T) {
	n := NewNetworks(NetworksConfig{Allow: prefixes("10.0.0.0/8", "2001:db8::/32")})
	a, b := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db8::1")
	if got := testing.AllocsPerRun(100, func() { n.Allowed(a); n.Allowed(b) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestSourcesAreExact(t *testing.T) {
	s := NewSources(2)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i, want := range []bool{true, true, false} {
		if got := s.Take(a); got != want {
			t.Fatalf("slot %d of 2 for one source: %v", i+1, got)
		}
	}
	if !s.Take(b) {
		t.Fatal("one source takes the slots of another")
	}
	s.Give(a)
	if !s.Take(a) || s.Take(a) {
		t.Fatal("a slot that was given back is not there")
	}
	s.Give(a)
	s.Give(a)
	s.Give(b)
	for i := range s.shards {
		if len(s.shards[i].count) != 0 {
			t.Error("sources that hold nothing are still in the table")
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("giving a slot back twice does not panic")
		}
	}()
	s.Give(a)
}
