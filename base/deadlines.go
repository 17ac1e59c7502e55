package base

import (
	"math"
	"time"
)

// quiet is how long a connection past its lifetime must have moved nothing before it is closed: long enough that
// an answer under way arrives, short against any useful lifetime.
const quiet = 100 * time.Millisecond

// Deadlines are the limits of time of one connection. They are absolute and belong to no loop; the owner
// asks Next for the nearest and tells Expired the time. The zero value has none.
type Deadlines struct {
	firstByte moment // until the first byte has come
	lifetime  moment
	blocked   moment // since when output waits and none was taken; 0: none waits
	active    moment // the last byte either way
	limits    *Limits
}

// moment is a time in a third of a time.Time's bytes, which every connection would have four of: nanoseconds since
// epoch, by the monotonic clock where both have it. 0 is none, or never.
type moment int64

// epoch is any time: only its differences count.
var epoch = time.Now()

// moments of simulated clocks may be before epoch, but none is 0.
func momentOf(t time.Time) moment {
	if m := moment(t.Sub(epoch)); m != 0 {
		return m
	}
	return 1
}

func (m moment) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return epoch.Add(time.Duration(m))
}

// after is d later; 0 if m or d is.
func (m moment) after(d time.Duration) moment {
	if m == 0 || d == 0 {
		return 0
	}
	return m + moment(d)
}

// past tells whether m has come.
func (m moment) past(now moment) bool { return m != 0 && now >= m }

// Start arms all that l says, from now.
func (d *Deadlines) Start(now time.Time, l *Limits) {
	m := momentOf(now)
	*d = Deadlines{limits: l, active: m, firstByte: m.after(l.FirstByteTimeout), lifetime: m.after(l.Lifetime)}
}

// Got notes that the peer sent something.
func (d *Deadlines) Got(now time.Time) { d.active, d.firstByte = momentOf(now), 0 }

// Took notes that all our output was taken; true if output had waited, so that Next may be earlier than it was.
func (d *Deadlines) Took(now time.Time) bool {
	waited := d.blocked != 0
	d.active, d.blocked = momentOf(now), 0
	return waited
}

// Progress notes that some of our output was taken and that more waits.
func (d *Deadlines) Progress(now time.Time) bool {
	d.Took(now)
	return d.Blocked(now)
}

// Blocked notes that output waits; true if a deadline begins by that.
func (d *Deadlines) Blocked(now time.Time) bool {
	if d.blocked != 0 {
		return false
	}
	d.blocked = momentOf(now)
	return d.limits != nil && d.limits.WriteTimeout > 0
}

// Next is when Expired should be asked again; zero: never.
func (d *Deadlines) Next() time.Time {
	if d.limits == nil {
		return time.Time{}
	}
	next := moment(math.MaxInt64)
	for _, m := range [...]moment{d.firstByte, d.idle(), d.write(), d.end()} {
		if m != 0 {
			next = min(next, m)
		}
	}
	if next == math.MaxInt64 {
		return time.Time{}
	}
	return next.time()
}

// Expired names the limit that has run out at now; "" is none.
func (d *Deadlines) Expired(now time.Time) string {
	if d.limits == nil {
		return ""
	}
	m := momentOf(now)
	switch {
	case d.firstByte.past(m):
		return "first_byte_timeout"
	case d.write().past(m):
		return "write_timeout"
	case d.idle().past(m):
		return "idle_timeout"
	case d.end().past(m):
		return "lifetime"
	}
	return ""
}

func (d *Deadlines) idle() moment  { return d.active.after(d.limits.IdleTimeout) }
func (d *Deadlines) write() moment { return d.blocked.after(d.limits.WriteTimeout) }

// end is the first quiet moment after the lifetime, as far as is known now; while output waits there is none.
func (d *Deadlines) end() moment {
	if d.lifetime == 0 || d.blocked != 0 {
		return 0
	}
	return max(d.lifetime, d.active.after(quiet))
}

// earlier returns the earlier of two times, where zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
