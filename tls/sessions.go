package tls

import (
	"crypto/tls"
	"sync/atomic"
)

// sessions is a client's cache over streams, until a server refuses one of them by an alert, which no whole handshake would have met:
// radsecproxy 1.9 does that to each. It is empty from then on, so that not every second connection fails. dtls.SessionCache does the
// same.
type sessions struct {
	cache   tls.ClientSessionCache
	refused atomic.Bool
}

func newSessions() *sessions {
	return &sessions{cache: tls.NewLRUClientSessionCache(clientSessions)}
}

// Get and Put are tls.ClientSessionCache. Thread: any.
func (s *sessions) Get(key string) (*tls.ClientSessionState, bool) {
	if s.refused.Load() {
		return nil, false
	}
	return s.cache.Get(key)
}

func (s *sessions) Put(key string, state *tls.ClientSessionState) {
	if !s.refused.Load() {
		s.cache.Put(key, state)
	}
}

// offers tells whether a handshake of cfg that starts at this moment offers a session. Thread: any.
func offers(cfg *tls.Config) bool {
	if cfg.ClientSessionCache == nil {
		return false
	}
	_, ok := cfg.ClientSessionCache.Get(cfg.ServerName)
	return ok
}

// distrust is called when a server has refused a session of cfg. Thread: any.
func distrust(cfg *tls.Config) {
	if s, ok := cfg.ClientSessionCache.(*sessions); ok {
		s.refused.Store(true)
	}
}
