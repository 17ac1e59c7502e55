package dtls

import (
	"crypto"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/tls"
	"hash"
	"slices"
	"testing"
	"time"
)

// watched notes the memory that secrets are in, whatever becomes of the slices.
type watched [][]byte

func (w *watched) note(b []byte) { *w = append(*w, b[:cap(b)]) }

// wiped fails unless something was noted and all of it is zero.
func (w *watched) wiped(t *testing.T, what string) {
	t.Helper()
	if len(*w) == 0 {
		t.Errorf("%s: no secret seen", what)
	}
	for _, b := range *w {
		if len(b) == 0 || slices.Max(b) != 0 {
			t.Errorf("%s: %d bytes, not wiped", what, len(b))
		}
	}
}

// watchedAEAD notes what it seals and what it has opened.
type watchedAEAD struct {
	cipher.AEAD
	sealed, opened *watched
}

func (a watchedAEAD) Seal(dst, nonce, plain, ad []byte) []byte {
	a.sealed.note(plain)
	return a.AEAD.Seal(dst, nonce, plain, ad)
}

func (a watchedAEAD) Open(dst, nonce, sealed, ad []byte) ([]byte, error) {
	b, err := a.AEAD.Open(dst, nonce, sealed, ad)
	if err == nil {
		a.opened.note(b)
	}
	return b, err
}

// The plain text of a ticket has the master secret, in one array only.
func TestTicketWiped(t *testing.T) {
	k := NewTicketKeys([32]byte{1})
	var sealed, opened watched
	list := *k.keys.Load()
	list[0].aead = watchedAEAD{list[0].aead, &sealed, &opened}
	s := &Session{suite: suites[0].id, name: serverName}
	for i := range s.master {
		s.master[i] = 7
	}
	ticket := must(k.seal(epochStart, s, (&Config{}).rand()))
	sealed.wiped(t, "seal")
	if n := len(sealed[0]); n != maxTicketPlain {
		t.Errorf("sealed from an array of %d bytes, not the first one of %d", n, maxTicketPlain)
	}
	if got := k.open(epochStart, ticket); got == nil || got.master != s.master {
		t.Error("not opened")
	}
	opened.wiped(t, "open")
	if k.open(epochStart.Add(ticketLifetime), ticket) != nil {
		t.Error("opened after its end")
	}
	opened.wiped(t, "open of one that is over")
}

// watchedHash notes what its sums are in.
type watchedHash struct {
	hash.Hash
	sums *watched
}

func (h watchedHash) Sum(b []byte) []byte {
	b = h.Hash.Sum(b)
	h.sums.note(b)
	return b
}

var prfSums watched

// The PRF leaves its result where it is asked for, and no piece of it elsewhere.
func TestPRFWiped(t *testing.T) {
	// MD4 is nobody's here: its number stands for a SHA-256 that is watched.
	crypto.RegisterHash(crypto.MD4, func() hash.Hash { return watchedHash{sha256.New(), &prfSums} })
	secret := []byte("secret")
	got, want := make([]byte, 100), make([]byte, 100)
	prf(got, crypto.MD4, secret, "label", []byte("seed"))
	prf(want, crypto.SHA256, secret, "label", []byte("seed"))
	if !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	prfSums.wiped(t, "prf")
}

func TestKeyBlockWiped(t *testing.T) {
	sc, _ := configs(keyECDSA)
	e := must(NewServer(sc))
	var keys watched
	watch := suites[0]
	watch.aead = func(key []byte) (cipher.AEAD, error) {
		if slices.Max(key) == 0 {
			t.Error("a key of zeros")
		}
		keys.note(key)
		return newGCM(key)
	}
	e.suite = &watch
	e.hs.master[0] = 1
	if err := e.makeKeys(); err != nil {
		t.Fatal(err)
	}
	keys.wiped(t, "key block")
}

// The secret of the key exchange that waits for the application's word goes with the association.
func TestPreMasterWipedByAbort(t *testing.T) {
	sc, cc := configs(keyECDSA)
	cc.VerifyConnection = func(tls.ConnectionState) error { return ErrPending }
	p := newPath(t, sc, cc)
	p.start()
	p.run(time.Minute, func() bool { return p.client.State() == Awaiting })
	var secret watched
	if b := p.client.hs.preMaster; len(b) == 0 || slices.Max(b) == 0 {
		t.Fatalf("no secret: %s", p)
	}
	secret.note(p.client.hs.preMaster)
	p.client.Abort()
	secret.wiped(t, "premaster secret")
}

// A server that resumes keeps the secret in one place only.
func TestResumedSessionWiped(t *testing.T) {
	sc, cc := resumable(leafOf(keyECDSA, 1))
	openPath(t, sc, cc)
	p := newPath(t, sc, cc)
	p.start()
	p.run(time.Minute, func() bool { return p.server != nil && p.server.resumed })
	h := p.server.hs
	if h == nil || h.session == nil || h.master == [masterLen]byte{} {
		t.Fatal("not under way")
	}
	if h.session.master != [masterLen]byte{} {
		t.Error("the secret stays in the session, too")
	}
}

func secretSession(until time.Time) *Session {
	return &Session{until: until, master: [masterLen]byte{7}}
}

// What a client's cache does not keep is wiped; what it has given is not.
func TestSessionCacheWipes(t *testing.T) {
	until := epochStart.Add(time.Hour)
	for _, tt := range []struct {
		name string
		end  func(c *SessionCache)
	}{
		{"displaced", func(c *SessionCache) { c.put("b", secretSession(until)) }},
		{"replaced", func(c *SessionCache) { c.put("a", secretSession(until)) }},
		{"removed", func(c *SessionCache) { c.Remove("a") }},
		{"over", func(c *SessionCache) { c.get("a", until) }},
		{"refused", func(c *SessionCache) { c.refuse() }},
	} {
		c := NewSessionCache(1)
		s := secretSession(until)
		c.put("a", s)
		own := c.get("a", epochStart)
		tt.end(c)
		if !s.wiped() || own.wiped() {
			t.Errorf("%s: wiped %v, that of an engine %v", tt.name, s.wiped(), own.wiped())
		}
		if len(c.entries) != c.order.Len() {
			t.Errorf("%s: %d entries, %d in order", tt.name, len(c.entries), c.order.Len())
		}
	}
	c := NewSessionCache(1)
	c.refuse()
	s := secretSession(until)
	if c.put("a", s); !s.wiped() || c.get("a", epochStart) != nil {
		t.Error("one that comes after a refusal is not wiped, or kept")
	}
}

func (s *Session) wiped() bool { return s.master == [masterLen]byte{} }

// A client wipes the session that it has offered, however the handshake ends, and one that was to be kept.
func TestOfferedSessionWiped(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    func(p *path)
		change func(sc *Config)
	}{
		{"resumed", func(p *path) { p.run(time.Minute, p.bothOpen) }, func(*Config) {}},
		{"declined", func(p *path) { p.run(time.Minute, p.bothOpen) }, func(sc *Config) { sc.TicketKeys.Set([32]byte{9}) }},
		{"aborted", func(p *path) { p.client.Abort() }, func(*Config) {}},
	} {
		sc, cc := resumable(leafOf(keyECDSA, 1))
		openPath(t, sc, cc)
		tt.change(sc)
		p := newPath(t, sc, cc)
		p.start()
		s := p.client.hs.session
		if s == nil || s.wiped() {
			t.Fatalf("%s: no session offered", tt.name)
		}
		if tt.end(p); !s.wiped() {
			t.Errorf("%s: not wiped", tt.name)
		}
		if kept := cc.Sessions.get(serverName, p.now); kept == nil || kept.wiped() {
			t.Errorf("%s: not in the cache any more", tt.name)
		}
	}
	_, cc := configs(keyECDSA)
	e := must(NewClient(cc))
	fresh := secretSession(epochStart)
	e.hs.newTicket = fresh
	if e.Abort(); !fresh.wiped() {
		t.Error("a ticket whose handshake fails is not wiped")
	}
}
