package haproxy

import (
	"errors"
	"net/netip"

	"github.com/frio-io/frio"
)

// The abilities of the lower, or what stands for one that it has not.

func stateOf(io frio.IO) frio.State {
	if s, ok := io.(frio.Stater); ok {
		return s.State()
	}
	return frio.StateOpen
}

func localAddr(io frio.IO) netip.AddrPort {
	if a, ok := io.(frio.Addresser); ok {
		return a.LocalAddr()
	}
	return netip.AddrPort{}
}

func remoteAddr(io frio.IO) netip.AddrPort {
	if a, ok := io.(frio.Addresser); ok {
		return a.RemoteAddr()
	}
	return netip.AddrPort{}
}

func socketAddr(io frio.IO) (local, remote netip.AddrPort) {
	if a, ok := io.(frio.SocketAddresser); ok {
		return a.SocketAddr()
	}
	return localAddr(io), remoteAddr(io)
}

func closeWrite(io frio.IO) error {
	if c, ok := io.(frio.CloseWriter); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// closeTail closes io after sending tail.
func closeTail(io frio.IO, tail []byte) error {
	if len(tail) == 0 {
		return io.Close()
	}
	if l, ok := io.(frio.Lingerer); ok {
		return l.CloseTail(tail)
	}
	n, _ := io.Write(tail)
	err := io.Close()
	if left := len(tail) - n; left > 0 && err == nil {
		return &frio.UnsentError{Bytes: left}
	}
	return err
}
