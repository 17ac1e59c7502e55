package gateway

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/tls/cert"
)

// defaultDedup is how long a reply is kept for duplicates of its request (RFC 5080, Section 2.2.2).
const defaultDedup = 5 * time.Second

type clientKeys struct {
	IPAddr         []*conf.Pair  `conf:"ipaddr"`
	IPv4Addr       []*conf.Pair  `conf:"ipv4addr"`
	IPv6Addr       []*conf.Pair  `conf:"ipv6addr"`
	Netmask        *conf.Pair    `conf:"netmask"`
	Proto          []Proto       `conf:"proto"`
	Secret         *conf.Secret  `conf:"secret"`
	Shortname      string        `conf:"shortname"`
	RequireMA      Demand        `conf:"require_message_authenticator"`
	LimitProxy     Demand        `conf:"limit_proxy_state"`
	ResponseWindow time.Duration `conf:"response_window,zero,min=1ms,max=2m"`
	CleanupDelay   time.Duration `conf:"cleanup_delay,min=1s,max=1m"`
	CoAServer      *conf.Pair    `conf:"coa_server"`
	NASAddrs       []netip.Addr  `conf:"nas_ip_address,ipv4"`
	NASAddrs6      []netip.Addr  `conf:"nas_ipv6_address,ipv6"`
	NASIdentifier  string        `conf:"nas_identifier"`
	Limit          limitKeys     `conf:"limit"`
	AddTTL         uint8         `conf:"add_ttl,min=1"`
	RewriteName    *conf.Pair    `conf:"rewrite_user_name"`
	VisCountry     *conf.Pair    `conf:"fticks_viscountry"`
	VisInst        *conf.Pair    `conf:"fticks_visinst"`
	rewriteKeys
}

// readClients reads the global clients and the lists of others.
func (r *reader) readClients(root *conf.Section) {
	r.cfg.Clients[""] = r.clientList(root)
	for _, cs := range r.named(root, "clients") {
		list := r.clientList(cs)
		if len(list.All) == 0 {
			r.failSection(cs, "it has no client")
		}
		if r.cfg.Clients[cs.Name2] == nil {
			r.cfg.Clients[cs.Name2] = list
		}
	}
}

func (r *reader) clientList(parent *conf.Section) *ClientList {
	var all []*Client
	stated := map[*Client]bool{}
	for _, cs := range r.named(parent, "client") {
		c, proto := r.client(cs)
		r.clients[cs] = c
		stated[c] = proto
		if c.Everywhere || len(c.Prefixes) > 0 {
			all = append(all, c)
		}
	}
	r.sameClients(all, stated)
	return NewClientList(all)
}

// client reads one client. stated tells whether it says proto.
func (r *reader) client(cs *conf.Section) (c *Client, stated bool) {
	c = &Client{Name: cs.Name2, At: cs.Pos}
	k := clientKeys{CleanupDelay: defaultDedup}
	r.foreign(cs, foreignClient)
	r.clientTLS(cs)
	r.add(cs, cs.Decode(&k))
	c.RequireMessageAuthenticator, c.LimitProxyState = k.RequireMA, k.LimitProxy
	c.ResponseWindow, c.Dedup = k.ResponseWindow, k.CleanupDelay
	c.Limit = k.Limit.limit()
	c.In, c.Out = r.rewritesOf(&k.rewriteKeys)
	c.AddTTL = k.AddTTL
	c.UserName = r.userName(k.RewriteName)
	r.visited(c, k.VisCountry, k.VisInst)
	match, errs, warnings := cert.Read(cs)
	c.Certificate, r.errs, r.notes = match, append(r.errs, errs...), append(r.notes, warnings...)
	for _, p := range k.Proto {
		c.Proto |= p
	}
	stated = len(cs.Pairs("proto")) > 0
	r.clientAddr(cs, c, &k)
	r.clientProto(cs, c, &k, stated)
	r.nas(c, &k)
	r.coaServer(c, k.CoAServer)
	return c, stated
}

// clientAddr finds what addresses a client has: those of the keys, or as in FreeRADIUS 1 that of its name.
func (r *reader) clientAddr(cs *conf.Section, c *Client, k *clientKeys) {
	given := slices.Concat(k.IPAddr, k.IPv4Addr, k.IPv6Addr)
	if len(given) == 0 && len(cs.Pairs("ipaddr"))+len(cs.Pairs("ipv4addr"))+len(cs.Pairs("ipv6addr")) > 0 {
		return // reported already
	}
	if len(given) == 0 {
		byName := conf.NewPair("ipaddr", cs.Name2, cs.Pos)
		switch _, err := r.prefix(cs, byName); {
		case err == nil:
			given = []*conf.Pair{byName}
		case c.Certificate == nil:
			r.failSection(cs, "ipaddr is missing (or certificate { }, for a client that is known by that alone)")
			return
		default:
			c.Everywhere = true
			if k.Netmask != nil {
				r.fail(k.Netmask, "has no effect without ipaddr")
			}
			return
		}
	}
	for _, p := range given {
		prefix, err := r.prefix(cs, p)
		if err != nil {
			r.add(cs, err)
			continue
		}
		prefix = r.mask(cs, prefix, k.Netmask, p)
		if slices.Contains(c.Prefixes, prefix) {
			r.fail(p, "%v is given already", prefix)
			continue
		}
		c.Prefixes = append(c.Prefixes, prefix)
	}
}

// prefix reads an address, with or without bits, of the family that its key asks for. As in FreeRADIUS `*`, 0.0.0.0 and :: are any
// address. Names are refused: their look-up would hold up a start, and a reload of what runs, and what they stand for changes.
func (r *reader) prefix(cs *conf.Section, p *conf.Pair) (netip.Prefix, error) {
	var k struct {
		Any  netip.Prefix `conf:"ipaddr"`
		Any4 netip.Prefix `conf:"ipv4addr,ipv4"`
		Any6 netip.Prefix `conf:"ipv6addr,ipv6"`
	}
	if err := cs.Compose(cs.Name, cs.Name2, p).Decode(&k); err != nil {
		if strings.Trim(p.Value, "0123456789abcdefABCDEF.:/*") != "" {
			e := p.Errorf("%s: `%s` is no address: clients are known by theirs, and names are not looked up", p.Name, p.Value)
			switch {
			case strings.HasPrefix(p.Value, "["):
				e.Msg, e.Hint = fmt.Sprintf("%s: `%s` is no address", p.Name, p.Value), "it stands without brackets"
			case strings.Contains(p.Value, "%"):
				e.Msg, e.Hint = fmt.Sprintf("%s: `%s` is no address", p.Name, p.Value), "it stands without an interface"
			}
			return netip.Prefix{}, e
		}
		return netip.Prefix{}, err
	}
	found := k.Any
	for _, one := range []netip.Prefix{k.Any4, k.Any6} {
		if one.IsValid() {
			found = one
		}
	}
	addr, bits := found.Addr(), found.Bits()
	switch {
	case addr.Is4In6() && bits >= 96:
		addr, bits = addr.Unmap(), bits-96
	case addr.IsUnspecified() && !strings.Contains(p.Value, "/"):
		bits = 0
	}
	return netip.PrefixFrom(addr, bits), nil
}

// mask applies netmask, FreeRADIUS 2's key for the bits of an address.
func (r *reader) mask(cs *conf.Section, prefix netip.Prefix, netmask, address *conf.Pair) netip.Prefix {
	if netmask == nil || !prefix.IsValid() {
		return prefix
	}
	var k struct {
		Bits uint8 `conf:"netmask"`
	}
	if err := cs.Compose(cs.Name, cs.Name2, netmask).Decode(&k); err != nil {
		r.add(cs, err)
		return prefix
	}
	switch bits := prefix.Addr().BitLen(); {
	case strings.Contains(address.Value, "/"):
		r.fail(netmask, "%s has its bits already", address.Value)
	case int(k.Bits) > bits:
		r.fail(netmask, "%d is above %d", k.Bits, bits)
	default:
		return netip.PrefixFrom(prefix.Addr(), int(k.Bits)).Masked()
	}
	return prefix
}

// clientProto decides how a client's packets may come, and their secrets.
func (r *reader) clientProto(cs *conf.Section, c *Client, k *clientKeys, stated bool) {
	const secure = ProtoTLS | ProtoDTLS
	hasSecret := k.Secret != nil || len(cs.Pairs("secret")) > 0
	switch {
	case !stated && (c.Certificate != nil || !hasSecret):
		// Without a secret it can only be one of those that have theirs from an RFC.
		c.Proto = secure
		if c.Certificate == nil {
			r.failSection(cs, "secret is missing (with proto = tls or dtls it is not needed)")
		}
	case !stated:
		c.Proto = ProtoAny
	case c.Certificate != nil && c.Proto&secure == 0 && c.Proto != 0:
		r.fail(cs.Pairs("proto")[0], "nobody shows a certificate over %v", c.Proto)
	case c.Certificate != nil:
		c.Proto &= secure
	case !hasSecret && c.Proto&^secure != 0:
		r.failSection(cs, "secret is missing")
	}
	if stated && c.Certificate == nil && c.Proto != 0 && c.Proto&^secure == 0 {
		r.warn(c.At, "%s: without certificate { }, every certificate of the CA is this client's if it comes from there", title(cs))
	}
	switch {
	case k.Secret != nil:
		value := k.Secret.Reveal()
		c.Secret, c.DTLSSecret = r.secret(value), r.secret(value)
		c.OwnSecret = value != radsecSecret && value != dtlsSecret
	case c.Proto == ProtoDTLS:
		c.Secret, c.DTLSSecret = r.secret(dtlsSecret), r.secret(dtlsSecret)
	default:
		c.Secret, c.DTLSSecret = r.secret(radsecSecret), r.secret(dtlsSecret)
	}
}

// coaServer finds where CoA-Requests for a client go: a pool, or one home server.
func (r *reader) coaServer(c *Client, p *conf.Pair) {
	if p == nil {
		return
	}
	c.CoAServer = p.Value
	if pool := r.pools[p.Value]; pool != nil {
		c.CoAPool = pool
	} else if h := r.homes[p.Value]; h != nil {
		c.CoAPool = &HomePool{Name: h.Name, At: h.At, Key: defaultKey, Homes: []*Home{h}}
	} else {
		e := r.fail(p, "no home_server_pool or home_server `%s`", p.Value)
		e.Hint = conf.DidYouMean(p.Value, append(namesOf(r.pools), namesOf(r.homes)...))
		return
	}
	r.takes(p, c.CoAPool, HomeCoA)
}

// sameClients reports two clients that state the same. Where one of two with the same address does not say proto, it has what the
// others leave.
func (r *reader) sameClients(all []*Client, stated map[*Client]bool) {
	byPrefix := map[netip.Prefix][]*Client{} // under the zero one those of everywhere
	for _, c := range all {
		for _, at := range prefixesOf(c) {
			byPrefix[at] = append(byPrefix[at], c)
		}
	}
	for _, c := range all {
		for _, at := range prefixesOf(c) {
			for _, d := range byPrefix[at] {
				if c.Certificate == nil && d.Certificate == nil && !stated[c] && stated[d] {
					c.Proto &^= d.Proto
				}
			}
		}
	}
	for _, c := range all {
		if before := sameAs(c, byPrefix); before != nil {
			r.errs = append(r.errs, &conf.Error{Pos: c.At, Msg: fmt.Sprintf(
				"client %s: states the same as client %s at %v (address, proto and certificate)", c.Name, before.Name, before.At)})
		}
	}
}

func prefixesOf(c *Client) []netip.Prefix {
	if c.Everywhere {
		return []netip.Prefix{{}}
	}
	return c.Prefixes
}

// sameAs finds a client before c that could as well be meant where c is.
func sameAs(c *Client, byPrefix map[netip.Prefix][]*Client) *Client {
	for _, at := range prefixesOf(c) {
		for _, before := range byPrefix[at] {
			if before == c {
				break
			}
			if (c.Proto&before.Proto != 0 || c.Proto == 0 || before.Proto == 0) && cert.Same(c.Certificate, before.Certificate) {
				return before
			}
		}
	}
	return nil
}

// visited reads how lines of F-Ticks call the place that a client's users visit.
func (r *reader) visited(c *Client, country, institution *conf.Pair) {
	c.VisInst = c.Name
	for _, one := range []struct {
		to *string
		p  *conf.Pair
	}{{&c.VisCountry, country}, {&c.VisInst, institution}} {
		if one.p == nil {
			continue
		}
		if fault := fieldFault(one.p.Value); fault != "" {
			r.fail(one.p, "%s", fault)
			continue
		}
		*one.to = one.p.Value
	}
	if institution != nil && country == nil {
		r.fail(institution, "has no effect without fticks_viscountry")
	}
	c.VisInst = field([]byte(c.VisInst)) // a client's name may have what a field may not
}
