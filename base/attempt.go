package base

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// attempt is one address being tried.
type attempt struct {
	d    *Dialer
	addr sock.Addr
	fd   int
	reg  event.FD
}

func (a *attempt) Ready(event.Ready) { a.d.how.Owner.Advance() }
func (a *attempt) Describe() string  { return a.d.how.Owner.Describe() }

// begin makes the socket and starts to connect.
func (a *attempt) begin() error {
	d, k := a.d, a.d.how.Kernel
	fd, err := k.Socket(a.addr.Family(), d.how.Kind)
	if err != nil {
		return err
	}
	a.fd = fd
	if d.target.Device != "" {
		if err := k.BindDevice(fd, d.target.Device); err != nil {
			return fmt.Errorf("interface %s: %w", d.target.Device, err)
		}
	}
	if err := d.how.Setup(fd, true); err != nil {
		return err
	}
	if err := bindSource(k, fd, a.addr.Family(), d.target.Source); err != nil {
		return err
	}
	err = k.Connect(fd, a.addr)
	if err == frio.ErrAgain && d.loop != nil {
		if failed := a.watch(d.loop); failed != nil {
			return failed
		}
	}
	return err
}

// watch has the loop tell when the attempt has ended.
func (a *attempt) watch(loop *event.Loop) error {
	a.reg.Init(a.fd, a)
	if err := a.reg.Attach(loop); err != nil {
		return err
	}
	return a.reg.Want(event.Write)
}

func (a *attempt) close() {
	if a.fd >= 0 {
		a.reg.Detach()
		a.d.how.Kernel.Close(a.fd)
		a.fd = -1
	}
}

// bindSource binds a client's socket where s says; of a range of ports the first free one, from a start that differs from
// socket to socket.
func bindSource(k sock.Kernel, fd int, f sock.Family, s Source) error {
	if f == sock.Local || (!s.Addr.IsValid() && s.First == 0) {
		return nil
	}
	addr := s.Addr
	if !addr.IsValid() {
		addr = netip.IPv4Unspecified()
		if f == sock.Inet6 {
			addr = netip.IPv6Unspecified()
		}
	}
	count := int(s.Last) - int(s.First) + 1
	start := int(uint64(k.Now().UnixNano())*0x9e3779b97f4a7c15>>33) % count
	var err error
	for i := range count {
		port := s.First + uint16((start+i)%count)
		err = k.Bind(fd, sock.Addr{AddrPort: netip.AddrPortFrom(addr, port)})
		if err != syscall.EADDRINUSE {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("bind %v: %w", addr, err)
	}
	return nil
}
