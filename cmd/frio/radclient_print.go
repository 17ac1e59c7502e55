package main

import (
	"fmt"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/dict"
)

// tell prints on standard error what the user must know.
func (s *sender) tell(format string, args ...any) {
	fmt.Fprintf(s.std.err, "frio radclient: "+format+"\n", args...)
}

// say prints with -x.
func (s *sender) say(format string, args ...any) {
	if s.trace {
		fmt.Fprintf(s.std.err, format+"\n", args...)
	}
}

// print writes the text on standard output.
func (s *sender) print() {
	if _, err := s.std.out.Write(s.text); err != nil && s.broken == nil {
		s.broken = err
		s.tell("standard output: %v", err)
		s.stop()
	}
}

// between names both ends.
func between(one frio.IO, from, to string) string {
	if a, ok := one.(frio.Addresser); ok && a.RemoteAddr().IsValid() {
		return fmt.Sprintf("%s %v %s %v", from, a.LocalAddr(), to, a.RemoteAddr())
	}
	return "over " + one.Describe()
}

// which tells requests of one input apart.
func (s *sender) which(r *request) string {
	if len(s.requests) == 1 {
		return ""
	}
	return fmt.Sprintf(" (request %d)", r.number)
}

// sent traces a packet that was sent.
func (s *sender) sent(f *flight) {
	if !s.trace {
		return
	}
	again := ""
	if f.tries > 1 {
		again = " again"
	}
	s.text = fmt.Appendf(s.text[:0], "Sent%s %v Id %d %s length %d%s\n", again, f.request.code, f.id, between(f.link.conn, "from", "to"), len(f.packet), s.which(f.request))
	s.text = dict.AppendText(s.text, f.packet)
	s.std.err.Write(s.text)
}

// printReply prints a right reply.
func (s *sender) printReply(f *flight, p radius.Packet) {
	if s.quiet {
		return
	}
	if _, signed := p.Find(radius.MessageAuthenticator); !signed && !s.unsigned && f.request.code == radius.AccessRequest {
		s.unsigned = true
		s.tell("note: a reply without Message-Authenticator may be forged (BlastRADIUS); -b drops such")
	}
	took := s.loop.Now().Sub(f.begun).Round(time.Microsecond)
	s.text = fmt.Appendf(s.text[:0], "Received %v Id %d %s length %d after %v%s\n", p.Code(), p.ID(), between(f.link.conn, "to", "from"), len(p), took, s.which(f.request))
	s.text = dict.AppendText(s.text, p)
	s.print()
}

// printLost prints that a request had no answer, and what may be the reason.
func (s *sender) printLost(f *flight, why string) {
	if s.quiet {
		return
	}
	if f.bad != nil {
		why += ": " + f.bad.Error()
	}
	s.tell("%v Id %d%s: %s", f.request.code, f.id, s.which(f.request), why)
}

func (s *sender) printDropped(l *link, err error) {
	if !s.quiet {
		s.tell("dropped what came from %s: %v", l.conn.Describe(), err)
	}
}

func (s *sender) printSummary() {
	c, took := s.counts, s.loop.Now().Sub(s.began)
	answers := c.accepted + c.rejected + c.challenged
	s.text = fmt.Appendf(s.text[:0], "Packet summary:\n\tAccepted      : %d\n\tRejected      : %d\n\tChallenged    : %d\n\tLost          : %d\n\tNot sent      : %d\n"+
		"\tSent again    : %d\n\tDropped       : %d\n\tTime          : %v", c.accepted, c.rejected, c.challenged, c.lost, s.total-s.started, c.again, c.dropped, took.Round(time.Microsecond))
	if took > 0 {
		s.text = fmt.Appendf(s.text, ", %.1f answers a second", float64(answers)/took.Seconds())
	}
	s.text = append(s.text, '\n')
	s.print()
}
