package gateway

import "time"

const (
	// holdMax is how long a request waits for a home server that was there a moment ago, as one that is being restarted.
	holdMax = time.Second
	// holdPace is when it is asked for the first time again; each further time is after twice as long.
	holdPace = 150 * time.Millisecond
)

// hold has the request wait for the home server that could not be asked last, or was lost with it; false: that has been away for long, or it has
// waited. Where both sides are datagrams only a copy that the client sends goes there meanwhile.
func (r *request) hold() bool {
	now := r.branch.now()
	end := r.holdEnd
	if end.IsZero() {
		end = now.Add(holdMax)
	}
	if r.broken != nil || r.unfit || r.missing < 0 || !now.Before(end) || !r.pool.home(r.missing).port(r.code).wasThere(now) {
		return false
	}
	next := now.Add(holdPace << r.holds)
	if next.After(end) || !r.resends() {
		next = end
	}
	r.held, r.holdEnd = true, end
	r.timer.Set(r.branch.lane.Loop(), next)
	return true
}

// resends tells whether the request is sent again without a copy from its client.
func (r *request) resends() bool {
	return !r.source.conn.IsDatagram() || r.pool.home(r.missing).port(r.code).peer.Stateful()
}

// resume asks the home server again that the request waits for.
func (r *request) resume() {
	r.held = false
	had := r.sent
	if had == homesMax || had > 0 && r.calls[had-1].home == r.pool.home(r.missing) {
		// The call that was lost makes room, but what it has sent counts.
		r.sent--
		r.again = &r.calls[r.sent]
	}
	if r.try(r.missing) {
		return
	}
	r.sent = had
	r.ask()
}

// wasThere tells whether the home server lives, or did a moment ago. Thread: any.
func (p *port) wasThere(now time.Time) bool {
	switch p.life() {
	case alive:
		return true
	case zombie:
		return now.UnixNano()-p.lostAt.Load() < int64(holdMax)
	}
	return false
}
