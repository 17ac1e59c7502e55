package gateway

import (
	"errors"
	"time"
)

// errConnections is why a connection is closed that its client may not have: limit { max_connections }.
var errConnections = errors.New("the client has as many connections as it may have (max_connections)")

// belongs counts the connection as one of client's.
func (s *source) belongs(client *Client) error {
	if s.counted == client.state {
		return nil
	}
	open := client.state.Open.Add(1)
	if most := client.Limit.MaxConnections; most > 0 && open > int64(most) {
		client.state.Open.Add(-1)
		return errConnections
	}
	if s.counted != nil {
		s.counted.Open.Add(-1)
	}
	s.counted = client.state
	return nil
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
		s.timer.Set(s.lane.lane.Loop(), at)
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
