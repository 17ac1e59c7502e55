package sim

import "time"

// Link is how what is sent from one host to another travels. The zero Link delivers at once.
type Link struct {
	DelayMin, DelayMax time.Duration // one way, drawn evenly for each; order is kept
	Loss               float64       // of datagrams; of TCP segments it costs time, not bytes. 1 cuts the link
	Duplicate          float64       // of datagrams
	Reorder            float64       // of datagrams: held back by up to three times DelayMax, and 1 ms
	Corrupt            float64       // of datagrams: one bit is turned (as if the checksum still held)
	Rate               int           // bytes per second; 0: no bound
}

// path is one direction of a link.
type path struct {
	Link
	free time.Duration // when the last byte has left, with a Rate
	last time.Duration // when the last one in order arrives
}

// SetLink replaces both directions of the link between a and b; a == b is its loopback.
func (w *World) SetLink(a, b *Kernel, l Link) {
	w.SetPath(a, b, l)
	w.SetPath(b, a, l)
}

// SetPath replaces one direction of a link. What is under way is not changed.
func (w *World) SetPath(from, to *Kernel, l Link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.path(from, to).Link = l
}

func (w *World) path(from, to *Kernel) *path {
	key := [2]int{from.index, to.index}
	p := w.paths[key]
	if p == nil {
		p = &path{Link: w.opts.Link}
		if from == to {
			p.Link = w.opts.Loopback
		}
		w.paths[key] = p
	}
	return p
}

func (w *World) delay(l Link) time.Duration {
	d := l.DelayMin
	if l.DelayMax > l.DelayMin {
		d += time.Duration(w.rng.below(int(l.DelayMax-l.DelayMin) + 1))
	}
	return d
}

// carry calls arrive when n bytes have travelled p: inside this call if that takes no time. departed is when they have left the sender.
func (w *World) carry(p *path, n int, extra time.Duration, inOrder bool, arrive func()) (departed time.Duration) {
	at := w.now
	if p.Rate > 0 {
		p.free = max(p.free, w.now) + time.Duration(float64(n)/float64(p.Rate)*float64(time.Second))
		at = p.free
	}
	departed = at
	at += w.delay(p.Link) + extra
	if !inOrder {
		w.agenda.add(at, arrive)
		return departed
	}
	at = max(at, p.last)
	p.last = at
	if at == w.now {
		arrive()
	} else {
		w.agenda.add(at, arrive)
	}
	return departed
}
