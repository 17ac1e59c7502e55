package tls

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"

	"github.com/frio-io/frio"
)

func (p *plan) isServer() bool     { return p.role == frio.Server }
func (p *plan) datagramOnly() bool { return p.kind == frio.Datagram }

// debug writes everything but secrets, a line for each matter. Thread: any.
func (s *settings) debug(w io.Writer) {
	snap := s.snap.Load()
	p := snap.plan
	suites, curves := p.suites, p.curves
	fmt.Fprintf(w, "versions %s", p.versions())
	if p.datagramOnly() {
		suites, curves = p.datagramSuites, p.datagramCurves
	}
	fmt.Fprintf(w, ", cipher_list %s, curves %s", suitesText(suites), curvesText(curves))
	if len(p.alpn) > 0 {
		fmt.Fprintf(w, ", alpn %s", strings.Join(p.alpn, ", "))
	}
	fmt.Fprintln(w)
	for _, o := range snap.files.own {
		fmt.Fprintf(w, "certificate %s", o.file)
		if o.realm != "" {
			fmt.Fprintf(w, " for %s", o.realm)
		}
		leaf := o.cert.Leaf
		fmt.Fprintf(w, ": %q serial %s, %v, names %s, until %s\n", subjectOf(leaf), serialText(leaf.SerialNumber),
			leaf.PublicKeyAlgorithm, namesOf(leaf), stamp(leaf.NotAfter))
	}
	s.debugTrust(w, snap)
	if snap.tickets != nil {
		fmt.Fprintf(w, "resumption for %v, ticket keys <hidden>\n", p.cacheLifetime)
		if n, ok := s.ticketCounts(); ok {
			fmt.Fprintf(w, "clients' chains kept for tickets %d of %d bytes, displaced %d; gone when a ticket came %d, too long for a ticket %d\n",
				n.Chains, n.Bytes, n.Displaced, n.Missed, n.TooLong)
		}
	} else {
		fmt.Fprintln(w, "no resumption")
	}
	if p.reloadInterval > 0 {
		fmt.Fprintf(w, "looks for changed files every %v\n", p.reloadInterval)
	}
	if snap.keyLog != nil {
		fmt.Fprintf(w, "keylog_file %s: WHOEVER READS IT READS ALL TRAFFIC\n", p.keylogFile)
	}
	for _, n := range s.notes() {
		fmt.Fprintln(w, n)
	}
}

// debugTrust writes how peers are judged.
func (s *settings) debugTrust(w io.Writer, snap *snapshot) {
	p, v := snap.plan, snap.verifier
	if p.isServer() {
		fmt.Fprintf(w, "client certificate %s", map[tls.ClientAuthType]string{
			tls.NoClientCert:               "not asked",
			tls.VerifyClientCertIfGiven:    "requested",
			tls.RequireAndVerifyClientCert: "required",
		}[p.clientAuth])
		if p.clientAuth == tls.NoClientCert {
			fmt.Fprintln(w)
			return
		}
	} else {
		fmt.Fprintf(w, "server name %q, name checked: %s", p.serverName, yesNoText(len(v.names) > 0))
	}
	if v.roots == nil {
		fmt.Fprint(w, ", CAs of the system")
	} else {
		fmt.Fprintf(w, ", %d CAs", len(snap.files.cas))
	}
	if len(v.names) > 0 {
		fmt.Fprintf(w, ", names %s", listNames(v.names))
	}
	if len(v.cns) > 0 {
		fmt.Fprintf(w, ", common names %s", strings.Join(v.cns, ", "))
	}
	if v.depth >= 0 {
		fmt.Fprintf(w, ", verify_depth %d", v.depth)
	}
	fmt.Fprintln(w)
	if v.match != nil {
		for _, lines := range v.match.Text() {
			fmt.Fprintf(w, "certificate { %s }\n", strings.Join(lines, ", "))
		}
	}
	for _, c := range snap.files.cas {
		fmt.Fprintf(w, "CA %q serial %s, until %s\n", subjectOf(c), serialText(c.SerialNumber), stamp(c.NotAfter))
	}
	for _, c := range snap.files.crls {
		fmt.Fprintf(w, "CRL %s: %q, %d revoked, from %s to %s\n", c.file, clip(c.list.Issuer.String()),
			len(c.list.RevokedCertificateEntries), stamp(c.list.ThisUpdate), nextText(c.list.NextUpdate))
	}
}

func (p *plan) versions() string {
	name := func(id uint16) string { return strings.TrimPrefix(tls.VersionName(id), "TLS ") }
	switch {
	case p.datagramOnly():
		return "DTLS 1.2"
	case p.minVersion == p.maxVersion:
		return "TLS " + name(p.minVersion)
	case p.maxVersion == 0:
		return "TLS " + name(p.minVersion) + " to " + name(tls.VersionTLS13)
	}
	return "TLS " + name(p.minVersion) + " to " + name(p.maxVersion)
}

func yesNoText(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
