package tls

import (
	ctls "crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/tls/dtls"
)

// Debug writes everything about the connection and what is below.
func (c *Conn) Debug(w io.Writer) {
	c.debug(w)
	in := frio.Indent(w)
	if c.role == frio.Client {
		c.how().debug(in)
	}
	c.lower.Debug(in)
}

// debug writes what this layer knows of itself.
func (c *Conn) debug(w io.Writer) {
	fmt.Fprintf(w, "%s\n", c.Describe())
	in := frio.Indent(w)
	s := c.s
	if s == nil {
		fmt.Fprintf(in, "state %v, no whole record so far, wants%s%s\n", c.State(), word(c.read != nil, " read"), word(c.loop() == nil, " no loop"))
		c.debugBuffers(in)
		return
	}
	fmt.Fprintf(in, "state %v, in %d bytes, out %d bytes\n", c.State(), s.bytesIn, s.bytesOut)
	if c.state == frio.StateOpen && !c.over {
		debugState(in, s.eng.ConnectionState(), c.datagram())
	}
	fmt.Fprintf(in, "%swants%s, asks below for%s\n", word(c.loop() == nil, "in no loop, "),
		wishes(c.read != nil && !s.readEnded, c.write != nil && !s.writeEnded), wishes(c.told&event.Read != 0, c.told&event.Write != 0))
	if s.eng != nil && s.eng.State() == dtls.Awaiting {
		fmt.Fprintf(in, "awaits an answer\n")
	}
	if s.stalled {
		fmt.Fprintf(in, "waits for its turn to go on with the handshake\n")
	}
	c.debugBuffers(in)
	if e, ok := s.eng.(*dtls.Engine); ok {
		n := e.Counts()
		fmt.Fprintf(in, "records in %d, out %d, empty %d, forged %d, malformed %d, replayed %d, retransmitted flights %d, mtu %d\n",
			n.RecordsIn, n.RecordsOut, n.Empty, n.Forged, n.Malformed, n.Replayed, n.Retransmits, e.MTU())
	}
	if s.readErr != nil || s.writeErr != nil {
		fmt.Fprintf(in, "read ended: %v, write ended: %v\n", s.readErr, s.writeErr)
	}
	if at := c.nextDeadlineShown(); !at.IsZero() {
		fmt.Fprintf(in, "next deadline in %v\n", at.Sub(c.now()).Round(time.Millisecond))
	}
}

func (c *Conn) nextDeadlineShown() (at time.Time) {
	switch {
	case c.over || c.state == frio.StateFailed || c.state == frio.StateClosed:
	case c.state == frio.StateHandshaking:
		at = c.share.deadline(c)
	default:
		at = c.nextDeadline()
	}
	return at
}

func (c *Conn) debugBuffers(w io.Writer) {
	if n := c.tail.len(); n > 0 {
		fmt.Fprintf(w, "holds %d bytes of the first record\n", n)
	}
	if s := c.s; s != nil {
		if n := s.in.len(); n > 0 {
			fmt.Fprintf(w, "holds %d bytes of records\n", n)
		}
		if s.eng != nil && !c.over && s.eng.Held() {
			fmt.Fprintf(w, "holds a record to be read\n")
		}
		if n := s.out.len(); n > 0 {
			fmt.Fprintf(w, "holds %d bytes sealed and unsent%s\n", n, word(s.corked, ", corked"))
		}
	}
}

// debugState writes what was agreed.
func debugState(w io.Writer, s ctls.ConnectionState, datagram bool) {
	version := ctls.VersionName(s.Version)
	if datagram {
		version = "DTLS 1.2"
	}
	fmt.Fprintf(w, "%s, %s%s%s\n", version, ctls.CipherSuiteName(s.CipherSuite), curve(s.CurveID), word(s.DidResume, ", resumed"))
	if s.ServerName != "" || s.NegotiatedProtocol != "" {
		fmt.Fprintf(w, "server name %q, protocol %q\n", s.ServerName, s.NegotiatedProtocol)
	}
	if len(s.PeerCertificates) == 0 {
		fmt.Fprintf(w, "peer without certificate\n")
		return
	}
	leaf := s.PeerCertificates[0]
	fmt.Fprintf(w, "peer %q%s, issued by %q, until %s\n", subjectOf(leaf), names(leaf), clip(leaf.Issuer.String()), leaf.NotAfter.UTC().Format(time.DateOnly))
}

func curve(id ctls.CurveID) string {
	if id == 0 {
		return ""
	}
	return ", " + id.String()
}

// names lists the alternative names of a certificate.
func names(leaf *x509.Certificate) string {
	var list []string
	list = append(list, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		list = append(list, ip.String())
	}
	for _, uri := range leaf.URIs {
		list = append(list, uri.String())
	}
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%q)", clip(strings.Join(list, " ")))
}

// debug writes what all connections have in common.
func (h *shared) debug(w io.Writer) {
	h.set.debug(w)
	fmt.Fprintf(w, "handshake_timeout %s, max_handshakes %s\n", never(h.timeout), unlimited(h.slots.Max()))
	n := &h.counts
	if err := h.failure.Load(); err != nil {
		fmt.Fprintf(w, "reloads that failed %d, the last: %v\n", n.BadReloads.Load(), *err)
	}
	if n.Handshakes.Load()+n.Full.Load() == 0 && h.slots.Used() == 0 && !n.anyFailed() {
		return
	}
	fmt.Fprintf(w, "handshakes: under way %d, done %d, of these resumed %d, put off %d times; accept put off %d times; ended after a reload %d\n",
		h.slots.Used(), n.Handshakes.Load(), n.Resumed.Load(), n.Deferred.Load(), n.Full.Load(), n.Rechecked.Load())
	for r := range causeCount {
		if count := n.Failed(r); count > 0 {
			fmt.Fprintf(w, "failed: %v %d\n", r, count)
		}
	}
}

func (c *Counts) anyFailed() bool {
	for r := range causeCount {
		if c.failed[r].Load() > 0 {
			return true
		}
	}
	return false
}

func never(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return d.String()
}

func unlimited(n int64) string {
	if n <= 0 {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

func word(is bool, w string) string {
	if is {
		return w
	}
	return ""
}

// wishes says what is waited for.
func wishes(read, write bool) string {
	if !read && !write {
		return " nothing"
	}
	return word(read, " read") + word(write, " write")
}
