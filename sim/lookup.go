package sim

import (
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/frio-io/frio/event"
)

// name is what a host name resolves to.
type name struct {
	delay time.Duration
	addrs []netip.Addr
	err   error
}

// SetHost makes host resolve to addrs, or to err, delay after each Lookup; a negative delay never answers. Names that are not set
// are not found, but for localhost. Look-ups under way keep what they were started with.
func (w *World) SetHost(host string, delay time.Duration, addrs []netip.Addr, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[host] = &name{delay, append([]netip.Addr(nil), addrs...), err}
}

// lookup implements event.Lookup.
type lookup struct {
	w         *World
	done      bool
	cancelled bool
	told      bool
	addrs     []netip.Addr
	err       error
	notify    func()
}

var _ event.Lookup = (*lookup)(nil)

// Lookup implements event.System. The result comes on the virtual clock, and notify is called inside the Wait, the Advance
// or the Run that brings it.
func (k *Kernel) Lookup(host string, notify func()) event.Lookup {
	w := k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.countCall()
	k.calls[callLookup]++
	w.trace.mixString(host)
	w.note(k, "Lookup", -1, len(host), nil)
	n := w.names[host]
	if err := k.fault(callLookup); err != nil {
		n = &name{err: err}
	} else if a, err := netip.ParseAddr(host); err == nil {
		n = &name{addrs: []netip.Addr{a}}
	} else if n == nil && host == "localhost" {
		n = &name{addrs: k.ifaces[0].addrs}
	} else if n == nil {
		n = &name{err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	l := &lookup{w: w, notify: notify}
	if n.delay >= 0 {
		w.after(n.delay, func() {
			l.done, l.addrs, l.err = true, n.addrs, n.err
			w.note(k, "resolved", -1, len(n.addrs), nil)
			w.notify = append(w.notify, l)
		})
	}
	return l
}

// Result implements event.Lookup.
func (l *lookup) Result() ([]netip.Addr, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	switch {
	case l.cancelled:
		return nil, net.ErrClosed
	case !l.done:
		return nil, syscall.EAGAIN
	}
	return l.addrs, l.err
}

// SetNotify implements event.Lookup.
func (l *lookup) SetNotify(notify func()) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.cancelled {
		return
	}
	l.notify = notify
	if l.done && notify != nil {
		l.told = true
		l.w.unlocked(notify)
	}
}

// Cancel implements event.Lookup.
func (l *lookup) Cancel() {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.cancelled, l.notify = true, nil
}
