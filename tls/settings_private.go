package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/youmark/pkcs8"
)

const (
	encryptedKey  = "ENCRYPTED PRIVATE KEY" // RFC 7468, Section 11
	wrongPassword = "private_key_password does not open it"
)

// parseKey finds the private key in a PEM file, and whether it is encrypted. It returns what is wrong, without a word of
// the key or the password.
func parseKey(text []byte, path string, password *secretKey) (key crypto.Signer, sealed bool, wrong string) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, false, "no private key in it"
		}
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		sealed := block.Type == encryptedKey
		key, wrong := parseBlock(block, path, password)
		clear(block.Bytes)
		if wrong != "" {
			return nil, sealed, wrong
		}
		switch key := key.(type) {
		case *rsa.PrivateKey:
			return key, sealed, ""
		case *ecdsa.PrivateKey:
			return key, sealed, ""
		case ed25519.PrivateKey:
			return key, sealed, ""
		}
		return nil, sealed, "the private key is neither RSA, ECDSA nor Ed25519"
	}
}

func parseBlock(block *pem.Block, path string, password *secretKey) (any, string) {
	var key any
	var err error
	switch {
	case block.Headers["DEK-Info"] != "":
		return nil, "the private key is encrypted in the old PEM way, whose key is one MD5 of the password; convert it: " + convertLine(path)
	case block.Type == encryptedKey:
		if password == nil || password.Reveal() == "" {
			return nil, "the private key is encrypted, and private_key_password is not given"
		}
		return openKey(block.Bytes, path, password)
	case block.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case block.Type == "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, fmt.Sprintf("a %q is not known", block.Type)
	}
	if err != nil {
		return nil, fmt.Sprintf("the private key is malformed, or of a kind or curve that is not known (%s)", block.Type)
	}
	return key, ""
}

// openKey decrypts a PKCS #8 key.
func openKey(der []byte, path string, password *secretKey) (key any, wrong string) {
	// The library takes lengths in the file for granted.
	defer func() {
		if recover() != nil {
			key, wrong = nil, "the encrypted private key is malformed"
		}
	}()
	secret := []byte(password.Reveal())
	defer clear(secret)
	key, _, err := pkcs8.ParsePrivateKey(der, secret)
	switch {
	case err == nil:
		return key, ""
	case strings.Contains(err.Error(), "unsupported"), strings.Contains(err.Error(), "supported"), strings.Contains(err.Error(), "invalid"):
		return nil, "the private key is not encrypted by PBES2 with AES or triple DES (RFC 8018); convert it: " + convertLine(path)
	}
	return nil, wrongPassword
}

// convertLine is the command that encrypts a key in the way that is read here.
func convertLine(path string) string {
	return fmt.Sprintf("openssl pkcs8 -topk8 -v2 aes-256-cbc -in '%s' -out '%s.new'", path, path)
}
