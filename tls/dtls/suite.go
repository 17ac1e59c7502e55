package dtls

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/tls"
	"slices"

	"golang.org/x/crypto/chacha20poly1305" // the standard library has it, but does not export it
)

// suite is one cipher suite: ECDHE and an AEAD.
type suite struct {
	id       uint16
	ecdsa    bool // ECDSA or Ed25519 certificate; else RSA
	explicit bool // RFC 5288: 4 bytes of salt and an explicit nonce of 8; else RFC 7905: 12 bytes of mask
	keyLen   int
	ivLen    int
	hash     crypto.Hash // of the PRF and the Finished
	aead     func(key []byte) (cipher.AEAD, error)
}

// suites are all that the engine knows, in its own order of preference.
var suites = [...]suite{
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true, true, 16, 4, crypto.SHA256, newGCM},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, false, true, 16, 4, crypto.SHA256, newGCM},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, true, true, 32, 4, crypto.SHA384, newGCM},
	{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, false, true, 32, 4, crypto.SHA384, newGCM},
	{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, true, false, 32, 12, crypto.SHA256, chacha20poly1305.New},
	{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, false, false, 32, 12, crypto.SHA256, chacha20poly1305.New},
}

// CipherSuites returns the ids of all suites of the engine (the TLS_ECDHE_ constants of crypto/tls), in its own
// order of preference. The slice is the caller's.
func CipherSuites() []uint16 {
	ids := make([]uint16, len(suites))
	for i := range suites {
		ids[i] = suites[i].id
	}
	return ids
}

func suiteByID(id uint16) *suite {
	for i := range suites {
		if suites[i].id == id {
			return &suites[i]
		}
	}
	return nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// overhead is what a record of the suite is longer than its header and plaintext, in bytes.
func (s *suite) overhead() int {
	if s.explicit {
		return 8 + 16
	}
	return 16
}

func curveOf(id tls.CurveID) ecdh.Curve {
	switch id {
	case tls.X25519:
		return ecdh.X25519()
	case tls.CurveP256:
		return ecdh.P256()
	}
	return nil
}

// suiteIDs are the suites that c allows, in order of preference.
func (c *Config) suiteIDs() []uint16 {
	if c.CipherSuites != nil {
		return c.CipherSuites
	}
	return CipherSuites()
}

func (c *Config) curves() []tls.CurveID {
	if c.CurvePreferences != nil {
		return c.CurvePreferences
	}
	return []tls.CurveID{tls.X25519, tls.CurveP256}
}

func (c *Config) hasSuite(id uint16) bool { return slices.Contains(c.suiteIDs(), id) }
