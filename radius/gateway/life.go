package gateway

import (
	"log/slog"
	"time"

	"github.com/frio-io/frio/transport"
)

// life is what is thought of a home server (RFC 3539, Section 3.4, in FreeRADIUS's words).
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
func (h *homeState) life() life { return life(h.now.Load()) }

// takesTrial tells, once each probePace, that a request may be let through to a home server that seems not to be there: where checks
// cannot tell. Thread: any.
func (h *homeState) takesTrial(now time.Time) bool {
	if h.knows.Load() || h.watched() ||
		h.cfg.StatusCheck == CheckNone && h.cfg.ReviveInterval > 0 {
		return false
	}
	at := h.trialAt.Load()
	return now.UnixNano() >= at && h.trialAt.CompareAndSwap(at, now.Add(probePace).UnixNano())
}

// noAnswer reports a request that was sent at the time sentAt and has not been answered by now. Thread: any.
func (h *homeState) noAnswer(now, sentAt time.Time) {
	h.counts.Timeouts.Add(1)
	if h.life() == alive && h.lastReply.Load() < sentAt.UnixNano() {
		h.suspected.Store(now.UnixNano())
		h.look()
	}
}

// failed reports a request that could not be sent. Thread: any.
func (h *homeState) failed(now time.Time, err error) {
	h.counts.Failed.Add(1)
	if err == transport.ErrBusy || err == transport.ErrNoConnection || h.life() != alive {
		return
	}
	h.refused.Store(true)
	h.look()
}

// answered reports a good reply. Thread: any.
func (h *homeState) answered(now time.Time, after time.Duration) {
	h.counts.Answers.Add(1)
	h.counts.Latency.Observe(after)
	h.lastReply.Store(now.UnixNano())
	if h.life() != alive {
		h.look()
	}
}

// look has the owner look at what was reported. If its loop has no room now, the next report comes soon.
func (h *homeState) look() {
	if !h.asked.CompareAndSwap(false, true) {
		return
	}
	if h.owner.lane.Loop().Post(h.decide) != nil {
		h.asked.Store(false)
	}
}

// decide looks at what was reported.
func (h *homeState) decide() {
	h.asked.Store(false)
	if h.gone.Load() {
		return
	}
	now := h.owner.lane.Loop().Now()
	refused := h.refused.Swap(false)
	reply := h.lastReply.Load()
	switch h.life() {
	case alive:
		if refused || h.suspected.Load() > reply {
			h.become(zombie, now)
		}
	default:
		if reply > h.since.UnixNano() {
			h.become(alive, now)
		}
	}
}

// become changes the life and says so, once.
func (h *homeState) become(next life, now time.Time) {
	h.now.Store(uint32(next))
	level := slog.LevelWarn
	if next == alive {
		level = slog.LevelInfo
	}
	if next == dead {
		h.counts.Deaths.Add(1)
	}
	h.gateway.log(level, "home server "+next.String(), slog.String("home_server", h.cfg.Name))
	if next == alive {
		h.answers = 0
		h.timer.Stop()
		h.cancelChecks()
		if h.watched() {
			h.arm(h.cfg.CheckInterval)
		}
	}
	if next != dead {
		h.since = now
	}
	if next == zombie {
		h.trialAt.Store(now.Add(probePace).UnixNano())
		h.answers = 0
		h.arm(0)
	}
}

// watched tells whether it is checked while it lives, too.
func (h *homeState) watched() bool {
	return h.cfg.StatusCheck == CheckStatus || h.cfg.StatusCheck == CheckRequest
}

// arm sets the timer, by up to a tenth earlier, so that gateways that began together do not check together; and to when a check ends.
func (h *homeState) arm(d time.Duration) {
	loop := h.owner.lane.Loop()
	if d > 0 {
		d -= time.Duration(h.owner.random.Uint64() % uint64(d/10+1))
	}
	at := loop.Now().Add(d)
	for i := range h.checks {
		if c := &h.checks[i]; c.Active() && c.expires.Before(at) {
			at = c.expires
		}
	}
	h.timer.Set(loop, at)
}

// homeTimer is the home server as its timer sees it.
type homeTimer homeState

func (t *homeTimer) Describe() string { return "home_server " + t.cfg.Name }

func (t *homeTimer) Expire(now time.Time) {
	h := (*homeState)(t)
	if h.gone.Load() {
		return
	}
	h.endChecks(now)
	switch h.life() {
	case alive:
		if now.UnixNano()-h.lastReply.Load() >= int64(h.cfg.CheckInterval) && !h.checking() {
			h.probe(now)
		}
		h.arm(h.cfg.CheckInterval)
		return
	case zombie:
		if now.Sub(h.since) >= h.cfg.ZombiePeriod {
			h.become(dead, now)
		}
	case dead:
		if h.cfg.StatusCheck == CheckNone && h.cfg.ReviveInterval > 0 && now.Sub(h.since) >= h.cfg.ReviveInterval {
			h.become(alive, now)
			return
		}
	}
	if h.cfg.StatusCheck != CheckNone {
		h.probe(now)
	}
	h.arm(probePace)
}
