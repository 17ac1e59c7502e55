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
	if at := s.due(); !at.IsZero() && !s.drains {
		s.timer.Set(s.branch.lane.Loop(), at)
	}
}

// due is when the first of the client's limits is reached, or a connection that is to end is, if nothing happens; zero: never.
func (s *source) due() (at time.Time) {
	first := func(limit time.Time) {
		if at.IsZero() || limit.Before(at) {
			at = limit
		}
	}
	if !s.leaves.IsZero() {
		first(s.leaves.Add(leaveMax))
		first(s.last.Add(leaveQuiet))
	}
	if s.client == nil {
		return at
	}
	limit := &s.client.Limit
	if limit.Lifetime > 0 {
		first(s.conn.Since().Add(limit.Lifetime))
	}
	if limit.IdleTimeout > 0 {
		first(s.last.Add(limit.IdleTimeout))
	}
	return at
}

// sourceTimer is the source as its timer sees it.
type sourceTimer source

func (t *sourceTimer) Describe() string { return t.conn.Describe() }

// Expire ends the connection in order: what is under way is answered first.
func (t *sourceTimer) Expire(now time.Time) {
	s := (*source)(t)
	if s.drains {
		return
	}
	old, idle := s.spent(now)
	switch {
	case old, idle && s.count == 0:
		s.drain()
	case idle:
		s.last = now // it waits for us
		s.arm()
	default:
		s.arm()
	}
}

// spent tells which of the limits are reached: those that count from the beginning, and those of how long nothing has come.
func (s *source) spent(now time.Time) (old, idle bool) {
	quiet := now.Sub(s.last)
	if !s.leaves.IsZero() {
		old, idle = now.Sub(s.leaves) >= leaveMax, quiet >= leaveQuiet
	}
	if s.client == nil {
		return old, idle
	}
	limit := &s.client.Limit
	old = old || limit.Lifetime > 0 && now.Sub(s.conn.Since()) >= limit.Lifetime
	idle = idle || limit.IdleTimeout > 0 && quiet >= limit.IdleTimeout
	return old, idle
}
