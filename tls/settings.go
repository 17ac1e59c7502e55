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
	role frio.Role
	kind frio.Kind
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

// snapshot is what a section and one reading of its files gave. It never changes; its ticket keys do.
type snapshot struct {
	plan     *plan
	keyLog   *keyLog
	tickets  *tickets // nil: no resumption
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
	s := &settings{role: role, kind: kind, clock: time.Now, watchers: map[int]func(){}}
	first := &snapshot{plan: new(plan)}
	errs := mistakesOf(sub, err)
	errs = append(errs, first.plan.decode(cs, sub, role, kind)...)
	if path := first.plan.keylogFile; path != "" {
		first.keyLog = &keyLog{path: path}
	}
	if first.plan.cache {
		first.tickets = newTickets(first.plan.cacheLifetime)
	}
	snap, loadErrs := s.load(first)
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
	if t := s.snap.Load().tickets; t == nil || !t.due(s.clock()) || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	snap := s.snap.Load()
	if t := snap.tickets; t != nil {
		t.change(s.clock())
		t.give(snap)
	}
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
	return append(append(conf.Errors{}, snap.plan.notes...), snap.files.notes...).Sorted()
}

// load reads the files that old's section names and makes a snapshot of them.
func (s *settings) load(old *snapshot) (*snapshot, conf.Errors) {
	files := old.plan.load(s.clock())
	if len(files.errs) > 0 || old.plan.broken {
		return nil, files.errs
	}
	return s.make(old, files), nil
}

// make makes a snapshot of what was read, with the section, the tickets and the key log of another one.
func (s *settings) make(of *snapshot, files *loaded) *snapshot {
	snap := &snapshot{plan: of.plan, keyLog: of.keyLog, tickets: of.tickets, files: files}
	snap.verifier = snap.plan.verifier(files, func() time.Time { return s.clock() })
	snap.stream = s.streamConfig(snap)
	if s.kind == frio.Datagram {
		snap.datagram = s.datagramConfig(snap)
	}
	return snap
}

// install makes snap the present one. Sessions do not outlive the CAs that vouched for their peers, nor whether a certificate was asked for:
// resuming one without would refuse a client that has one.
func (s *settings) install(snap *snapshot) {
	old := s.snap.Load()
	if t := snap.tickets; t != nil {
		now := s.clock()
		switch {
		case old == nil || old.files.trust != snap.files.trust || old.plan.clientAuth != snap.plan.clientAuth:
			t.drop(now)
		case t.due(now):
			t.change(now)
		}
		t.give(snap)
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
	p, files := snap.plan, snap.files
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
	if snap.keyLog != nil {
		c.KeyLogWriter = snap.keyLog
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
	p, files := snap.plan, snap.files
	c := &dtls.Config{
		CipherSuites:     p.datagramSuites,
		CurvePreferences: p.datagramCurves,
		NextProtos:       p.alpn,
		VerifyConnection: s.verifyConnection(snap),
		Certificates:     files.certificates(),
	}
	if snap.keyLog != nil {
		c.KeyLogWriter = snap.keyLog
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
		if snap.tickets != nil {
			c.TicketKeys = snap.tickets.datagram
		}
		return c
	}
	c.ServerName, c.InsecureSkipVerify, c.RootCAs = p.serverName, p.ownNames, files.roots
	if p.cache && c.ServerName != "" {
		c.Sessions = dtls.NewSessionCache(clientSessions)
	}
	return c
}
