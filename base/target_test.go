package base

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/frio-io/frio/conf"
)

func TestInterleaveAlternatesFamilies(t *testing.T) {
	// RFC 8305, Section 4.
	cases := []struct{ in, want string }{
		{"[]", "[]"},
		{"[192.0.2.1 192.0.2.2]", "[192.0.2.1 192.0.2.2]"},
		{"[192.0.2.1 192.0.2.2 2001:db8::1]", "[2001:db8::1 192.0.2.1 192.0.2.2]"},
		{"[2001:db8::1 2001:db8::2 2001:db8::3 192.0.2.1]", "[2001:db8::1 192.0.2.1 2001:db8::2 2001:db8::3]"},
	}
	for _, c := range cases {
		var in []netip.Addr
		var word string
		rest := c.in[1 : len(c.in)-1]
		for {
			if n, _ := fmt.Sscan(rest, &word); n == 0 {
				break
			}
			in = append(in, netip.MustParseAddr(word))
			rest = rest[min(len(rest), len(word)+1):]
		}
		if got := fmt.Sprint(interleave(in)); got != c.want {
			t.Errorf("%s gives %s, want %s", c.in, got, c.want)
		}
	}
}

func TestHostNames(t *testing.T) {
	for _, good := range []string{"localhost", "radius.example.org", "a-b.example", "_radius._tcp.example.org", "3com.example"} {
		if !IsHostName(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"", "*", "-a.example", "a..b", "a-b.example.", "256.1.1.1", "10.0.0", "a b", "exämple", "a.example/24", "fe80::1%eth0"} {
		if IsHostName(bad) {
			t.Errorf("%q passes", bad)
		}
	}
	// In a file a name may end with the dot of the root.
	if err := new(Host).DecodeConf(conf.NewPair("ipaddr", "a-b.example.", conf.Pos{})); err != nil {
		t.Error(err)
	}
}
