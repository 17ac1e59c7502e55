package tls

import (
	ctls "crypto/tls"
	"fmt"
	"net/netip"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
)

// LocalAddr and RemoteAddr are those that the layer below tells.
func (c *Conn) LocalAddr() netip.AddrPort {
	local, _ := addrs(c.lower)
	return local
}

// RemoteAddr is the peer's.
func (c *Conn) RemoteAddr() netip.AddrPort {
	_, remote := addrs(c.lower)
	return remote
}

func addrs(io frio.IO) (local, remote netip.AddrPort) {
	if a, ok := io.(frio.Addresser); ok {
		return a.LocalAddr(), a.RemoteAddr()
	}
	return
}

// SocketAddr are the addresses of the socket itself.
func (c *Conn) SocketAddr() (local, remote netip.AddrPort) { return socketAddrs(c.lower) }

func socketAddrs(io frio.IO) (local, remote netip.AddrPort) {
	if a, ok := io.(frio.SocketAddresser); ok {
		return a.SocketAddr()
	}
	return addrs(io)
}

// Certificate is what frio.Identity.Certificate holds: a *Certificate, for a peer that showed one. All of it is read-only.
type Certificate struct {
	State ctls.ConnectionState // PeerCertificates[0] is the peer's own, verified
}

// String names it to people: subject, serial number and names, as much as fits into a line.
func (c *Certificate) String() string {
	leaf := c.State.PeerCertificates[0]
	return printable(fmt.Sprintf("certificate %q serial %s, names %s", subjectOf(leaf), serialText(leaf.SerialNumber), namesOf(leaf)))
}

// PeerIdentity is what the layer below knows of the peer, and its certificate once the handshake is over.
func (c *Conn) PeerIdentity() *frio.Identity {
	if c.s != nil && c.s.identity != nil {
		return c.s.identity
	}
	var below *frio.Identity
	if p, ok := c.lower.(frio.Peer); ok {
		below = p.PeerIdentity()
	}
	if c.over || c.state != frio.StateOpen {
		return below
	}
	state := c.s.eng.ConnectionState()
	if len(state.PeerCertificates) == 0 {
		return below
	}
	id := new(frio.Identity)
	if below != nil {
		*id = *below
	}
	id.Certificate = &Certificate{State: state}
	c.s.identity = id
	return id
}

// ConnectionState tells what was agreed; false before the handshake is over, and after the end.
func (c *Conn) ConnectionState() (ctls.ConnectionState, bool) {
	if c.over || c.state != frio.StateOpen {
		return ctls.ConnectionState{}, false
	}
	return c.s.eng.ConnectionState(), true
}

// Reload is Listener.Reload, for the connecting side. Thread: any.
func (c *Conn) Reload(as frio.IO) error { return c.share.how.reload(as) }

// OnReload is told when files that are looked after by time were found changed and wrong.
func (c *Conn) OnReload(failed func(error)) { c.share.how.onReload(failed) }

// Notes are what there is to say about the section.
func (c *Conn) Notes() conf.Errors { return c.share.how.set.notes() }

// ID is the number that the listener gave to an accepted connection.
func (c *Conn) ID() uint64 { return c.id }

// SetLink replaces whom the connection tells that it is gone.
func (c *Conn) SetLink(l frio.Link) {
	if c.over {
		return
	}
	from := c.listener()
	if from != nil && from.gate != nil { // over datagrams the child stays its listener's, and on its thread
		c.session().link = l
		return
	}
	if from != nil && l != frio.Link(from) {
		from.remove(c)
	}
	if from == nil || l != frio.Link(from) {
		c.link = l
	}
}

// listener is the one that lists the connection, if there is one.
func (c *Conn) listener() *Listener {
	if !c.mine {
		return nil
	}
	return c.link.(*Listener)
}

// upLink is who is told of what ends.
func (c *Conn) upLink() frio.Link {
	if c.s != nil && c.s.link != nil {
		return c.s.link
	}
	return c.link
}

// Counts are those of all connections of one listener; of a client, those of all copies of one section. Thread: that of c, or any if c
// was never in a loop.
func (c *Conn) Counts() *Counts { return &c.how().counts }
