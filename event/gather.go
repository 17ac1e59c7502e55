package event

import (
	"math"
	"time"
)

const (
	// CoalesceMax is the most that Config.Coalesce may be.
	CoalesceMax = 10 * time.Millisecond
	// gatherWaits is how many waits pass between two looks at what came.
	gatherWaits = 32
	// worthRest is how many messages a rest must bring, and bigTurn how many a turn has on average where rests would not spare many turns.
	worthRest = 2
	bigTurn   = 2
	// What was found out about rests holds for termMin, and for twice as long each time that it is found out again, up to termMax.
	termMin = 100 * time.Millisecond
	termMax = 10 * time.Second
)

// gather decides whether a loop rests. To wake up costs more than a packet does; so a busy loop with Coalesce does not sleep until the next
// event: it rests for that long, and takes all that came meanwhile in one turn.
//
//	awake -as much comes as is worth it-> trial -it goes on coming-> resting -less comes, or the term is over-> awake
//	                                      trial -less comes-> awake, for a term
//
// Peers that send only when they are answered are slowed down by rests, and nothing is gained. What came before the trial tells.
type gather struct {
	resting bool // on trial too
	trial   bool
	waits   int // since the last look
	came    int
	looked  time.Time
	pace    float64 // messages in a pause, by what came before the rests
	good    bool    // by the last trial
	term    time.Duration
	until   time.Time // when the term is over
}

// Came says that count messages have come, which is what Config.Coalesce goes by. Thread: the loop's.
func (l *Loop) Came(count int) { l.gather.came += count }

// look is called at each wait.
func (g *gather) look(l *Loop) {
	if g.waits++; g.waits < gatherWaits {
		return
	}
	now, pause := l.sys.Now(), float64(l.cfg.Coalesce)
	pauses := float64(max(now.Sub(g.looked), 1)) / pause
	came, expected := float64(g.came), g.pace*pauses
	small := g.came < bigTurn*gatherWaits
	g.waits, g.came, g.looked = 0, 0, now
	enough, slower := came >= worthRest*pauses, came < expected*3/4-2*math.Sqrt(expected) // more than chance does
	switch {
	case !g.resting:
		if small && enough && !now.Before(g.until) {
			g.resting, g.trial, g.pace = true, true, came/pauses
		}
	case g.trial:
		g.trial, g.resting = false, !slower
		if g.good != g.resting {
			g.term = 0
		}
		g.term = min(max(2*g.term, termMin), termMax)
		g.good, g.until = g.resting, now.Add(g.term)
	case slower || !enough || !now.Before(g.until):
		g.resting, g.until = false, now
	}
}

// wait asks the poller for what is ready.
func (l *Loop) wait(timeout time.Duration) (count int, err error) {
	pause := l.cfg.Coalesce
	if pause <= 0 || timeout == 0 {
		return l.poller.Wait(l.batch[:], timeout)
	}
	l.gather.look(l)
	if !l.gather.resting || timeout > 0 && timeout <= pause {
		return l.poller.Wait(l.batch[:], timeout)
	}
	// What was posted before has had its wake-up here: it must not wait for the next one.
	if count, err = l.poller.Wait(l.batch[:], 0); count > 0 || err != nil || l.postedWaits() || l.stopping() {
		return count, err
	}
	l.stats.Rests++
	l.poller.Rest(pause)
	return l.poller.Wait(l.batch[:], 0)
}
