package base

import (
	"fmt"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/sock"
)

// DecodeLimits takes the keys of `limit { }` in cs that stream methods honour.
func DecodeLimits(cs *conf.Section) (Limits, error) {
	l := DefaultLimits()
	sub, err := cs.TakeSection("limit")
	if sub == nil || err != nil {
		return l, err
	}
	err = sub.Decode(&l)
	return l, err
}

// OpenSocket makes a server's socket: the interface and before, then bind, then after.
func OpenSocket(k sock.Kernel, addr sock.Addr, kind frio.Kind, device string, before, after func(fd int) error) (int, error) {
	fd, err := k.Socket(addr.Family(), kind)
	if err != nil {
		return -1, err
	}
	if err := openSocket(k, fd, addr, device, before, after); err != nil {
		k.Close(fd)
		return -1, err
	}
	return fd, nil
}

func openSocket(k sock.Kernel, fd int, addr sock.Addr, device string, before, after func(fd int) error) error {
	if device != "" {
		if err := k.BindDevice(fd, device); err != nil {
			return fmt.Errorf("interface %s: %w", device, err)
		}
	}
	if err := before(fd); err != nil {
		return err
	}
	if err := k.Bind(fd, addr); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return after(fd)
}

// SetBuffers sets the socket's buffers, in bytes; 0 leaves the kernel's.
func SetBuffers(k sock.Kernel, fd, recv, send int) error {
	for _, b := range []struct {
		opt   sock.Option
		bytes int
		name  string
	}{{sock.RecvBuff, recv, "recv_buff"}, {sock.SendBuff, send, "send_buff"}} {
		if b.bytes == 0 {
			continue
		}
		if err := k.SetOption(fd, b.opt, b.bytes); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

// Granted says what buffers the socket has, against what was asked for.
func Granted(k sock.Kernel, fd, recv, send int) string {
	one := func(opt sock.Option, asked int) string {
		n, err := k.Option(fd, opt)
		switch {
		case err != nil:
			return "unknown"
		case asked != 0 && n < asked:
			return fmt.Sprintf("%d (of %d asked for)", n, asked)
		}
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("recv_buff %s, send_buff %s", one(sock.RecvBuff, recv), one(sock.SendBuff, send))
}

// YesNo prints a boolean as a configuration has it.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
