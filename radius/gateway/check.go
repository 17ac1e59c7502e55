package gateway

import (
	"fmt"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/transport"
)

// check is a request of our own that shows whether a port of a home server answers.
type check struct {
	transport.Call
	port    *port
	code    radius.Code
	vector  [16]byte
	began   time.Time
	expires time.Time
}

// checking tells whether a check is under way.
func (p *port) checking() bool {
	for i := range p.checks {
		if p.checks[i].Active() {
			return true
		}
	}
	return false
}

func (p *port) cancelChecks() {
	for i := range p.checks {
		p.checks[i].Cancel()
	}
}

// endChecks ends those that were not answered in time.
func (p *port) endChecks(now time.Time) {
	for i := range p.checks {
		c := &p.checks[i]
		if !c.Active() || now.Before(c.expires) {
			continue
		}
		c.giveUp()
		p.answers = 0
		if p.life() == alive && p.lastReply.Load() < c.began.UnixNano() {
			p.become(zombie, now)
		}
	}
}

// giveUp ends a check, if it is under way, and keeps what it says.
func (c *check) giveUp() {
	switch {
	case !c.Active():
	case c.Sent():
		c.port.blame(fmt.Errorf("no answer to %v", c.code))
	default:
		c.port.blame(errConnection)
	}
	c.GiveUp()
}

// probe sends a check, in the place of the oldest.
func (p *port) probe(now time.Time) {
	cfg := p.home.cfg
	p.counts.Checks.Add(1)
	c := &p.checks[p.turn]
	p.turn = (p.turn + 1) % len(p.checks)
	c.giveUp()
	c.code = radius.StatusServer
	if cfg.StatusCheck == CheckRequest {
		c.code = radius.AccessRequest
		if cfg.Type&HomeAuth == 0 || p.name == portAcct {
			c.code = radius.AccountingRequest
		}
	}
	c.began, c.expires = now, now.Add(cfg.CheckTimeout)
	if err := p.home.owner.pool(p.peer).Start(&c.Call, c); err != nil {
		c.Lost(&c.Call, err)
		return
	}
	if c.IsDatagram() {
		// RFC 5080, Section 2.2.1: one lost datagram is no silence. It ends with the check.
		c.Retransmit(transport.Retransmission{Initial: cfg.CheckTimeout / checkParts})
	}
}

// checkParts of its time-out is when a check is sent again, by datagrams: at a quarter, and, as the time doubles, at three quarters.
const checkParts = 4

func (c *check) Describe() string { return "check of " + c.port.describe() }

// Encode makes the check.
func (c *check) Encode(_ *transport.Call, dst []byte, id int) ([]byte, error) {
	h := c.port.home
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
	p := c.port
	if p.accept(p.home.owner, m, c.code, c.vector[:]) == nil {
		return false
	}
	if c.code == radius.StatusServer {
		p.knows.Store(true)
	}
	p.counts.Answers.Add(1)
	p.told.Store(false)
	p.answers++
	enough := p.answers >= max(1, p.home.cfg.NumAnswersToAlive)
	if p.life() == alive || enough {
		p.lastReply.Store(m.Time.UnixNano())
	}
	switch {
	case p.life() == alive:
	case enough:
		p.become(alive, m.Time)
	default:
		p.arm(confirmPace)
	}
	return true
}

// Lost is called when the check's connection is gone, or could not be had.
func (c *check) Lost(_ *transport.Call, err error) {
	c.port.answers = 0
	c.port.blame(err)
	c.port.failed(c.began, err)
}
