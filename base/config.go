package base

import (
	"errors"
	"net/netip"

	"github.com/frio-io/frio/conf"
)

// ListenConfig is the part of a listen's `tcp { }` or `udp { }` that says where to listen.
type ListenConfig struct {
	IPAddr    *ListenAddr    `conf:"ipaddr"`
	IPv4Addr  *ListenAddr    `conf:"ipv4addr"`
	IPv6Addr  *ListenAddr    `conf:"ipv6addr"`
	Port      uint16         `conf:"port,required,port"`
	Interface string         `conf:"interface"`
	Networks  NetworksConfig `conf:"networks"`
}

// ListenAddr is an address in a configuration; `*` is every one.
type ListenAddr struct {
	Addr netip.Addr
	Any  bool
	At   *conf.Pair
}

// DecodeConf takes an address or `*`.
func (a *ListenAddr) DecodeConf(p *conf.Pair) error {
	a.At = p
	if p.Value == "*" {
		a.Any = true
		return nil
	}
	addr, err := netip.ParseAddr(p.Value)
	if err != nil || addr.Zone() != "" {
		return p.Errorf("%s: %q is not an IP address (a listen takes no host names; `*` is every address)", p.Name, p.Value)
	}
	a.Addr = addr.Unmap()
	return nil
}

// Addrs are the one or two addresses to listen on: an IPv4 and an IPv6 line open a socket each. cs is the section.
func (c *ListenConfig) Addrs(cs *conf.Section) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	var errs conf.Errors
	var v4 *ListenAddr
	take := func(a *ListenAddr, wild netip.Addr) {
		if a == nil {
			return
		}
		addr := a.Addr
		if a.Any {
			addr = wild
		}
		switch {
		case addr.Is4() != wild.Is4() && a.At.Name != "ipaddr":
			errs = append(errs, a.At.Errorf("%s: %v is of the other address family", a.At.Name, addr))
		case len(out) > 0 && out[0].Addr().Is4() == addr.Is4():
			errs = append(errs, a.At.Errorf("%s: an address of this family is given already at %v", a.At.Name, v4.At.Pos))
		}
		if len(out) == 0 {
			v4 = a
		}
		out = append(out, netip.AddrPortFrom(addr, c.Port))
	}
	take(c.IPAddr, netip.IPv4Unspecified())
	take(c.IPv4Addr, netip.IPv4Unspecified())
	take(c.IPv6Addr, netip.IPv6Unspecified())
	// An address that is no address was reported already.
	if len(out) == 0 && cs != nil && !given(cs, "ipaddr", "ipv4addr", "ipv6addr") {
		errs = append(errs, cs.Errorf("%s: ipaddr is missing (`ipaddr = *` is every IPv4 address, `ipv6addr = *` every IPv6 one)", cs.Name))
	}
	return out, errs.Err()
}

// given tells whether cs has a pair of one of these names.
func given(cs *conf.Section, names ...string) bool {
	for _, name := range names {
		if len(cs.Pairs(name)) > 0 {
			return true
		}
	}
	return false
}

// Join is all the mistakes in errs, as conf.Errors; nil if there are none. An error without a position stands at cs.
func Join(cs *conf.Section, errs ...error) error {
	var all conf.Errors
	for _, err := range errs {
		var found conf.Errors
		var one *conf.Error
		switch {
		case err == nil:
		case errors.As(err, &found):
			all = append(all, found...)
		case errors.As(err, &one):
			all = append(all, one)
		default:
			all = append(all, cs.Errorf("%s: %v", cs.Name, err))
		}
	}
	return all.Err()
}
