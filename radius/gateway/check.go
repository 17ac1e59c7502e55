package gateway

import (
	"fmt"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/transport"
)

// check is a request of our own that shows whether a port of a home server answers. The owner of the port begins it and is told of its end; what
// is below the line belongs to the lane that makes it.
type check struct {
	port   *port
	branch *branch
	code   radius.Code
	began  time.Time
	over   bool // the owner knows of its end, or does not want to: the owner's

	transport.Call
	vector [16]byte
	sent   bool
}

// checkParts of its time-out is when a check is sent again, by datagrams: at a quarter, and, as the time doubles, at three quarters.
const checkParts = 4

// probe begins a check, in the place of the oldest.
func (p *port) probe(now time.Time) {
	cfg := p.home.cfg
	p.counts.Checks.Add(1)
	at := &p.checks[p.turn]
	p.turn = (p.turn + 1) % len(p.checks)
	if *at != nil {
		(*at).giveUp()
	}
	c := &check{port: p, branch: p.checker(), code: radius.StatusServer, began: now}
	if cfg.StatusCheck == CheckRequest {
		c.code = radius.AccessRequest
		if cfg.Type&HomeAuth == 0 || p.name == portAcct {
			c.code = radius.AccountingRequest
		}
	}
	*at = c
	c.branch.do(p.home.owner, c.start)
}

// checker is who makes the next check: a lane that has a connection, so that it does not matter if the owner cannot have one; else the owner.
func (p *port) checker() *branch {
	owner := p.home.owner
	if owner.pool(p.peer).Up() == 0 {
		if i, ok := p.peer.Elsewhere(owner.lane, transport.ErrDown); ok {
			return p.home.gateway.branches[i]
		}
	}
	return owner
}

// checking tells whether a check is under way. One of whose end the owner could not be told is not for ever.
func (p *port) checking(now time.Time) bool {
	for _, c := range p.checks {
		if c != nil && !c.over && now.Sub(c.began) < 2*p.home.cfg.CheckTimeout {
			return true
		}
	}
	return false
}

func (p *port) cancelChecks() {
	for i, c := range p.checks {
		if c != nil && !c.over {
			c.over = true
			c.branch.do(p.home.owner, c.Cancel)
		}
		p.checks[i] = nil
	}
}

// start sends the check.
func (c *check) start() {
	if err := c.branch.pool(c.port.peer).Start(&c.Call, c); err != nil {
		c.Lost(&c.Call, err)
		return
	}
	// RFC 5080, Section 2.2.1: one lost datagram is no silence.
	timeout := c.port.home.cfg.CheckTimeout
	c.Retransmit(transport.Retransmission{Initial: timeout / checkParts, Duration: timeout})
}

// giveUp ends the check, if it is under way, as one that was not answered.
func (c *check) giveUp() {
	c.branch.do(c.port.home.owner, func() {
		if c.Active() {
			c.GiveUp()
			c.Lost(&c.Call, transport.ErrNoAnswer)
		}
	})
}

func (c *check) Describe() string { return "check of " + c.port.describe() }

// Encode makes the check.
func (c *check) Encode(_ *transport.Call, dst []byte, id int) ([]byte, error) {
	cfg := c.port.home.cfg
	var vector [16]byte
	c.branch.authenticator(&vector)
	keys := c.branch.keysOf(cfg.Secret)
	b := radius.NewRequest(dst, c.code, uint8(id), vector)
	b.AddString(radius.NASIdentifier, "frio")
	if c.code != radius.StatusServer {
		b.AddString(radius.UserName, cfg.CheckUser)
	}
	switch c.code {
	case radius.AccessRequest:
		b.HidePassword(keys, []byte(cfg.CheckPassword.Reveal()))
	case radius.AccountingRequest:
		b.AddUint32(radius.AcctStatusType, acctStop)
		b.AddString(radius.AcctSessionID, "00000000")
	}
	msg, err := b.Seal(keys)
	if err == nil {
		copy(c.vector[:], msg[len(dst)+4:])
		c.sent = true
	}
	return msg, err
}

// acctStop is Acct-Status-Type Stop (RFC 2866, Section 5.1): of a session that never was it changes nothing.
const acctStop = 2

// Answer takes what a home server says to a check; Access-Reject is as good as Access-Accept.
func (c *check) Answer(_ *transport.Call, m *transport.Message) bool {
	if c.port.accept(c.branch, m, c.code, c.vector[:]) == nil {
		return false
	}
	at := m.Time
	c.ends(func() { c.port.checked(c, at) })
	return true
}

// Lost is called when the check's connection is gone, or could not be had, or its time is over.
func (c *check) Lost(_ *transport.Call, err error) {
	sent, now := c.sent, c.branch.now()
	c.ends(func() { c.port.unchecked(c, now, sent, err) })
}

// ends tells the owner how the check ended, once, if it wants to know.
func (c *check) ends(tell func()) {
	c.port.home.owner.do(c.branch, func() {
		if !c.over {
			c.over = true
			tell()
		}
	})
}

// checked takes note of an answer to a check.
func (p *port) checked(c *check, at time.Time) {
	if c.code == radius.StatusServer {
		p.knows.Store(true)
	}
	p.counts.Answers.Add(1)
	p.told.Store(false)
	p.answers++
	enough := p.answers >= max(1, p.home.cfg.NumAnswersToAlive)
	if p.life() == alive || enough {
		p.lastReply.Store(at.UnixNano())
	}
	switch {
	case p.life() == alive:
	case enough:
		p.become(alive, at)
	default:
		p.arm(confirmPace)
	}
}

// unchecked takes note of a check that was not answered.
func (p *port) unchecked(c *check, now time.Time, sent bool, err error) {
	p.answers = 0
	if err != transport.ErrNoAnswer {
		p.blame(err)
		p.failed(c.began, err)
		return
	}
	if sent {
		p.blame(fmt.Errorf("no answer to %v", c.code))
	} else {
		p.blame(errConnection)
	}
	if p.life() == alive && p.lastReply.Load() < c.began.UnixNano() {
		p.become(zombie, now)
	}
}
