package base

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/sock"
)

// Target says where a client connects to, from where, and how long it tries.
type Target struct {
	Hosts  []string // names and address literals, in order
	Port   uint16
	Path   string      // of a Local socket, instead of Hosts
	Only   sock.Family // Inet4 or Inet6: addresses of the other family are left out; 0: both
	Source Source
	Device string
	// Timeout is for all attempts together; with Retry they go round and round until then.
	Timeout time.Duration
	Retry   bool
}

// Source is where a client's socket is bound to. Its zero value is the kernel's choice.
type Source struct {
	Addr        netip.Addr
	First, Last uint16 // range of ports
}

// String prints "example.org:2083" or a path.
func (t *Target) String() string {
	if t.Path != "" {
		return t.Path
	}
	hosts := make([]string, len(t.Hosts))
	for i, h := range t.Hosts {
		if strings.Contains(h, ":") {
			h = "[" + h + "]"
		}
		hosts[i] = fmt.Sprintf("%s:%d", h, t.Port)
	}
	return strings.Join(hosts, ",")
}

// TargetConfig is the part of a home_server's `tcp { }` or `udp { }` that says where to connect to. Names are
// resolved at each attempt, not here.
type TargetConfig struct {
	IPAddr    []Host     `conf:"ipaddr"`
	IPv4Addr  []Host     `conf:"ipv4addr"`
	IPv6Addr  []Host     `conf:"ipv6addr"`
	Port      uint16     `conf:"port,required,port,min=1"`
	SrcIPAddr netip.Addr `conf:"src_ipaddr"`
	SrcPort   uint16     `conf:"src_port,min=1"`
	SrcFirst  uint16     `conf:"src_port_start,min=1024"`
	SrcLast   uint16     `conf:"src_port_end,min=1024"`
	Interface string     `conf:"interface"`
	ConnectTimeout
}

// Target checks what single keys cannot and makes the Target. cs is the section that was decoded.
func (c *TargetConfig) Target(cs *conf.Section) (*Target, error) {
	t := &Target{Port: c.Port, Device: c.Interface, Timeout: c.Timeout, Retry: c.Retry}
	var errs conf.Errors
	hosts := c.IPAddr
	switch count := btoi(len(c.IPAddr) > 0) + btoi(len(c.IPv4Addr) > 0) + btoi(len(c.IPv6Addr) > 0); {
	case count == 0 && given(cs, "ipaddr", "ipv4addr", "ipv6addr"): // reported already
	case count == 0:
		errs = append(errs, cs.Errorf("%s: ipaddr is missing", cs.Name))
	case count > 1:
		errs = append(errs, c.onlyOne())
	case len(c.IPv4Addr) > 0:
		hosts, t.Only = c.IPv4Addr, sock.Inet4
	case len(c.IPv6Addr) > 0:
		hosts, t.Only = c.IPv6Addr, sock.Inet6
	}
	for _, h := range hosts {
		a, err := netip.ParseAddr(h.Name)
		switch {
		case err == nil && a.Unmap().Is4() && t.Only == sock.Inet6, err == nil && !a.Unmap().Is4() && t.Only == sock.Inet4:
			errs = append(errs, h.At.Errorf("%s: %s is of the other address family", h.At.Name, h.Name))
		case err == nil && c.SrcIPAddr.IsValid() && a.Unmap().Is4() != c.SrcIPAddr.Is4():
			errs = append(errs, h.At.Errorf("%s: %s and src_ipaddr %v are of different families", h.At.Name, h.Name, c.SrcIPAddr))
		}
		t.Hosts = append(t.Hosts, h.Name)
	}
	t.Source = Source{Addr: c.SrcIPAddr, First: c.SrcPort, Last: c.SrcPort}
	if c.SrcFirst != 0 || c.SrcLast != 0 {
		switch {
		case c.SrcPort != 0:
			errs = append(errs, cs.Errorf("%s: src_port and src_port_start exclude each other", cs.Name))
		case c.SrcFirst == 0 || c.SrcLast == 0 || c.SrcLast < c.SrcFirst:
			errs = append(errs, cs.Errorf("%s: src_port_start %d to src_port_end %d is no range", cs.Name, c.SrcFirst, c.SrcLast))
		}
		t.Source.First, t.Source.Last = c.SrcFirst, c.SrcLast
	}
	return t, errs.Err()
}

// onlyOne is the mistake of two of ipaddr, ipv4addr and ipv6addr, at the second.
func (c *TargetConfig) onlyOne() *conf.Error {
	var first *conf.Pair
	for _, hosts := range [][]Host{c.IPAddr, c.IPv4Addr, c.IPv6Addr} {
		switch {
		case len(hosts) == 0:
		case first == nil:
			first = hosts[0].At
		default:
			at := hosts[0].At
			return at.Errorf("%s: %s is given at %v, and only one of ipaddr, ipv4addr and ipv6addr is possible; ipaddr takes addresses of both families, a line for each",
				at.Name, first.Name, first.Pos)
		}
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Host is a host name or an address literal in a configuration.
type Host struct {
	Name string
	At   *conf.Pair
}

// DecodeConf takes a name or an address; `*` is none, and neither are 0.0.0.0 and ::, which nobody has.
func (h *Host) DecodeConf(p *conf.Pair) error {
	a, err := netip.ParseAddr(p.Value)
	switch {
	case err == nil && a.Unmap().IsUnspecified():
		return p.Errorf("%s: %s stands for any address, and cannot be connected to", p.Name, p.Value)
	case err != nil && !IsHostName(strings.TrimSuffix(p.Value, ".")):
		e := p.Errorf("%s: %q is neither an address nor a host name", p.Name, p.Value)
		if _, port, ok := strings.Cut(p.Value, ":"); ok && strings.Trim(port, "0123456789") == "" {
			e.Hint = "the port has a key of its own"
		} else if strings.HasPrefix(p.Value, "[") {
			e.Hint = "an address stands without brackets, and the port has a key of its own"
		}
		return e
	}
	*h = Host{Name: p.Value, At: p}
	return nil
}

// IsHostName is RFC 1123, Section 2.1, with underscores, which DNS carries, and no dot at the end. Digits and dots alone are a mistyped address.
func IsHostName(s string) bool {
	if s == "" || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !(r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
				return false
			}
		}
	}
	return true
}

// ConnectTimeout are the keys of a home_server's method that say how long to try.
type ConnectTimeout struct {
	Timeout time.Duration `conf:"connect_timeout,min=1ms,max=1h"`
	Retry   bool          `conf:"connect_retry"`
}

// DefaultConnect is 10 s, once.
func DefaultConnect() ConnectTimeout { return ConnectTimeout{Timeout: 10 * time.Second} }
