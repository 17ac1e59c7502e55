package sock

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// ownAge is for how long a list of this machine's addresses is believed.
const ownAge = time.Second

// own knows which addresses are this machine's. A datagram to one of them does not leave by an interface: told one other
// than that address's own, the kernel would look for the address behind it, and find nobody. It happens when a client
// on this machine asks another address of it: the kernel names the interface of the address asked as that of arrival.
type own struct {
	list atomic.Pointer[ownList]
	busy atomic.Bool
}

type ownList struct {
	made  time.Time
	addrs map[netip.Addr]struct{}
}

// has tells whether a is one of ours. The list is read again at most once in ownAge, by whoever finds it old; where the
// system does not tell, only loopback is ours. Thread: any.
func (o *own) has(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsLoopback() {
		return true
	}
	l := o.list.Load()
	if (l == nil || time.Since(l.made) > ownAge) && o.busy.CompareAndSwap(false, true) {
		l = &ownList{made: time.Now(), addrs: map[netip.Addr]struct{}{}}
		nets, _ := net.InterfaceAddrs() // without a list nothing is ours
		for _, n := range nets {
			if p, ok := n.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(p.IP); ok {
					l.addrs[ip.Unmap()] = struct{}{}
				}
			}
		}
		o.list.Store(l)
		o.busy.Store(false)
	}
	if l == nil { // the first list is being made by another thread
		return false
	}
	_, ok := l.addrs[a]
	return ok
}

// interfaceFor is the interface by which a datagram to remote is to leave: none if it does not leave. The scope of a
// link-local address stands in the address itself.
func (o *own) interfaceFor(remote netip.Addr, ifindex uint32) uint32 {
	if ifindex == 0 || o.has(remote) {
		return 0
	}
	return ifindex
}

func scoped(a netip.Addr) bool { return a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() }
