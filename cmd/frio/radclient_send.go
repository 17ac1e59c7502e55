package main

import (
	"fmt"
	"os"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/chap"
	"github.com/frio-io/frio/talloc"
)

// startsMax bounds how many requests begin in one turn of the loop.
const startsMax = 64

// sender is one run of radclient: requests, connections, counts. It belongs to the loop's thread.
type sender struct {
	radclientFlags
	std       streams
	loop      *event.Loop
	ctx       *talloc.Context
	keys      *radius.Keys
	requests  []*request
	prototype frio.IO // of which each connection is a copy

	links    []*link
	free     []*flight
	total    int // requests to begin
	started  int
	waiting  int // flights
	stopped  bool
	over     bool
	more     event.Task  // begins what may begin, and ends when all is over
	pace     event.Timer // until the next may begin
	first    time.Time   // when the first began, moved on where -n cannot be kept
	began    time.Time
	counts   counts
	unsigned bool   // it was said that there is no Message-Authenticator
	text     []byte // being printed
	broken   error  // of standard output
}

// counts are what the summary says.
type counts struct {
	accepted, rejected, challenged, lost, again, dropped int
}

func newSender(f radclientFlags, std streams, loop *event.Loop, ctx *talloc.Context, keys *radius.Keys, requests []*request, one frio.IO) *sender {
	s := &sender{radclientFlags: f, std: std, loop: loop, ctx: ctx, keys: keys, requests: requests, prototype: one, total: len(requests) * f.count}
	s.more.Init(s)
	s.pace.Init(s)
	return s
}

func (s *sender) Describe() string { return "frio radclient" }

// begin starts the run; the loop does the rest, and is stopped when it is over.
func (s *sender) begin() {
	s.began = s.loop.Now()
	s.first = s.began
	s.loop.Defer(&s.more)
}

// Expire is called when the next request may begin.
func (s *sender) Expire(time.Time) { s.RunTask() }

// RunTask begins requests, as many as may.
func (s *sender) RunTask() {
	for n := 0; !s.over && s.mayStart(); n++ {
		if n == startsMax {
			s.loop.Defer(&s.more)
			return
		}
		s.start()
	}
	if s.waiting == 0 && (s.stopped || s.started == s.total) {
		s.finish()
	}
}

// mayStart tells whether a request may begin now; if only the time is missing, pace is set.
func (s *sender) mayStart() bool {
	if s.stopped || s.started == s.total || s.waiting >= s.parallel {
		return false
	}
	if s.rate == 0 {
		return true
	}
	now, gap := s.loop.Now(), time.Duration(float64(time.Second)/s.rate)
	if late := now.Sub(s.first) - time.Second; late > 0 {
		s.first = s.first.Add(late) // what could not begin in time is not caught up with
	}
	if now.Before(s.first) {
		s.pace.Set(s.loop, s.first)
		return false
	}
	s.first = s.first.Add(gap)
	return true
}

// start sends the next request.
func (s *sender) start() {
	l := s.room()
	if s.stopped {
		return
	}
	f := s.flight()
	f.request = s.requests[s.started%len(s.requests)]
	f.tries, f.bad, f.begun = 0, nil, s.loop.Now()
	s.started++
	s.waiting++
	l.take(f)
	packet, err := f.request.build(f.packet[:0], s.keys, f.id)
	if err != nil {
		panic("radclient: a request that was built does not fit any more: " + err.Error())
	}
	f.packet = packet
	l.send(f)
}

// room returns a connection with an identifier to give, the one used last if possible. There are never more than the flights
// need.
func (s *sender) room() *link {
	for i := len(s.links) - 1; i >= 0; i-- {
		if l := s.links[i]; l.count < identifiers {
			return l
		}
	}
	return s.open()
}

// flight returns one that is not in use.
func (s *sender) flight() *flight {
	if n := len(s.free); n > 0 {
		f := s.free[n-1]
		s.free = s.free[:n-1]
		return f
	}
	f := &flight{}
	f.timer.Init(f)
	return f
}

// wait has f wait for what comes next.
func (s *sender) wait(f *flight) { f.timer.Set(s.loop, s.loop.Now().Add(s.timeout)) }

func (f *flight) Describe() string { return "frio radclient" }

// Expire is called when there was no answer in time, or a connection that is up has not taken the packet.
func (f *flight) Expire(time.Time) {
	l := f.link
	s := l.s
	switch {
	case f.queued && l.written > 0 && l.queue[0] == f:
		l.fail(errStalled) // half a packet is written: what follows would be taken for the rest of it
	case f.queued:
		s.printLost(f, errStalled.Error())
		s.lose(f)
	case l.isDatagram() && f.tries < s.tries:
		s.counts.again++
		l.send(f)
	case l.heard || f.bad != nil:
		s.printLost(f, f.unanswered())
		s.lose(f)
	default:
		s.printLost(f, f.unanswered()+"; is the secret right, and are we a client there?")
		s.lose(f)
	}
}

func (f *flight) unanswered() string {
	if f.tries > 1 {
		return fmt.Sprintf("no answer to %d tries", f.tries)
	}
	return fmt.Sprintf("no answer within %v", f.link.s.timeout)
}

// end takes f back.
func (s *sender) end(f *flight) {
	f.timer.Stop()
	f.link.release(f)
	f.link = nil
	s.free = append(s.free, f)
	s.waiting--
	s.loop.Defer(&s.more)
}

// lose ends a request that had no answer.
func (s *sender) lose(f *flight) {
	s.counts.lost++
	s.end(f)
}

// drop notes a message that is no right reply. It costs nothing else: somebody may have forged it. f is what it pretends to answer.
func (s *sender) drop(l *link, f *flight, err error) {
	s.counts.dropped++
	if f == nil || f.bad == nil {
		s.printDropped(l, err)
	}
	if f != nil {
		f.bad = err
	}
}

// answered takes a right reply.
func (s *sender) answered(f *flight, p radius.Packet) {
	s.printReply(f, p)
	switch p.Code() {
	case radius.AccessAccept, radius.AccountingResponse, radius.CoAACK, radius.DisconnectACK:
		if password, ok := f.request.password(); ok && !chap.IsMS2Success(p, f.packet, password) {
			s.tell("the server has not proved that it knows the password: MS-CHAP2-Success is wrong or missing")
			s.counts.rejected++
			break
		}
		s.counts.accepted++
	case radius.AccessChallenge:
		s.counts.challenged++
	default:
		s.counts.rejected++
	}
	s.end(f)
}

// stop begins no other request.
func (s *sender) stop() {
	s.stopped = true
	s.loop.Defer(&s.more)
}

// interrupt ends the run at a signal.
func (s *sender) interrupt(sig os.Signal) {
	s.tell("%v", sig)
	s.stop()
	s.counts.lost += s.waiting
	s.finish()
}

// finish ends the run.
func (s *sender) finish() {
	if s.over {
		return
	}
	s.over = true
	s.pace.Stop()
	s.more.Cancel()
	for len(s.links) > 0 {
		l := s.links[0]
		for _, f := range l.flights {
			if f != nil {
				f.timer.Stop()
			}
		}
		l.close()
	}
	if err := s.prototype.Close(); err != nil {
		s.say("close: %v", err)
	}
	if s.summary {
		s.printSummary()
	}
	s.loop.Stop()
}

func (s *sender) exitCode() int {
	switch c := s.counts; {
	case s.broken != nil:
		return exitFailed
	case c.lost > 0 || s.started < s.total:
		return exitUnanswered
	case c.rejected+c.challenged > 0:
		return exitFailed
	}
	return exitDone
}
