package tls

import (
	"os"
	"sync"
	"time"
)

// reload reads the files again. With a mistake in them the present snapshot stays, and conf.Errors say where; else new
// connections use the new one, and those that onReload was given are told. Connections that are open should be
// checked again then. It blocks on files: not for a loop. Thread: any.
func (s *settings) reload() error {
	s.mu.Lock()
	snap, errs := s.load(s.snap.Load())
	if len(errs) > 0 {
		s.mu.Unlock()
		return errs.Err()
	}
	s.install(snap)
	s.mu.Unlock()
	s.tell()
	return nil
}

// become is reload of what another section says, with what was read of its files: as is not used yet, and of the same role and kind. Tickets
// go on being good where their lifetime stays (and see install). Thread: any.
func (s *settings) become(as *settings) {
	next := *as.snap.Load()
	s.mu.Lock()
	old := s.snap.Load()
	switch {
	case next.tickets == nil:
	case old.tickets != nil && old.tickets.half == next.tickets.half:
		next.tickets = old.tickets
	default:
		next.tickets = newTickets(next.plan.cacheLifetime) // as changes its own under a mutex of its own
	}
	s.install(s.make(&next, next.files))
	s.mu.Unlock()
	// Also with the same interval: what was last tried may be later than what as has read.
	s.watchMu.Lock()
	s.stopPolling()
	s.startPolling()
	s.watchMu.Unlock()
	s.tell()
}

// tell tells those that onReload was given.
func (s *settings) tell() {
	s.watchMu.Lock()
	list := make([]func(), 0, len(s.watchers))
	for _, f := range s.watchers {
		list = append(list, f)
	}
	s.watchMu.Unlock()
	for _, f := range list {
		f()
	}
}

// onReload has f called after each reload, from any goroutine, until cancel; a call that has begun may still end after
// that. While somebody waits for reloads, changed files are looked for if the configuration asks for it. Thread: any.
func (s *settings) onReload(f func()) (cancel func()) {
	s.watchMu.Lock()
	defer s.watchMu.Unlock()
	id := s.watchID
	s.watchID++
	s.watchers[id] = f
	s.startPolling()
	return func() {
		s.watchMu.Lock()
		defer s.watchMu.Unlock()
		delete(s.watchers, id)
		if len(s.watchers) == 0 {
			s.stopPolling()
		}
	}
}

// startPolling looks for changed files from now on, if somebody waits for them and the section asks for it. The caller has watchMu.
func (s *settings) startPolling() {
	if every := s.snap.Load().plan.reloadInterval; every > 0 && len(s.watchers) > 0 && s.poll == nil {
		s.poll = startPoller(s, every)
	}
}

func (s *settings) stopPolling() {
	if s.poll != nil {
		s.poll.stop()
		s.poll = nil
	}
}

// onFail has f told of mistakes in files that changed, from any goroutine: nobody else hears of them. Thread: any.
func (s *settings) onFail(f func(error)) {
	s.watchMu.Lock()
	defer s.watchMu.Unlock()
	s.failed = f
}

// poller looks at the files' times, on the goroutine of a timer.
type poller struct {
	s     *settings
	every time.Duration
	seen  map[string]fileStamp // what was last tried, good or bad
	timer *time.Timer

	mu      sync.Mutex // guards stopped and the timer's next start
	stopped bool
}

func startPoller(s *settings, every time.Duration) *poller {
	p := &poller{s: s, every: every, seen: s.snap.Load().files.stamps}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(every, p.turn)
	return p
}

func (p *poller) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	p.timer.Stop()
}

func (p *poller) turn() {
	p.look()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.timer.Reset(p.every)
	}
}

// look reloads if a file changed since the last try. A file that is bad is tried again only when it changes again.
func (p *poller) look() {
	stamps := p.s.snap.Load().plan.stamps()
	if sameStamps(stamps, p.seen) {
		return
	}
	p.seen = stamps
	if err := p.s.reload(); err != nil {
		p.s.watchMu.Lock()
		f := p.s.failed
		p.s.watchMu.Unlock()
		if f != nil {
			f(err)
		}
	}
}

// fileStamp is what tells one state of a file from another.
type fileStamp struct {
	size    int64
	changed time.Time
	missing bool
}

func stampOf(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{missing: true}
	}
	return fileStamp{size: info.Size(), changed: info.ModTime()}
}

func sameStamps(a, b map[string]fileStamp) bool {
	if len(a) != len(b) {
		return false
	}
	for path, x := range a {
		y, ok := b[path]
		if !ok || x.size != y.size || x.missing != y.missing || !x.changed.Equal(y.changed) {
			return false
		}
	}
	return true
}

// stamps looks at all files that the section names, those in its directories too.
func (p *plan) stamps() map[string]fileStamp {
	stamps := map[string]fileStamp{}
	for _, f := range p.files() {
		stamps[f.path] = stampOf(f.path)
	}
	for _, d := range p.dirs() {
		stamps[d.path] = stampOf(d.path)
		for _, name := range listDir(d.path) {
			stamps[name] = stampOf(name)
		}
	}
	return stamps
}
