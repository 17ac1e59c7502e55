package tls

import (
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/tls/dtls"
)

// settings are what a `tls { }` section says, and what its files hold. One serves a listener with all its shards and
// children, or a client. Thread: any.
type settings struct {
	role    frio.Role
	kind    frio.Kind
	section *conf.Section // for positions; not read after parseSettings
	plan    plan
	keyLog  *keyLog
	tickets *tickets
	// clock gives the time that certificates, CRLs and tickets are judged by. It may be replaced until the first
	// connection.
	clock func() time.Time

	snap atomic.Pointer[snapshot]

	mu sync.Mutex // held while a snapshot is made, installed, or given keys

	watchMu  sync.Mutex // guards the rest
	watchers map[int]func()
	watchID  int
	failed   func(error)
	poll     *poller
}

// snapshot is what one reading of the files gave. It never changes; its stream's ticket keys do.
type snapshot struct {
	stream   *tls.Config
	datagram *dtls.Config // nil over a stream
	verifier *verifier
	files    *loaded
}

// parseSettings takes `tls { }` of cs, a listen or a home_server, and reads its files. Mistakes are conf.Errors, all of
// them, each at its line; those of the files too.
func parseSettings(cs *conf.Section, role frio.Role, kind frio.Kind) (*settings, error) {
	sub, err := cs.TakeSection("tls")
	if sub == nil {
		return nil, conf.Errors{cs.Errorf("%s: section tls { } is missing", cs.Name)}
	}
	s := &settings{role: role, kind: kind, section: sub, clock: time.Now, watchers: map[int]func(){}}
	errs := mistakesOf(sub, err)
	errs = append(errs, s.plan.decode(cs, sub, role, kind)...)
	if s.plan.keylogFile != "" {
		s.keyLog = &keyLog{path: s.plan.keylogFile}
	}
	if s.plan.cache {
		s.tickets = newTickets(s.plan.cacheLifetime)
	}
	snap, loadErrs := s.load()
	if errs = append(errs, loadErrs...); len(errs) > 0 {
		return nil, errs.Err()
	}
	s.install(snap)
	return s, nil
}

// mistakesOf returns err as conf.Errors; one without a position stands at cs.
func mistakesOf(cs *conf.Section, err error) conf.Errors {
	var list conf.Errors
	if err != nil && !errors.As(err, &list) {
		list = conf.Errors{cs.Errorf("%s: %v", cs.Name, err)}
	}
	return list
}

// stream returns what a TLS connection that starts at this moment uses: shared, not to be changed. Call it for each
// connection, because it also changes ticket keys when it is time. Never nil. Thread: any.
func (s *settings) stream() *tls.Config {
	s.rotate()
	return s.snap.Load().stream
}

// datagram is stream for the DTLS engine; nil for settings that were parsed for a stream. Thread: any.
func (s *settings) datagram() *dtls.Config {
	s.rotate()
	return s.snap.Load().datagram
}

// rotate gives the present snapshot other ticket keys if it is time. If a reload is under way, the next call does it.
func (s *settings) rotate() {
	if s.tickets == nil || !s.tickets.due(s.clock()) || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	s.tickets.change(s.clock())
	s.tickets.give(s.snap.Load())
}

// recheck judges an open connection by the present snapshot: chain, names, CRLs and depth, whatever was found when it
// was opened. An error is a *VerifyError. Of cs only PeerCertificates count. Thread: any.
func (s *settings) recheck(cs tls.ConnectionState) error {
	return s.snap.Load().verifier.check(cs.PeerCertificates, nil)
}

// notes are remarks about the section and its files that are no mistakes, for whoever shows configuration errors:
// "file:line:column: note: ..." and "... warning: ...". Thread: any.
func (s *settings) notes() conf.Errors {
	snap := s.snap.Load()
	return append(append(conf.Errors{}, s.plan.notes...), snap.files.notes...).Sorted()
}

// load reads the files and makes a snapshot.
func (s *settings) load() (*snapshot, conf.Errors) {
	files := s.plan.load(s.clock())
	if len(files.errs) > 0 || s.plan.broken {
		return nil, files.errs
	}
	snap := &snapshot{files: files}
	snap.verifier = s.plan.verifier(files, func() time.Time { return s.clock() })
	snap.stream = s.streamConfig(snap)
	if s.kind == frio.Datagram {
		snap.datagram = s.datagramConfig(snap)
	}
	return snap, nil
}

// install makes snap the present one. Sessions do not outlive the CAs that vouched for their peers.
func (s *settings) install(snap *snapshot) {
	old := s.snap.Load()
	if s.tickets != nil {
		now := s.clock()
		switch {
		case old == nil || old.files.trust != snap.files.trust:
			s.tickets.drop(now)
		case s.tickets.due(now):
			s.tickets.change(now)
		}
		s.tickets.give(snap)
	}
	s.snap.Store(snap)
}

// verifyConnection is the last word of a handshake on snap. If the files were read again since it began, the newest
// decide.
func (s *settings) verifyConnection(snap *snapshot) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error {
		if now := s.snap.Load(); now != snap {
			return now.verifier.check(cs.PeerCertificates, nil)
		}
		chains := cs.VerifiedChains
		if cs.DidResume {
			chains = nil // a ticket's chains were found by the CAs and the clock of another day
		}
		return snap.verifier.check(cs.PeerCertificates, chains)
	}
}

func (s *settings) streamConfig(snap *snapshot) *tls.Config {
	p, files := &s.plan, snap.files
	c := &tls.Config{
		Time:                   func() time.Time { return s.clock() },
		MinVersion:             p.minVersion,
		MaxVersion:             p.maxVersion,
		CipherSuites:           p.suites,
		CurvePreferences:       p.curves,
		NextProtos:             p.alpn,
		SessionTicketsDisabled: !p.cache,
		Renegotiation:          tls.RenegotiateNever,
		VerifyConnection:       s.verifyConnection(snap),
		Certificates:           files.certificates(),
	}
	if s.keyLog != nil {
		c.KeyLogWriter = s.keyLog
	}
	if s.role == frio.Server {
		c.ClientAuth, c.ClientCAs = p.clientAuth, files.roots
		c.GetConfigForClient = checkName
		if len(files.realms) > 0 {
			c.GetCertificate = files.byName
		}
		return c
	}
	c.ServerName, c.InsecureSkipVerify, c.RootCAs = p.serverName, p.ownNames, files.roots
	if len(c.Certificates) > 0 {
		c.GetClientCertificate = files.forRequest
	}
	if p.cache && c.ServerName != "" { // without a name the cache would go by address
		c.ClientSessionCache = newSessions()
	}
	return c
}

func (s *settings) datagramConfig(snap *snapshot) *dtls.Config {
	p, files := &s.plan, snap.files
	c := &dtls.Config{
		CipherSuites:     p.datagramSuites,
		CurvePreferences: p.datagramCurves,
		NextProtos:       p.alpn,
		VerifyConnection: s.verifyConnection(snap),
		Certificates:     files.certificates(),
	}
	if s.keyLog != nil {
		c.KeyLogWriter = s.keyLog
	}
	if s.role == frio.Server {
		c.ClientAuth, c.ClientCAs = p.clientAuth, files.roots
		if c.ClientAuth == tls.RequireAndVerifyClientCert {
			// VerifyConnection refuses a client without one, by the same alert and with a *VerifyError.
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
		if len(files.realms) > 0 {
			c.GetCertificate = files.byName
		}
		if s.tickets != nil {
			c.TicketKeys = s.tickets.datagram
		}
		return c
	}
	c.ServerName, c.InsecureSkipVerify, c.RootCAs = p.serverName, p.ownNames, files.roots
	if p.cache && c.ServerName != "" {
		c.Sessions = dtls.NewSessionCache(clientSessions)
	}
	return c
}
