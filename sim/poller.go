package sim

import (
	"syscall"
	"time"

	"github.com/frio-io/frio/event"
)

// poller implements event.Poller as epoll does.
type poller struct {
	k      *Kernel
	ready  []*watch // maybe ready, in the order they became so
	head   int
	woken  bool
	closed bool
}

// watch is a descriptor's place in a poller.
type watch struct {
	p       *poller
	s       *socket
	id      uint64
	want    event.Ready
	offered bool // it is in p.ready
	gone    bool
}

var _ event.Poller = (*poller)(nil)

// NewPoller implements event.System.
func (k *Kernel) NewPoller() (event.Poller, error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	k.calls[callNewPoller]++
	err := k.fault(callNewPoller)
	if k.leave(callNewPoller, -1, 0, err) != nil {
		return nil, err
	}
	return &poller{k: k}, nil
}

// now is what t has to report.
func (t *watch) now() event.Ready {
	if t.gone {
		return 0
	}
	return t.s.ready() & (t.want | event.Hangup)
}

// offer puts t on the ready list if there is something to report.
func (t *watch) offer() {
	if !t.offered && t.now() != 0 {
		t.offered = true
		t.p.ready = append(t.p.ready, t)
	}
}

func (s *socket) watchOf(p *poller) *watch {
	for _, t := range s.watches {
		if t.p == p {
			return t
		}
	}
	return nil
}

// find returns the socket and its place in p.
func (p *poller) find(fd int) (*socket, *watch, error) {
	if p.closed {
		return nil, nil, syscall.EBADF
	}
	s := p.k.descriptor(fd)
	if s == nil {
		return nil, nil, syscall.EBADF
	}
	return s, s.watchOf(p), nil
}

// Add implements event.Poller.
func (p *poller) Add(fd int, id uint64, want event.Ready) error {
	p.k.w.mu.Lock()
	defer p.k.w.mu.Unlock()
	s, t, err := p.find(fd)
	switch {
	case err != nil:
		return err
	case t != nil:
		return syscall.EEXIST
	}
	t = &watch{p: p, s: s, id: id, want: want}
	s.watches = append(s.watches, t)
	t.offer()
	return nil
}

// Modify implements event.Poller.
func (p *poller) Modify(fd int, id uint64, want event.Ready) error {
	p.k.w.mu.Lock()
	defer p.k.w.mu.Unlock()
	_, t, err := p.find(fd)
	switch {
	case err != nil:
		return err
	case t == nil:
		return syscall.ENOENT
	}
	t.id, t.want = id, want
	t.offer()
	return nil
}

// Remove implements event.Poller.
func (p *poller) Remove(fd int, _ uint64) error {
	p.k.w.mu.Lock()
	defer p.k.w.mu.Unlock()
	s, t, err := p.find(fd)
	switch {
	case err != nil:
		return err
	case t == nil:
		return syscall.ENOENT
	}
	t.gone = true
	for i := range s.watches {
		if s.watches[i] == t {
			s.watches = append(s.watches[:i], s.watches[i+1:]...)
			break
		}
	}
	return nil
}

// Wait implements event.Poller. It does not wait: with nothing to report it moves the clock, unless Run does that.
func (p *poller) Wait(batch []event.Event, timeout time.Duration) (count int, err error) {
	w := p.k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.closed {
		return 0, syscall.EBADF
	}
	w.countTurn()
	p.k.calls[callWait]++
	if err := p.k.fault(callWait); err != nil {
		return 0, p.k.leave(callWait, -1, 0, err)
	}
	start := w.now
	woken := false
	interrupted := timeout != 0 && w.rng.roll(p.k.faults.Interrupt)
	for {
		w.settleLocked()
		count = p.collect(batch)
		woken, p.woken = p.woken, false
		if count > 0 || woken || interrupted || timeout == 0 || w.running || timeout > 0 && w.now >= start+timeout {
			break
		}
		at, ok := w.agenda.next()
		if timeout > 0 && (!ok || at > start+timeout) {
			at, ok = start+timeout, true
		}
		if !ok {
			err = ErrStuck
			break
		}
		w.moveLocked(at)
	}
	w.asked.waits++
	w.asked.events += count
	w.asked.woken = w.asked.woken || woken || interrupted
	w.asked.timeout = timeout
	return count, p.k.leave(callWait, -1, count, err)
}

// collect reports what is ready. What was reported goes to the end of the list, so that a batch that is too small starves nobody.
func (p *poller) collect(batch []event.Event) (count int) {
	for n := len(p.ready) - p.head; n > 0 && count < len(batch); n-- {
		t := p.ready[p.head]
		p.ready[p.head] = nil
		p.head++
		r := t.now()
		if r == 0 {
			t.offered = false
			continue
		}
		p.ready = append(p.ready, t)
		batch[count] = event.Event{ID: t.id, Ready: r}
		p.k.w.trace.mix(t.id<<8 | uint64(r))
		count++
	}
	if p.head > len(p.ready)/2 {
		n := copy(p.ready, p.ready[p.head:])
		clear(p.ready[n:])
		p.ready, p.head = p.ready[:n], 0
	}
	if count > 1 && p.k.w.rng.roll(p.k.faults.Shuffle) {
		for i := count - 1; i > 0; i-- {
			j := p.k.w.rng.below(i + 1)
			batch[i], batch[j] = batch[j], batch[i]
		}
	}
	return count
}

// Rest implements event.Poller: it moves the clock, unless Run does that.
func (p *poller) Rest(pause time.Duration) {
	w := p.k.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for end := w.now + pause; !w.running && w.now < end; {
		at, ok := w.agenda.next()
		if !ok || at > end {
			at = end
		}
		w.moveLocked(at)
		w.settleLocked()
	}
}

// Wake implements event.Poller.
func (p *poller) Wake() error {
	p.k.w.mu.Lock()
	defer p.k.w.mu.Unlock()
	if p.closed {
		return syscall.EBADF
	}
	p.woken = true
	return nil
}

// Close implements event.Poller.
func (p *poller) Close() error {
	p.k.w.mu.Lock()
	defer p.k.w.mu.Unlock()
	if p.closed {
		return syscall.EBADF
	}
	p.closed = true
	for _, s := range p.k.sockets {
		if s == nil {
			continue
		}
		if t := s.watchOf(p); t != nil {
			t.gone = true
			for i := range s.watches {
				if s.watches[i] == t {
					s.watches = append(s.watches[:i], s.watches[i+1:]...)
					break
				}
			}
		}
	}
	p.ready = nil
	return nil
}
