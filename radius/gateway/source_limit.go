package gateway

import (
	"log/slog"
	"time"
)

// belongs counts the connection as one of client's; false if that has as many as it may have.
func (s *source) belongs(client *Client) bool {
	if s.counted == client.state {
		return true
	}
	open := client.state.Open.Add(1)
	if most := client.Limit.MaxConnections; most > 0 && open > int64(most) {
		client.state.Open.Add(-1)
		client.state.Refused.Add(1)
		s.listen.lines.warn(s.listen.log, s.branch.now(), "too many connections", slog.String("client", client.Name),
			slog.String("peer", peerName(s.conn.RemoteAddr())), slog.Int("max_connections", most))
		return false
	}
	if s.counted != nil {
		s.counted.Open.Add(-1)
	}
	s.counted = client.state
	return true
}

// gone is called when the connection was closed, whoever did it.
func (s *source) gone() {
	s.timer.Stop()
	if s.counted != nil {
		s.counted.Open.Add(-1)
		s.counted = nil
	}
}

const (
	// leaveQuiet is how long nothing must have come by a connection that is to end: what its peer sent before it knew has arrived by then.
	leaveQuiet = time.Second
	// leaveMax is how long one is waited for that is never quiet.
	leaveMax = 2 * time.Second
)

// arm sets the timer to the first of the limits.
func (s *source) arm() {
	if at := earlier(s.limits()); !at.IsZero() && !s.drains {
		s.timer.Set(s.branch.lane.Loop(), at)
	}
}

// limits are when the connection is to end whatever comes, and when if nothing does: those of its client, and of one that leaves. Zero: never.
func (s *source) limits() (end, idle time.Time) {
	if s.client != nil {
		if limit := s.client.Limit.Lifetime; limit > 0 {
			end = s.conn.Since().Add(limit)
		}
		if limit := s.client.Limit.IdleTimeout; limit > 0 {
			idle = s.last.Add(limit)
		}
	}
	if !s.leaves.IsZero() {
		end, idle = earlier(end, s.leaves.Add(leaveMax)), earlier(idle, s.last.Add(leaveQuiet))
	}
	return end, idle
}

// earlier is the earlier one of two times; zero: never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// reached tells whether it is time for a limit.
func reached(limit, now time.Time) bool { return !limit.IsZero() && !now.Before(limit) }

// sourceTimer is the source as its timer sees it.
type sourceTimer source

func (t *sourceTimer) Describe() string { return t.conn.Describe() }

// Expire ends the connection in order: what is under way is answered first.
func (t *sourceTimer) Expire(now time.Time) {
	s := (*source)(t)
	if s.drains {
		return
	}
	end, idle := s.limits()
	switch {
	case reached(end, now), reached(idle, now) && s.count == 0:
		s.drain()
	case reached(idle, now):
		s.last = now // it waits for us
		s.arm()
	default:
		s.arm()
	}
}
