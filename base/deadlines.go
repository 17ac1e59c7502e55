package base

import "time"

// quiet is how long a connection past its lifetime must have moved nothing before it is closed: long enough that
// an answer under way arrives, short against any useful lifetime.
const quiet = 100 * time.Millisecond

// Deadlines are the limits of time of one connection. They are absolute and belong to no loop; the owner
// asks Next for the nearest and tells Expired the time. The zero value has none.
type Deadlines struct {
	firstByte time.Time // until the first byte has come
	lifetime  time.Time
	blocked   time.Time // since when output waits and none was taken; zero: none waits
	active    time.Time // the last byte either way
	limits    *Limits
}

// Start arms all that l says, from now.
func (d *Deadlines) Start(now time.Time, l *Limits) {
	*d = Deadlines{limits: l, active: now}
	if l.FirstByteTimeout > 0 {
		d.firstByte = now.Add(l.FirstByteTimeout)
	}
	if l.Lifetime > 0 {
		d.lifetime = now.Add(l.Lifetime)
	}
}

// Got notes that the peer sent something.
func (d *Deadlines) Got(now time.Time) { d.active, d.firstByte = now, time.Time{} }

// Took notes that all our output was taken; true if output had waited, so that Next may be earlier than it was.
func (d *Deadlines) Took(now time.Time) bool {
	waited := !d.blocked.IsZero()
	d.active, d.blocked = now, time.Time{}
	return waited
}

// Progress notes that some of our output was taken and that more waits.
func (d *Deadlines) Progress(now time.Time) bool {
	d.Took(now)
	return d.Blocked(now)
}

// Blocked notes that output waits; true if a deadline begins by that.
func (d *Deadlines) Blocked(now time.Time) bool {
	if !d.blocked.IsZero() {
		return false
	}
	d.blocked = now
	return d.limits != nil && d.limits.WriteTimeout > 0
}

// Next is when Expired should be asked again; zero: never.
func (d *Deadlines) Next() time.Time {
	if d.limits == nil {
		return time.Time{}
	}
	next := earlier(d.firstByte, d.idle())
	next = earlier(next, d.write())
	if !d.lifetime.IsZero() && d.blocked.IsZero() {
		end := d.lifetime
		if q := d.active.Add(quiet); q.After(end) {
			end = q
		}
		next = earlier(next, end)
	}
	return next
}

// Expired names the limit that has run out at now; "" is none.
func (d *Deadlines) Expired(now time.Time) string {
	if d.limits == nil {
		return ""
	}
	switch {
	case past(d.firstByte, now):
		return "first_byte_timeout"
	case past(d.write(), now):
		return "write_timeout"
	case past(d.idle(), now):
		return "idle_timeout"
	case past(d.lifetime, now) && d.blocked.IsZero() && !now.Before(d.active.Add(quiet)):
		return "lifetime"
	}
	return ""
}

func (d *Deadlines) idle() time.Time {
	if d.limits.IdleTimeout == 0 {
		return time.Time{}
	}
	return d.active.Add(d.limits.IdleTimeout)
}

func (d *Deadlines) write() time.Time {
	if d.limits.WriteTimeout == 0 || d.blocked.IsZero() {
		return time.Time{}
	}
	return d.blocked.Add(d.limits.WriteTimeout)
}

func past(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// earlier returns the earlier of two times, where zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
