package netconn

import (
	"net"
	"net/netip"
	"strings"

	"github.com/frio-io/frio"
)

// addrs are the ends of an IO as package net writes them: a *net.TCPAddr or *net.UDPAddr, of a Unix socket a *net.UnixAddr.
type addrs struct{ local, remote net.Addr }

// addrsOf are the addresses that count: after a PROXY header those it gave.
func addrsOf(io frio.IO) addrs {
	var local, remote netip.AddrPort
	if a, ok := io.(frio.Addresser); ok {
		local, remote = a.LocalAddr(), a.RemoteAddr()
	}
	return addrsFrom(io, local, remote)
}

// socketAddrsOf are those of the socket.
func socketAddrsOf(io frio.IO) addrs {
	if a, ok := io.(frio.SocketAddresser); ok {
		local, remote := a.SocketAddr()
		return addrsFrom(io, local, remote)
	}
	return addrsOf(io)
}

func addrsFrom(io frio.IO, local, remote netip.AddrPort) addrs {
	if !local.IsValid() && !remote.IsValid() {
		near, far := socketPaths(io)
		return addrs{unixAddr(io.Kind(), near), unixAddr(io.Kind(), far)}
	}
	return addrs{portAddr(io.Kind(), local), portAddr(io.Kind(), remote)}
}

func unixAddr(kind frio.Kind, path string) net.Addr {
	if kind == frio.Datagram {
		return &net.UnixAddr{Name: path, Net: "unixgram"}
	}
	return &net.UnixAddr{Name: path, Net: "unix"}
}

// portAddr is the address of a with its port; one that is not valid is the unspecified address.
func portAddr(kind frio.Kind, a netip.AddrPort) net.Addr {
	if kind == frio.Datagram {
		return net.UDPAddrFromAddrPort(a)
	}
	return net.TCPAddrFromAddrPort(a)
}

// socketPaths are the names of the Unix socket that io stands on.
func socketPaths(io frio.IO) (local, remote string) {
	for one := range frio.Stack(io) {
		if p, ok := one.(frio.PathAddresser); ok {
			return p.SocketPaths()
		}
	}
	return "", ""
}

// stackOf is "tls+tcp".
func stackOf(io frio.IO) string {
	stack, _, _ := strings.Cut(io.Describe(), " ")
	return stack
}
