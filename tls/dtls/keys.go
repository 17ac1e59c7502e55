package dtls

import (
	"crypto"
	"crypto/hmac"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"fmt"
	"hash"
	"io"
)

const masterLen = 48

// prf fills out (RFC 5246, Section 5). What it made out in is wiped.
func prf(out []byte, hash crypto.Hash, secret []byte, label string, seed []byte) {
	h := hmac.New(hash.New, secret)
	labelled := append([]byte(label), seed...)
	a, part := make([]byte, 0, h.Size()), make([]byte, 0, h.Size())
	defer func() { clear(a); clear(part) }()
	a = mac(a, h, labelled)
	for len(out) > 0 {
		part = mac(part, h, a, labelled)
		out = out[copy(out, part):]
		a = mac(a, h, a)
	}
}

// mac puts the MAC of parts, which it may overwrite, into b.
func mac(b []byte, h hash.Hash, parts ...[]byte) []byte {
	h.Reset()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(b[:0])
}

// masterSecret is bound to the transcript up to the ClientKeyExchange (RFC 7627, Section 4).
func (h *handshake) masterSecret(s *suite, preMaster []byte) {
	prf(h.master[:], s.hash, preMaster, "extended master secret", h.transcript.sum(s.hash))
	clear(preMaster)
}

// finishedBody is the verify_data of one side (RFC 5246, Section 7.4.9).
func (h *handshake) finishedBody(s *suite, client bool) []byte {
	label := "server finished"
	if client {
		label = "client finished"
	}
	out := make([]byte, 12)
	prf(out, s.hash, h.master[:], label, h.transcript.sum(s.hash))
	return out
}

// makeKeys derives the keys of epoch 1 (RFC 5246, Section 6.3) and makes reading in it possible.
func (e *Engine) makeKeys() error {
	h, s := e.hs, e.suite
	seed := append(append(make([]byte, 0, 64), h.serverRandom[:]...), e.clientRandom[:]...)
	block := make([]byte, 2*(s.keyLen+s.ivLen))
	prf(block, s.hash, h.master[:], "key expansion", seed)
	defer clear(block)
	r := reader{b: block}
	clientKey, serverKey := r.take(s.keyLen), r.take(s.keyLen)
	client, err := newHalf(s, clientKey, r.take(s.ivLen))
	if err != nil {
		return alertf(alertInternalError, "%w", err)
	}
	server, err := newHalf(s, serverKey, r.take(s.ivLen))
	if err != nil {
		return alertf(alertInternalError, "%w", err)
	}
	e.rd, e.wr = client, server
	if !e.server {
		e.rd, e.wr = server, client
	}
	return e.logKeys(h.master[:])
}

func newHalf(s *suite, key, iv []byte) (h half, err error) {
	h.aead, err = s.aead(key)
	copy(h.iv[:], iv)
	return h, err
}

func (e *Engine) logKeys(master []byte) error {
	w := e.cfg.KeyLogWriter
	if w == nil {
		return nil
	}
	if _, err := io.WriteString(w, fmt.Sprintf("CLIENT_RANDOM %x %x\n", e.clientRandom, master)); err != nil {
		return alertf(alertInternalError, "key log: %w", err)
	}
	return nil
}
