package sim

import (
	"net/netip"
	"syscall"

	"github.com/frio-io/frio/sock"
)

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// way is where a packet goes.
type way struct {
	src netip.Addr
	to  *Kernel // nil: nobody has the address, what is sent there vanishes
	out *iface
	in  *iface // at to
}

// owns tells whether a is an address of this host.
func (k *Kernel) owns(a netip.Addr) bool { return a.IsLoopback() || k.w.byAddr[a] == k }

func (k *Kernel) iface(index uint32) *iface {
	if index == 0 || int(index) > len(k.ifaces) {
		return nil
	}
	return k.ifaces[index-1]
}

func (i *iface) has(a netip.Addr) bool {
	for _, o := range i.addrs {
		if o == a {
			return true
		}
	}
	return false
}

// source is the first address of i that fits for to.
func (i *iface) source(to netip.Addr) netip.Addr {
	for _, a := range i.addrs {
		if a.Is4() == to.Is4() && a.IsLinkLocalUnicast() == to.IsLinkLocalUnicast() {
			return a
		}
	}
	for _, a := range i.addrs {
		if a.Is4() == to.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// route finds the way to `to`. src (not set: the kernel's choice) and the interface index (0: any) narrow it.
func (k *Kernel) route(src, to netip.Addr, index uint32, o *[optionCount]int) (way, error) {
	if index != 0 && k.iface(index) == nil {
		return way{}, syscall.ENODEV
	}
	if src.IsValid() && !src.IsUnspecified() {
		if !k.owns(src) && o[sock.FreeBind] == 0 {
			if src.Is4() {
				return way{}, syscall.ENETUNREACH
			}
			return way{}, syscall.EINVAL
		}
	} else {
		src = netip.Addr{}
	}
	if err := rejected(k.rejects, to); err != 0 {
		return way{}, err
	}
	lo := k.ifaces[0]
	if k.owns(to) && (index == 0 || index == lo.index || !to.IsLoopback()) {
		if !src.IsValid() {
			src = to
			if to.Is4() && to.IsLoopback() {
				src = lo.addrs[0]
			}
		}
		return way{src, k, lo, lo}, nil
	}
	if to.IsMulticast() {
		return way{}, syscall.ENETUNREACH
	}
	out := k.exit(src, to, index)
	if out == nil {
		return way{}, syscall.ENETUNREACH
	}
	if src.IsLoopback() {
		// A loopback address never leaves the host.
		return way{}, syscall.EINVAL
	}
	if !src.IsValid() {
		src = out.source(to)
	}
	v := way{src: src, out: out, to: k.w.byAddr[to]}
	if v.to != nil {
		for _, i := range v.to.ifaces {
			if i.has(to) {
				v.in = i
			}
		}
	}
	return v, nil
}

// exit is the interface that leads to `to`: the one asked for, the one with the source address, or the first that has
// an address of that family.
func (k *Kernel) exit(src, to netip.Addr, index uint32) *iface {
	if index != 0 {
		if i := k.iface(index); i != k.ifaces[0] && i.source(to).IsValid() {
			return i
		}
		return nil
	}
	var first *iface
	for _, i := range k.ifaces[1:] {
		if !i.source(to).IsValid() {
			continue
		}
		if i.has(src) {
			return i
		}
		if first == nil {
			first = i
		}
	}
	return first
}

// target replaces the unspecified address by loopback, as Linux does for a destination.
func target(a netip.Addr) netip.Addr {
	if !a.IsUnspecified() {
		return a
	}
	if a.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}
