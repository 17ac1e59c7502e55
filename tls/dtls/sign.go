package dtls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
)

// signatureSchemes are offered and accepted, by preference (RFC 5246, Section 7.4.1.4.1; RFC 8422; RFC 8446,
// Section 4.2.3, for RSA-PSS). SHA-1 is not among them.
var signatureSchemes = []uint16{
	uint16(tls.ECDSAWithP256AndSHA256), uint16(tls.Ed25519), uint16(tls.PSSWithSHA256),
	uint16(tls.ECDSAWithP384AndSHA384), uint16(tls.ECDSAWithP521AndSHA512),
	uint16(tls.PSSWithSHA384), uint16(tls.PSSWithSHA512),
	uint16(tls.PKCS1WithSHA256), uint16(tls.PKCS1WithSHA384), uint16(tls.PKCS1WithSHA512),
}

type keyKind uint8

const (
	keyNone keyKind = iota
	keyECDSA
	keyEd25519
	keyRSA
)

// schemeOf says which key a scheme is for, its hash, and whether RSA pads with PSS.
func schemeOf(scheme uint16) (kind keyKind, hash crypto.Hash, pss bool) {
	switch tls.SignatureScheme(scheme) {
	case tls.ECDSAWithP256AndSHA256:
		return keyECDSA, crypto.SHA256, false
	case tls.ECDSAWithP384AndSHA384:
		return keyECDSA, crypto.SHA384, false
	case tls.ECDSAWithP521AndSHA512:
		return keyECDSA, crypto.SHA512, false
	case tls.Ed25519:
		return keyEd25519, 0, false
	case tls.PSSWithSHA256:
		return keyRSA, crypto.SHA256, true
	case tls.PSSWithSHA384:
		return keyRSA, crypto.SHA384, true
	case tls.PSSWithSHA512:
		return keyRSA, crypto.SHA512, true
	case tls.PKCS1WithSHA256:
		return keyRSA, crypto.SHA256, false
	case tls.PKCS1WithSHA384:
		return keyRSA, crypto.SHA384, false
	case tls.PKCS1WithSHA512:
		return keyRSA, crypto.SHA512, false
	}
	return keyNone, 0, false
}

func kindOf(pub crypto.PublicKey) keyKind {
	switch pub.(type) {
	case *ecdsa.PublicKey:
		return keyECDSA
	case ed25519.PublicKey:
		return keyEd25519
	case *rsa.PublicKey:
		return keyRSA
	}
	return keyNone
}

// fits is true if a suite's server certificate may have a key of kind (RFC 8422, Section 2.1 and 5.10).
func (s *suite) fits(kind keyKind) bool {
	return kind == keyRSA && !s.ecdsa || (kind == keyECDSA || kind == keyEd25519) && s.ecdsa
}

func signerOf(cert *tls.Certificate) (crypto.Signer, error) {
	s, ok := cert.PrivateKey.(crypto.Signer)
	if !ok || kindOf(s.Public()) == keyNone {
		return nil, fmt.Errorf("private key of type %T cannot sign", cert.PrivateKey)
	}
	return s, nil
}

// pickScheme chooses the first of ours that the peer takes and the key can do.
func pickScheme(pub crypto.PublicKey, peer []uint16) (uint16, bool) {
	for _, s := range signatureSchemes {
		kind, hash, pss := schemeOf(s)
		if kind != kindOf(pub) {
			continue
		}
		if k, ok := pub.(*rsa.PublicKey); ok && pss && k.Size() < 2*hash.Size()+2 {
			continue // the salt does not fit: RFC 8017, Section 9.1.1
		}
		for _, p := range peer {
			if p == s {
				return s, true
			}
		}
	}
	return 0, false
}

func sign(rand io.Reader, key crypto.Signer, scheme uint16, data []byte) ([]byte, error) {
	_, hash, pss := schemeOf(scheme)
	var opts crypto.SignerOpts = hash
	if pss {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	return key.Sign(rand, digest(hash, data), opts)
}

// digest is data itself for Ed25519, which hashes on its own.
func digest(hash crypto.Hash, data []byte) []byte {
	if hash == 0 {
		return data
	}
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

var errSignature = errors.New("signature does not verify")

// checkSignature verifies sig of the certificate's key over data.
func checkSignature(cert *x509.Certificate, scheme uint16, data, sig []byte) error {
	kind, hash, pss := schemeOf(scheme)
	if kind == keyNone || kind != kindOf(cert.PublicKey) {
		return illegal("signature scheme %#04x is not for the key of the certificate (RFC 5246, Section 7.4.3)", scheme)
	}
	var err error
	switch pub := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(pub, digest(hash, data), sig) {
			err = errSignature
		}
	case ed25519.PublicKey:
		if !ed25519.Verify(pub, data, sig) {
			err = errSignature
		}
	case *rsa.PublicKey:
		if pss {
			err = rsa.VerifyPSS(pub, hash, digest(hash, data), sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			err = rsa.VerifyPKCS1v15(pub, hash, digest(hash, data), sig)
		}
	}
	if err != nil {
		return &AlertError{Alert: alertDecryptError, Err: err}
	}
	return nil
}
