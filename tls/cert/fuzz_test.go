package cert_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/tls/cert"
)

// Whatever the bytes of a subject alternative name, they are names or none.
func FuzzAltName(f *testing.F) {
	f.Add(altNames(f))
	f.Add([]byte{0x30, 2, 0x88, 0})
	f.Add([]byte{0x30, 4, 0xa0, 2, 6, 0})
	root, err := conf.ParseString("c.conf", "certificate {\n\trid = 1.2.3.4\n}\ncertificate {\n\tother_name = '1.3.6.1.5.5.7.8.8:/./'\n}\n", conf.Options{})
	if err != nil {
		f.Fatal(err)
	}
	m, errs, _ := cert.Read(root)
	if len(errs) > 0 {
		f.Fatal(errs)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		m.Misses(&x509.Certificate{Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: der}}})
	})
}
