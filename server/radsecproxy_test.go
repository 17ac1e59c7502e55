package server_test

import (
	"bufio"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/frio-io/frio/friotest"
	"time"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/server"
	"github.com/frio-io/frio/talloc"
)

// option is an option of radsecproxy.conf(5).
type option struct{ block, name string }

// chapters of docs/from-radsecproxy.md, by block.
var chapters = map[string]string{"basic": "Basic options", "client": "client", "server": "server", "realm": "realm", "tls": "tls", "rewrite": "rewrite"}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func knownOptions(t *testing.T) (list []option) {
	for _, line := range strings.Split(read(t, "testdata/radsecproxy.options"), "\n") {
		if block, name, ok := strings.Cut(line, " "); ok && block != "#" {
			list = append(list, option{block, name})
		}
	}
	return list
}

// The page for those who come from radsecproxy has every option, in the table of its block, and says `later` where that is agreed only.
func TestEveryOptionOfRadsecproxy(t *testing.T) {
	later := []string{"DynamicLookupCommand", "BlockingStartup", "PSKkey", "PSKidentity"}
	bodies := map[string]string{}
	for _, part := range strings.Split(read(t, "../docs/from-radsecproxy.md"), "\n## ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		bodies[title] = body
	}
	list := knownOptions(t)
	if len(list) < 100 {
		t.Errorf("the list has %d options only", len(list))
	}
	for _, o := range list {
		row := regexp.MustCompile("(?m)^\\| `" + o.name + "` \\| (.*?) \\|").FindStringSubmatch(bodies[chapters[o.block]])
		switch {
		case row == nil:
			t.Errorf("chapter %s has no %s", chapters[o.block], o.name)
		case row[1] == "later" && !slices.Contains(later, o.name):
			t.Errorf("chapter %s: %s is for later", chapters[o.block], o.name)
		}
	}
}

// manual is where Debian's package radsecproxy has the page.
const manual = "/usr/share/man/man5/radsecproxy.conf.5.gz"

// The list has every option of the manual page that is installed.
func TestManualOfRadsecproxy(t *testing.T) {
	f, err := os.Open(manual)
	if errors.Is(err, os.ErrNotExist) {
		friotest.Skip(t, "the Debian package radsecproxy is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{"BASIC OPTIONS": "basic", "CLIENT BLOCK": "client", "SERVER BLOCK": "server",
		"REALM BLOCK": "realm", "TLS BLOCK": "tls", "REWRITE BLOCK": "rewrite"}
	chapter := regexp.MustCompile(`^\.SH "?([A-Z ]+)"?`)
	named := regexp.MustCompile(`^(?:\.B[IR] "([A-Z][A-Za-z0-9]+)|\\fB([A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*)) `)
	known := knownOptions(t)
	block, count := "", 0
	for lines := bufio.NewScanner(z); lines.Scan(); {
		if m := chapter.FindStringSubmatch(lines.Text()); m != nil {
			block = blocks[m[1]]
		}
		m := named.FindStringSubmatch(lines.Text())
		if m == nil || block == "" {
			continue
		}
		count++
		// Version 1.9 spells RetryInterval with an f.
		if o := (option{block, strings.Replace(m[1]+m[2], "Interfval", "Interval", 1)}); !slices.Contains(known, o) {
			t.Errorf("testdata/radsecproxy.options has no `%s %s`", o.block, o.name)
		}
	}
	if count < 80 {
		t.Errorf("only %d options were found in %s", count, manual)
	}
}

// The configurations of the page, and those of README.md, are read without a mistake. One that has no server is part of a file.
func TestConfigurationsOfThePage(t *testing.T) {
	fence := regexp.MustCompile("(?s)\n```frio\n(.*?)```")
	blocks := fence.FindAllStringSubmatch(read(t, "../docs/from-radsecproxy.md"), -1)
	first := regexp.MustCompile("(?s)\n```\n(server .*?)```").FindAllStringSubmatch(read(t, "../README.md"), -1)
	if len(blocks) < 6 || len(first) < 2 {
		t.Fatalf("%d and %d configurations only", len(blocks), len(first))
	}
	blocks = append(blocks, first...)
	look := regexp.MustCompile("(?s)\n## Looking at it\n.*?\n\n(    log .*?)\n\n`").FindStringSubmatch(read(t, "../README.md"))
	if look == nil {
		t.Fatal("README.md does not say how to look at it")
	}
	// What is pasted works without a directory that nobody has made.
	path := regexp.MustCompile(`filename = (\S+)`).FindStringSubmatch(look[1])
	if _, err := os.Stat(filepath.Dir(path[1])); err != nil {
		t.Error(err)
	}
	blocks = append(blocks, look)
	dir := t.TempDir()
	for i, b := range blocks {
		text := b[1]
		if !strings.Contains(text, "namespace = ") {
			text += "server rest {\n\tnamespace = radius\n\tlisten udp {\n\t\tprotocol = udp\n\t\tudp {\n\t\t\tipaddr = 127.0.0.1\n\t\t\tport = 1812\n\t\t}\n\t}\n}\n"
		}
		if strings.Contains(text, "namespace = radius") && !regexp.MustCompile(`(?m)^client `).MatchString(text) {
			text += "client rest {\n\tipaddr = 127.0.0.1\n\tsecret = rest\n}\n"
		}
		makeFiles(t, dir, text)
		ctx := talloc.Root("page")
		s, err := server.LoadString(ctx, filepath.Join(dir, fmt.Sprintf("%d.conf", i)), text, server.Options{})
		if err != nil {
			t.Errorf("%v\n%s", err, text)
		} else {
			for _, n := range s.Notes() {
				if strings.Contains(n.Msg, "note: ") {
					t.Errorf("%v\n%s", n, text)
				}
			}
		}
		ctx.Free()
	}
	// What would pass whatever is in it would be no test.
	ctx := talloc.Root("page")
	defer ctx.Free()
	if _, err := server.LoadString(ctx, "wrong.conf", "realm x {\n\tpool = none\n}\n", server.Options{}); !errors.As(err, new(conf.Errors)) {
		t.Errorf("a wrong one: %v", err)
	}
}

// makeFiles makes what text names: certificates of one CA, which is its own.
func makeFiles(t *testing.T, dir, text string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "radius.example.org"}, DNSNames: []string{"radius.example.org"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true, SubjectKeyId: []byte{1},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	cert, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, ca, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]*pem.Block{
		"ca_file": {Type: "CERTIFICATE", Bytes: cert}, "certificate_file": {Type: "CERTIFICATE", Bytes: cert},
		"private_key_file": {Type: "PRIVATE KEY", Bytes: private}, "crl_file": {Type: "X509 CRL", Bytes: crl},
	}
	for _, m := range regexp.MustCompile(`(?m)^\s*([a-z_]+_file) = (\S+)$`).FindAllStringSubmatch(text, -1) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, m[2])), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, m[2]), pem.EncodeToMemory(kinds[m[1]]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
