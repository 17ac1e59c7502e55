package base

import (
	"errors"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

// Inheritance is the socket that the next Open is to go on with. The zero value is none.
type Inheritance struct {
	fd    int    // one more than the descriptor
	leave func() // has who had it leave its name behind; nil: it has none
}

// Of makes it a duplicate of fd. Once it is opened leave is called, if that is not nil.
func (i *Inheritance) Of(k sock.Kernel, fd int, leave func()) error {
	d, ok := k.(sock.Duplicator)
	if !ok || fd < 0 {
		return errors.ErrUnsupported
	}
	twin, err := d.Duplicate(fd)
	if err != nil {
		return err
	}
	i.fd, i.leave = twin+1, leave
	return nil
}

// Waits tells whether there is one.
func (i *Inheritance) Waits() bool { return i.fd > 0 }

// Open is OpenSocket, but where there is a socket that one has the address already.
func (i *Inheritance) Open(k sock.Kernel, addr sock.Addr, kind frio.Kind, device string, before, after func(fd int) error) (int, error) {
	if !i.Waits() {
		return OpenSocket(k, addr, kind, device, before, after)
	}
	fd, leave := i.fd-1, i.leave
	*i = Inheritance{}
	err := before(fd)
	if err == nil {
		err = after(fd)
	}
	if err != nil {
		k.Close(fd)
		return -1, err
	}
	if leave != nil {
		leave()
	}
	return fd, nil
}

// Drop closes what was not opened.
func (i *Inheritance) Drop(k sock.Kernel) {
	if i.Waits() {
		k.Close(i.fd - 1)
		*i = Inheritance{}
	}
}

// BuffersFit tells whether a socket whose buffers were set to old, 0: not set, can have those that are asked for.
func BuffersFit(old, asked [2]int) bool {
	return (old[0] == 0 || asked[0] != 0) && (old[1] == 0 || asked[1] != 0)
}

// Inherit is frio.Heir's. Who waits in from's backlog is accepted by l.
func (l *Listener) Inherit(from frio.IO) (shared bool, err error) {
	l.ctx.Touch("inherit")
	l.heir.Drop(l.cfg.Kernel)
	old, ok := from.(*Listener)
	if !ok || l.closed || l.state != frio.StateClosed || !l.likes(old) {
		return false, errors.ErrUnsupported
	}
	return false, l.heir.Of(l.cfg.Kernel, old.fd, func() { old.how.Closed = nil })
}

// likes tells whether the socket of another one is what Open would make.
func (l *Listener) likes(old *Listener) bool {
	return l.cfg.Kernel == old.cfg.Kernel && l.cfg.Method == old.cfg.Method && l.local == old.local &&
		l.how.Interface == old.how.Interface && BuffersFit(old.cfg.Buffers, l.cfg.Buffers)
}
