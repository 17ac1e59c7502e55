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

// arm sets the timer to the first of the client's limits.
func (s *source) arm() {
	if at := s.due(); !at.IsZero() && !s.drains {
		s.timer.Set(s.branch.lane.Loop(), at)
	}
}

// due is when the first of the client's limits is reached, if nothing happens; zero: never.
func (s *source) due() (at time.Time) {
	limit := &s.client.Limit
	if limit.Lifetime > 0 {
		at = s.conn.Since().Add(limit.Lifetime)
	}
	if limit.IdleTimeout > 0 {
		if idle := s.last.Add(limit.IdleTimeout); at.IsZero() || idle.Before(at) {
			at = idle
		}
	}
	return at
}

// sourceTimer is the source as its timer sees it.
type sourceTimer source

func (t *sourceTimer) Describe() string { return t.conn.Describe() }

// Expire ends the connection in order: what is under way is answered first.
func (t *sourceTimer) Expire(now time.Time) {
	s := (*source)(t)
	if s.client == nil || s.drains {
		return
	}
	limit := &s.client.Limit
	old := limit.Lifetime > 0 && now.Sub(s.conn.Since()) >= limit.Lifetime
	idle := limit.IdleTimeout > 0 && now.Sub(s.last) >= limit.IdleTimeout
	switch {
	case old, idle && s.count == 0:
		s.Drain(s.conn)
	case idle:
		s.last = now // it waits for us
		s.arm()
	default:
		s.arm()
	}
}
