package gateway

import (
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/frio-io/frio/transport"
)

// life is what is thought of a port of a home server (RFC 3539, Section 3.4, in FreeRADIUS's words).
//
//	         a request was not answered in response_window,
//	         or nobody is there                               zombie_period without an answer
//	alive ──────────────────────────────> zombie ──────────────────────────────────────────> dead
//	  ^                                      │ an answer to a request, or                     │
//	  └──────────────────────────────────────┴── num_answers_to_alive answers to checks ──────┘
type life uint32

const (
	alive life = iota
	zombie
	dead
)

var lives = [...]string{"alive", "zombie", "dead"}

func (l life) String() string { return lives[l] }

// Lives are the words of HomeView.Life.
func Lives() []string { return lives[:] }

const (
	// probePace is how often a home server that does not answer is looked at: so that one that is back is used within 2 s.
	probePace = time.Second
	// checksMax is how many checks are under way at a time: the next one does not wait for the time-out of the last.
	checksMax = 2
	// confirmPace is how soon after an answered check the next follows, of those that num_answers_to_alive asks for.
	confirmPace = 100 * time.Millisecond
)

// life is the present one. Thread: any.
func (p *port) life() life { return life(p.now.Load()) }

// takesTrial tells, once each probePace, that a request may be let through to a home server that seems not to be there: where checks
// cannot tell. Thread: any.
func (p *port) takesTrial(now time.Time) bool {
	if p.knows.Load() || p.home.watched() ||
		p.home.cfg.StatusCheck == CheckNone && p.home.cfg.ReviveInterval > 0 {
		return false
	}
	at := p.trialAt.Load()
	return now.UnixNano() >= at && p.trialAt.CompareAndSwap(at, now.Add(probePace).UnixNano())
}

var (
	errAnswer     = errors.New("no answer in response_window")
	errConnection = errors.New("no connection in time")
)

// noAnswer reports a request that was sent at the time sentAt and has not been answered by now; not even sent, if no connection came up. Thread:
// any.
func (p *port) noAnswer(now, sentAt time.Time, sent bool) {
	p.counts.Timeouts.Add(1)
	if p.life() == alive && p.lastReply.Load() < sentAt.UnixNano() {
		p.blame(map[bool]error{false: errConnection, true: errAnswer}[sent])
		p.suspected.Store(now.UnixNano())
		p.look()
	}
}

// failed reports a request, begun at a time, that could not be sent. A reply since then, to any thread, shows that the home server is there: only this
// thread cannot connect. Thread: any.
func (p *port) failed(began time.Time, err error) {
	p.counts.Failed.Add(1)
	if err == transport.ErrBusy || err == transport.ErrNoConnection || p.life() != alive || p.lastReply.Load() > began.UnixNano() {
		return
	}
	p.blame(err)
	p.missed.Store(began.UnixNano())
	p.look()
}

// answered reports a good reply. Thread: any.
func (p *port) answered(now time.Time, after time.Duration) {
	p.counts.Answers.Add(1)
	p.counts.Latency.Observe(after)
	p.lastReply.Store(now.UnixNano())
	if p.told.Load() {
		p.told.Store(false)
	}
	if p.life() != alive {
		p.look()
	}
}

// broke reports a connection that was lost with a request under way on it. That is said once until the next answer: the home server may go on
// like that, with each connection, as one that does not like our certificate. Thread: any.
func (p *port) broke(now time.Time, err error) {
	if errors.Is(err, net.ErrClosed) || p.life() != alive || p.told.Swap(true) {
		return // it was closed here; or a line has said it
	}
	p.lost.warn(p.home.gateway.opt.Logger, now, "connection to home server lost", p.attrs(slog.Any("error", err))...)
}

// look has the owner look at what was reported. If its loop has no room now, the next report comes soon.
func (p *port) look() {
	if !p.asked.CompareAndSwap(false, true) {
		return
	}
	if p.home.owner.lane.Loop().Post(p.decide) != nil {
		p.asked.Store(false)
	}
}

// decide looks at what was reported.
func (p *port) decide() {
	p.asked.Store(false)
	if p.home.gone.Load() {
		return
	}
	now := p.home.owner.now()
	missed := p.missed.Swap(0)
	reply := p.lastReply.Load()
	switch p.life() {
	case alive:
		if missed > 0 && missed >= reply || p.suspected.Load() > reply {
			p.become(zombie, now)
		}
	default:
		if reply > p.since.UnixNano() {
			p.become(alive, now)
		}
	}
}

// become changes the life and says so, once.
func (p *port) become(next life, now time.Time) {
	if next == zombie {
		p.lostAt.Store(now.UnixNano()) // before the life: who reads that one asks when it began
	}
	p.now.Store(uint32(next))
	level := slog.LevelWarn
	if next == alive {
		level = slog.LevelInfo
	}
	if next == dead {
		p.counts.Deaths.Add(1)
	}
	attrs := p.attrs()
	if why := p.why(); why != "" {
		attrs = append(attrs, slog.String("error", why))
	}
	p.home.gateway.log(level, "home server "+next.String(), attrs...)
	if next == alive {
		p.answers = 0
		p.timer.Stop()
		p.cancelChecks()
		if p.home.watched() {
			p.arm(p.home.cfg.CheckInterval)
		}
	}
	if next != dead {
		p.since = now
	}
	if next == zombie {
		p.trialAt.Store(now.Add(probePace).UnixNano())
		p.answers = 0
		p.arm(0)
	}
}

// arm sets the timer, by up to a tenth earlier, so that gateways that began together do not check together.
func (p *port) arm(d time.Duration) {
	loop := p.home.owner.lane.Loop()
	if d > 0 {
		d -= time.Duration(p.home.owner.random.Uint64() % uint64(d/10+1))
	}
	p.timer.Set(loop, loop.Now().Add(d))
}

// portTimer is the port as its timer sees it.
type portTimer port

func (t *portTimer) Describe() string { return (*port)(t).describe() }

func (t *portTimer) Expire(now time.Time) {
	p := (*port)(t)
	if p.home.gone.Load() || p.home.owner.stopping {
		return
	}
	switch p.life() {
	case alive:
		interval := p.home.cfg.CheckInterval
		switch quiet := time.Duration(now.UnixNano() - p.lastReply.Load()); {
		case quiet < interval-interval/10: // what arm takes off
			p.arm(interval - quiet)
		case !p.checking(now):
			p.probe(now)
			p.arm(interval)
		default:
			p.arm(interval)
		}
		return
	case zombie:
		if now.Sub(p.since) >= p.home.cfg.ZombiePeriod {
			p.become(dead, now)
		}
	case dead:
		if p.home.cfg.StatusCheck == CheckNone && p.home.cfg.ReviveInterval > 0 && now.Sub(p.since) >= p.home.cfg.ReviveInterval {
			p.become(alive, now)
			return
		}
	}
	if p.home.cfg.StatusCheck != CheckNone {
		p.probe(now)
	}
	p.arm(probePace)
}
