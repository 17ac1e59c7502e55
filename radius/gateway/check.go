package gateway

import (
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/transport"
)

// check is a request of our own that shows whether a home server answers.
type check struct {
	transport.Call
	home    *homeState
	code    radius.Code
	vector  [16]byte
	began   time.Time
	expires time.Time
}

// checking tells whether a check is under way.
func (h *homeState) checking() bool {
	for i := range h.checks {
		if h.checks[i].Active() {
			return true
		}
	}
	return false
}

func (h *homeState) cancelChecks() {
	for i := range h.checks {
		h.checks[i].Cancel()
	}
}

// endChecks ends those that were not answered in time.
func (h *homeState) endChecks(now time.Time) {
	for i := range h.checks {
		c := &h.checks[i]
		if !c.Active() || now.Before(c.expires) {
			continue
		}
		c.GiveUp()
		h.answers = 0
		if h.life() == alive && h.lastReply.Load() < c.began.UnixNano() {
			h.become(zombie, now)
		}
	}
}

// probe sends a check, in the place of the oldest.
func (h *homeState) probe(now time.Time) {
	h.counts.Checks.Add(1)
	c := &h.checks[h.turn]
	h.turn = (h.turn + 1) % len(h.checks)
	c.GiveUp()
	c.code = radius.StatusServer
	peer := h.main
	if h.cfg.StatusCheck == CheckRequest {
		c.code = radius.AccessRequest
		if h.cfg.Type&HomeAuth == 0 {
			c.code = radius.AccountingRequest
			peer = h.peer(c.code)
		}
	}
	c.began, c.expires = now, now.Add(h.cfg.CheckTimeout)
	if err := h.owner.pool(peer).Start(&c.Call, c); err != nil {
		c.Lost(&c.Call, err)
	}
}

func (c *check) Describe() string { return "check of home_server " + c.home.cfg.Name }

// Encode makes the check.
func (c *check) Encode(_ *transport.Call, dst []byte, id int) ([]byte, error) {
	h := c.home
	var vector [16]byte
	h.owner.authenticator(&vector)
	keys := h.owner.keysOf(h.cfg.Secret)
	b := radius.NewRequest(dst, c.code, uint8(id), vector)
	b.AddString(radius.NASIdentifier, "frio")
	if c.code != radius.StatusServer {
		b.AddString(radius.UserName, h.cfg.CheckUser)
	}
	switch c.code {
	case radius.AccessRequest:
		b.HidePassword(keys, []byte(h.cfg.CheckPassword.Reveal()))
	case radius.AccountingRequest:
		b.AddUint32(radius.AcctStatusType, acctStop)
		b.AddString(radius.AcctSessionID, "00000000")
	}
	msg, err := b.Seal(keys)
	if err == nil {
		copy(c.vector[:], msg[len(dst)+4:])
	}
	return msg, err
}

// acctStop is Acct-Status-Type Stop (RFC 2866, Section 5.1): of a session that never was it changes nothing.
const acctStop = 2

// Answer takes what a home server says to a check; Access-Reject is as good as Access-Accept.
func (c *check) Answer(_ *transport.Call, m *transport.Message) bool {
	h := c.home
	if h.accept(h.owner, m, c.code, c.vector[:]) == nil {
		return false
	}
	if c.code == radius.StatusServer {
		h.knows.Store(true)
	}
	h.counts.Answers.Add(1)
	h.answers++
	enough := h.answers >= max(1, h.cfg.NumAnswersToAlive)
	if h.life() == alive || enough {
		h.lastReply.Store(m.Time.UnixNano())
	}
	switch {
	case h.life() == alive:
	case enough:
		h.become(alive, m.Time)
	default:
		h.arm(confirmPace)
	}
	return true
}

// Lost is called when the check's connection is gone, or could not be had.
func (c *check) Lost(_ *transport.Call, err error) {
	c.home.answers = 0
	c.home.failed(c.home.owner.lane.Loop().Now(), err)
}
