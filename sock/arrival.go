package sock

import (
	"encoding/binary"
	"net/netip"

	"github.com/frio-io/frio"
	"golang.org/x/sys/unix"
)

// arrival is what a datagram's control messages tell.
type arrival struct {
	local   netip.Addr
	ifindex uint32
	time    int64
	ecn     uint8
	segment int
}

// apply writes what is known of an arrival into p. port is the socket's own.
func (a *arrival) apply(p *frio.Packet, port uint16) {
	p.Local = netip.AddrPort{}
	if a.local.IsValid() {
		p.Local = netip.AddrPortFrom(a.local, port)
	}
	if a.ifindex != 0 {
		p.Ifindex = a.ifindex
	}
	p.Time, p.ECN = a.time, a.ecn
}

// closeRights closes descriptors that a Local peer has pushed on us: nobody asked for them, and kept they would
// exhaust ours.
func closeRights(data []byte) {
	for ; len(data) >= 4; data = data[4:] {
		_ = unix.Close(int(int32(binary.NativeEndian.Uint32(data))))
	}
}

// sourceIs4 tells of which family the source of p is; known is false if p does not tell. EINVAL if it does not fit the
// destination: the kernel would overlook it there and send from another address.
func sourceIs4(p *frio.Packet) (ip4, known bool, err error) {
	local, remote := p.Local.Addr(), p.Remote.Addr()
	is4 := func(a netip.Addr) bool { return a.Is4() || a.Is4In6() }
	switch {
	case local.Zone() != "", local.IsValid() && remote.IsValid() && is4(local) != is4(remote):
		return false, true, unix.EINVAL
	case local.IsValid():
		return is4(local), true, nil
	case remote.IsValid():
		return is4(remote), true, nil
	}
	return false, false, nil
}
