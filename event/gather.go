package event

import "time"

const (
	// CoalesceMax is the most that Config.Coalesce may be.
	CoalesceMax = 10 * time.Millisecond
	// busyWaits is how many waits in a row must have been shorter than Coalesce before a loop rests, and worthRest how many events
	// a rest must have brought to be worth it.
	busyWaits = 16
	worthRest = 2
)

// wait asks the poller for what is ready.
//
// A busy loop with Coalesce does not sleep until the next event: it rests for that long, and takes all that came meanwhile in one turn.
// To wake up costs more than a packet does. A rest that brings one event has only delayed it, so the loop is then soon as it was.
func (l *Loop) wait(timeout time.Duration) (count int, err error) {
	pause := l.cfg.Coalesce
	if pause <= 0 || timeout == 0 {
		return l.poller.Wait(l.batch[:], timeout)
	}
	if l.short < busyWaits || timeout > 0 && timeout <= pause {
		began := l.sys.Now()
		count, err = l.poller.Wait(l.batch[:], timeout)
		if l.sys.Now().Sub(began) < pause {
			l.short = min(l.short+1, busyWaits)
		} else {
			l.short = 0
		}
		return count, err
	}
	// What was posted before has had its wake-up here: it must not wait for the next one.
	if count, err = l.poller.Wait(l.batch[:], 0); count > 0 || err != nil || l.postedWaits() || l.stopping() {
		return count, err
	}
	l.stats.Rests++
	l.poller.Rest(pause)
	count, err = l.poller.Wait(l.batch[:], 0)
	if count < worthRest {
		l.short /= 2
	}
	return count, err
}
