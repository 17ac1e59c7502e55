package gateway

import (
	"cmp"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
)

// Why no client was found.
var (
	ErrNoClient    = errors.New("no client with this address")
	ErrClientProto = errors.New("the client with this address does not come this way (proto)")
	ErrClientCert  = errors.New("the certificate is not that of a client with this address")
)

// ClientList finds the client of an address. It does not change. Thread: any.
type ClientList struct {
	All []*Client // in order of the file

	four  []length[uint32] // the longest first
	six   []length[[2]uint64]
	every []*Client // of all addresses: what can be said of a peer that has none
}

// length are the clients whose prefixes are of one length, by their masked address. Of one prefix, those with a certificate are first.
type length[K comparable] struct {
	mask K
	at   map[K][]*Client
}

// NewClientList makes a list of clients, in order of the file.
func NewClientList(all []*Client) *ClientList {
	l := &ClientList{All: all}
	for _, c := range all {
		everywhere := c.Everywhere
		if everywhere {
			l.four = add(l.four, uint32(0), 0, c)
			l.six = add(l.six, [2]uint64{}, [2]uint64{}, c)
		}
		for _, p := range c.Prefixes {
			everywhere = everywhere || p.Bits() == 0
			if p.Addr().Is4() {
				mask := ^uint32(0) << (32 - p.Bits())
				l.four = add(l.four, mask, four(p.Addr())&mask, c)
				continue
			}
			mask := mask6(p.Bits())
			l.six = add(l.six, mask, and6(six(p.Addr()), mask), c)
		}
		if everywhere {
			l.every = append(l.every, c)
		}
	}
	slices.SortStableFunc(l.four, func(a, b length[uint32]) int { return cmp.Compare(b.mask, a.mask) })
	slices.SortStableFunc(l.six, func(a, b length[[2]uint64]) int {
		return cmp.Or(cmp.Compare(b.mask[0], a.mask[0]), cmp.Compare(b.mask[1], a.mask[1]))
	})
	for _, one := range l.four {
		sortAll(one.at)
	}
	for _, one := range l.six {
		sortAll(one.at)
	}
	sortClients(l.every)
	return l
}

func add[K comparable](list []length[K], mask, addr K, c *Client) []length[K] {
	for _, one := range list {
		if one.mask == mask {
			one.at[addr] = append(one.at[addr], c)
			return list
		}
	}
	return append(list, length[K]{mask, map[K][]*Client{addr: {c}}})
}

func sortAll[K comparable](at map[K][]*Client) {
	for _, list := range at {
		sortClients(list)
	}
}

func sortClients(list []*Client) {
	slices.SortStableFunc(list, func(a, b *Client) int { return cmp.Compare(plain(a), plain(b)) })
}

func plain(c *Client) int {
	if c.Certificate != nil {
		return 0
	}
	return 1
}

func four(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func six(a netip.Addr) [2]uint64 {
	b := a.As16()
	return [2]uint64{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func and6(a, mask [2]uint64) [2]uint64 { return [2]uint64{a[0] & mask[0], a[1] & mask[1]} }

func mask6(bits int) [2]uint64 {
	high, low := min(bits, 64), max(bits-64, 0)
	return [2]uint64{^uint64(0) << (64 - high), ^uint64(0) << (64 - low)}
}

// Find returns the client that a packet or connection comes from: of those whose address, way and certificate fit, the one with the
// longest prefix, and of these the first in the file. cert is what the peer proved, nil without TLS or certificate. A peer whose
// certificate is not that of a client with its address is not taken for a client of the same prefix that has no certificate { }. An
// invalid addr, that of a peer on a Unix socket, fits the clients of all addresses. Without a client the reason is one of the
// errors above. It allocates nothing where certificates are not compared.
func (l *ClientList) Find(addr netip.Addr, proto Proto, cert *x509.Certificate) (*Client, error) {
	return l.find(addr, proto, cert, true)
}

// FindLax is Find for a listen with require_client_cert = no: there a certificate that does not fit is as good as none.
func (l *ClientList) FindLax(addr netip.Addr, proto Proto, cert *x509.Certificate) (*Client, error) {
	return l.find(addr, proto, cert, false)
}

func (l *ClientList) find(addr netip.Addr, proto Proto, cert *x509.Certificate, strict bool) (*Client, error) {
	s := search{proto: proto, cert: cert, strict: strict}
	switch addr = addr.Unmap(); {
	case !addr.IsValid():
		if c := s.among(l.every); c != nil {
			return c, nil
		}
	case addr.Is4():
		key := four(addr)
		for i := range l.four {
			if c := s.among(l.four[i].at[key&l.four[i].mask]); c != nil {
				return c, nil
			}
		}
	default:
		key := six(addr)
		for i := range l.six {
			if c := s.among(l.six[i].at[and6(key, l.six[i].mask)]); c != nil {
				return c, nil
			}
		}
	}
	switch {
	case s.failed:
		return nil, ErrClientCert
	case s.seen:
		return nil, ErrClientProto
	}
	return nil, ErrNoClient
}

// search is one Find under way.
type search struct {
	proto  Proto
	cert   *x509.Certificate
	strict bool
	seen   bool // a client with the address
	failed bool // one that comes this way, but has another certificate
}

// among returns the client in list, those of one prefix, that fits.
func (s *search) among(list []*Client) *Client {
	failed := false
	for _, c := range list {
		s.seen = true
		switch {
		case c.Proto&s.proto == 0:
		case c.Certificate != nil:
			if c.Certificate.Matches(s.cert) {
				return c
			}
			failed, s.failed = true, true
		case !failed || !s.strict:
			return c
		}
	}
	return nil
}

// HasAddr tells whether some client could have addr, whatever its certificate and way. It allocates nothing.
func (l *ClientList) HasAddr(addr netip.Addr) bool {
	switch addr = addr.Unmap(); {
	case !addr.IsValid():
		return len(l.every) > 0
	case addr.Is4():
		key := four(addr)
		for i := range l.four {
			if len(l.four[i].at[key&l.four[i].mask]) > 0 {
				return true
			}
		}
	default:
		key := six(addr)
		for i := range l.six {
			if len(l.six[i].at[and6(key, l.six[i].mask)]) > 0 {
				return true
			}
		}
	}
	return false
}
