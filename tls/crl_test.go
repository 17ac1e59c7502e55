package tls

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

// distribution is an issuing distribution point with one field, by its tag: [0] a URI, [1] to [5] the flags.
func distribution(tag int, value []byte) func(*x509.RevocationList) {
	field := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: value}
	if tag == 0 {
		name := must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: value}))
		full := must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: name}))
		field.IsCompound, field.Bytes = true, full
	}
	seq := must(asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: must(asn1.Marshal(field))}))
	return func(l *x509.RevocationList) {
		l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: oidDistribution, Critical: true, Value: seq})
	}
}

func extension(id asn1.ObjectIdentifier, critical bool, value []byte) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
	}
}

func TestParseCRL(t *testing.T) {
	unknown := asn1.ObjectIdentifier{1, 2, 3, 4}
	entry := func(critical bool) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{
				SerialNumber: big.NewInt(7), RevocationTime: testNow,
				ExtraExtensions: []pkix.Extension{{Id: unknown, Critical: critical, Value: []byte{5, 0}}},
			})
		}
	}
	leaf := theCA().issue("x", func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://a/1.crl"} }).cert
	for _, c := range []struct {
		name       string
		change     func(*x509.RevocationList)
		wrong      string
		leaf, subs bool // whether it speaks of a leaf, and of a CA
	}{
		{"plain", nil, "", true, true},
		{"delta", extension(oidDeltaCRL, true, must(asn1.Marshal(big.NewInt(1)))), "a delta CRL", false, false},
		{"indirect", distribution(4, []byte{0xff}), "an indirect CRL", false, false},
		{"some reasons", distribution(3, []byte{1, 0x40}), "some reasons only", false, false},
		{"attribute certificates", distribution(5, []byte{0xff}), "attribute certificates", false, false},
		{"users only", distribution(1, []byte{0xff}), "", true, false},
		{"CAs only", distribution(2, []byte{0xff}), "", false, true},
		{"its point", distribution(0, []byte("http://a/1.crl")), "", true, false},
		{"another point", distribution(0, []byte("http://a/2.crl")), "", false, false},
		{"malformed point", extension(oidDistribution, true, []byte{0x30, 5}), "malformed", false, false},
		{"unknown, critical", extension(unknown, true, []byte{5, 0}), "critical extension 1.2.3.4 is not known", false, false},
		{"unknown", extension(unknown, false, []byte{5, 0}), "", true, true},
		{"unknown in entry, critical", entry(true), "entry 0: critical extension 1.2.3.4 is not known", false, false},
		{"unknown in entry", entry(false), "", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			der := theCA().crlWith(c.change)
			list, err := parseCRL(der, "x")
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("%v, want %s", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := list.scope.covers(leaf); got != c.leaf {
				t.Errorf("speaks of a leaf: %v", got)
			}
			if got := list.scope.covers(subCA().cert); got != c.subs {
				t.Errorf("speaks of a CA: %v", got)
			}
		})
	}
	der := theCA().crl()
	for n := range der {
		if _, err := parseCRL(der[:n], "x"); err == nil {
			t.Fatalf("%d of %d bytes are a CRL", n, len(der))
		}
	}
}

func TestCRLFind(t *testing.T) {
	list := must(parseCRL(theCA().crlWith(func(l *x509.RevocationList) {
		for _, n := range []int64{900, 3, 77, 12, 5000, 4} {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: testNow})
		}
	}), "x"))
	for n, want := range map[int64]bool{900: true, 3: true, 77: true, 12: true, 5000: true, 4: true, 5: false, 2: false, 5001: false} {
		if got := list.find(&x509.Certificate{SerialNumber: big.NewInt(n)}) != nil; got != want {
			t.Errorf("%d: %v", n, got)
		}
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(77)}
	if a := testing.AllocsPerRun(100, func() { list.find(cert) }); a != 0 {
		t.Errorf("find: %v allocations", a)
	}
}

// TestCRLSet is about which CRL is believed.
func TestCRLSet(t *testing.T) {
	gone, good := theCA().issue("gone"), theCA().issue("good")
	held := theCA().issue("held")
	older := func(l *x509.RevocationList) { l.ThisUpdate = testNow.Add(-3 * time.Hour) }
	future := func(l *x509.RevocationList) { l.ThisUpdate = testNow.Add(30 * time.Minute) }
	foreign := &testCA{testCert: testCert{cert: theCA().cert, key: otherCA().key}}
	for _, c := range []struct {
		name   string
		cert   testCert
		ders   [][]byte
		reason error
		text   string
	}{
		{"revoked", gone, [][]byte{theCA().crl(gone)}, Revoked, "keyCompromise"},
		{"not revoked", good, [][]byte{theCA().crl(gone)}, nil, ""},
		{"the newest counts", held, [][]byte{theCA().crlWith(older, held), theCA().crl(gone)}, nil, ""},
		{"the newest counts, other order", held, [][]byte{theCA().crl(gone), theCA().crlWith(older, held)}, nil, ""},
		{"none", good, nil, NoCRL, "there is none"},
		{"another CA's", good, [][]byte{otherCA().crl()}, NoCRL, "there is none"},
		{"signed by another", good, [][]byte{foreign.crl()}, NoCRL, "not signed by this issuer"},
		{"signed by another, beside a good one", gone, [][]byte{foreign.crl(), theCA().crl(gone)}, Revoked, "keyCompromise"},
		{"from the future", good, [][]byte{theCA().crlWith(future)}, NoCRL, "thisUpdate"},
		{"expired", good, [][]byte{theCA().crlWith(staleCRL)}, ExpiredCRL, "nextUpdate"},
		{"expired and revoked", gone, [][]byte{theCA().crlWith(staleCRL, gone)}, Revoked, "keyCompromise"},
		{"of CAs only", good, [][]byte{theCA().crlWith(distribution(2, []byte{0xff}))}, NoCRL, "there is none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := &crlSet{byIssuer: map[string][]*crl{}}
			for _, der := range c.ders {
				one := must(parseCRL(der, "x"))
				set.byIssuer[string(one.list.RawIssuer)] = append(set.byIssuer[string(one.list.RawIssuer)], one)
			}
			for range 2 { // the second time the signature is known
				err := set.check([]*x509.Certificate{c.cert.cert, theCA().cert}, testNow)
				if c.reason == nil && err != nil || c.reason != nil && !errors.Is(err, c.reason) {
					t.Fatalf("%v, want %v", err, c.reason)
				}
				if err != nil && !strings.Contains(err.Error(), c.text) {
					t.Errorf("%v lacks %q", err, c.text)
				}
			}
		})
	}
}

// TestCRLSignerMaySign: RFC 5280, Section 6.3.3 (f), also where the signature is known already.
func TestCRLSignerMaySign(t *testing.T) {
	list := must(parseCRL(theCA().crl(), "x"))
	if err := list.signedBy(theCA().cert); err != nil {
		t.Fatal(err)
	}
	mute := *theCA().cert
	mute.KeyUsage = x509.KeyUsageCertSign
	if list.signedBy(&mute) == nil {
		t.Error("a CA without cRLSign signed a CRL")
	}
	leaf := *theCA().cert
	leaf.IsCA = false
	if list.signedBy(&leaf) == nil {
		t.Error("what is no CA signed a CRL")
	}
	if list.signedBy(otherCA().cert) == nil {
		t.Error("another CA signed it")
	}
	if err := list.signedBy(theCA().cert); err != nil {
		t.Error(err)
	}
	if a := testing.AllocsPerRun(100, func() { list.signedBy(theCA().cert) }); a != 0 {
		t.Errorf("a known signature: %v allocations", a)
	}
}

// TestCRLFiles: ca_path as c_rehash leaves it, DER, repeated crl_file, remarks.
func TestCRLFiles(t *testing.T) {
	d := newTestDir(t)
	gone := theCA().issue("gone.example.org")
	der := theCA().crl(gone)
	d.put("cas/1a2b3c4d.0", pemOf("CERTIFICATE", theCA().cert.Raw))
	d.put("cas/1a2b3c4d.r0", pemOf("X509 CRL", der))
	d.put("cas/ca.crl", pemOf("X509 CRL", der)) // the same again
	d.put("cas/README", []byte("text\n"))
	d.put("cas/.hidden", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	d.put("ca.crl", der)
	d.put("other.crl", pemOf("X509 CRL", otherCA().crl()))
	d.put("stale.crl", pemOf("X509 CRL", theCA().crlWith(staleCRL)))
	for _, lines := range []string{
		"ca_path = cas\ncheck_crl = yes",
		"ca_file = ca.pem\ncheck_crl = yes\ncrl_file = other.crl\ncrl_file = ca.crl",
		"ca_path = cas/\nca_file = ca.pem\ncheck_crl = yes",
	} {
		s := d.server(ownLines + lines)
		if r := handshake(t, s.stream(), plainClient(&gone, 0)); !errors.Is(r.server, Revoked) {
			t.Errorf("%s: %v", lines, r.server)
		}
		good := clientCert()
		if r := handshake(t, s.stream(), plainClient(&good, tls.VersionTLS12)); r.server != nil {
			t.Errorf("%s: %v", lines, r.server)
		}
		if n := len(s.snap.Load().files.cas); n != 1 {
			t.Errorf("%s: %d CAs", lines, n)
		}
	}
	s := d.server(serverBase + "check_crl = yes\ncrl_file = other.crl\ncrl_file = stale.crl\nallow_expired_crl = yes")
	var notes strings.Builder
	for _, n := range s.notes() {
		notes.WriteString(n.Error() + "\n")
	}
	for _, want := range []string{":12:12: warning: crl_file: ", `issuer "CN=another CA,O=frio" is not among the CAs`, ":13:12: warning: crl_file: ",
		`CRL of "CN=frio test CA,O=frio" expired: nextUpdate is`, ":14:21: warning: allow_expired_crl"} {
		if !strings.Contains(notes.String(), want) {
			t.Errorf("notes lack %q:\n%s", want, notes.String())
		}
	}
}
