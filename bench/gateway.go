//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// program is a gateway that can be measured.
type program string

const (
	programFrio        program = "frio"
	programRadsecproxy program = "radsecproxy"
)

const (
	// readyLimit bounds the wait for a gateway to relay its first request, readyEvery one attempt.
	readyLimit = 10 * time.Second
	readyEvery = 300 * time.Millisecond
)

// setup is what a gateway is to do: one listener of each front, one home server of each back, all requests to these.
type setup struct {
	fronts     []kind
	backs      []*home
	accounting bool
	pool       string // type of frio's home_server_pool
	clients    int    // connections that must be possible at a time
	impatient  bool   // short times, for homes that are killed all the while
	atOnce     bool   // frio's thread { coalesce = 0 }
}

// gateway is a running program.
type gateway struct {
	*process
	program program
	config  string                  // its file
	text    string                  // what is in it
	fronts  map[kind]netip.AddrPort // where it listens
}

// frioPath is the binary to measure; empty: built from this module.
var frioPath string

// findProgram returns the path of the program and builds it if it is ours.
func findProgram(p program, dir string) (string, error) {
	if p == programRadsecproxy {
		path, err := exec.LookPath("radsecproxy")
		if err != nil {
			return "", fmt.Errorf("%w (Debian: apt-get install radsecproxy)", err)
		}
		return path, nil
	}
	if frioPath != "" {
		return filepath.Abs(frioPath)
	}
	path := filepath.Join(dir, "frio")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/frio-io/frio/cmd/frio").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// startGateway writes the configuration of a program, runs it and waits until it relays.
func startGateway(p program, path, dir string, s setup, certs *certificates) (*gateway, error) {
	g := &gateway{program: p, fronts: map[kind]netip.AddrPort{}}
	for _, k := range s.fronts {
		addr, err := freePort(k)
		if err != nil {
			return nil, err
		}
		g.fronts[k] = addr
	}
	var args []string
	if p == programRadsecproxy {
		g.text = radsecproxyConfig(s, g.fronts, certs)
		g.config = filepath.Join(dir, "radsecproxy.conf")
		args = []string{"-f", "-c", g.config}
	} else {
		g.text = frioConfig(s, g.fronts, certs)
		g.config = filepath.Join(dir, "frio.conf")
		args = []string{"run", g.config}
	}
	if err := os.WriteFile(g.config, []byte(g.text), 0o600); err != nil {
		return nil, err
	}
	var err error
	if g.process, err = startProcess(dir, path, args...); err != nil {
		return nil, err
	}
	for _, k := range s.fronts {
		if err := g.await(k, s.accounting, certs); err != nil {
			g.stop()
			return nil, fmt.Errorf("%s %s: %w\n%s", p, k, err, g.lastWords())
		}
	}
	return g, nil
}

// await tries one request until it is answered.
func (g *gateway) await(k kind, accounting bool, certs *certificates) error {
	var last error
	for start := time.Now(); time.Since(start) < readyLimit; {
		if g.ended() {
			return errors.New("it has ended")
		}
		l := &load{kind: k, addr: g.fronts[k], certs: certs, accounting: accounting, timeout: readyEvery, first: numberMax}
		if last = l.open(1); last == nil {
			last = l.run(1, 1, 0, dialLimit)
			l.close()
			if l.tally.Answered.Load() == 1 {
				return nil
			}
			last = errors.Join(last, fmt.Errorf("no answer: %v", &l.tally))
		} else {
			time.Sleep(readyEvery)
		}
	}
	return last
}

// numberMax is above the numbers of users that are counted.
const numberMax = 9_000_000_000

// freePort finds a port of loopback that nobody has.
func freePort(k kind) (netip.AddrPort, error) {
	if k.datagrams() {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return netip.AddrPort{}, err
		}
		defer conn.Close()
		return conn.LocalAddr().(*net.UDPAddr).AddrPort(), nil
	}
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}

func radsecproxyConfig(s setup, fronts map[kind]netip.AddrPort, certs *certificates) string {
	var b strings.Builder
	for _, k := range s.fronts {
		fmt.Fprintf(&b, "Listen%s %s\n", strings.ToUpper(string(k)), fronts[k])
	}
	fmt.Fprintf(&b, "tls bench {\n\tCACertificateFile %s\n\tCertificateFile %s\n\tCertificateKeyFile %s\n}\n", certs.caFile, certs.file, certs.keyFile)
	useTLS := func(k kind) {
		if k == kindTLS || k == kindDTLS {
			b.WriteString("\ttls bench\n")
		}
	}
	for _, k := range s.fronts {
		// With a prefix the name in the certificate of a client is not checked.
		fmt.Fprintf(&b, "client client-%s {\n\thost 127.0.0.0/8\n\ttype %s\n\tsecret %s\n", k, k, k.secret())
		useTLS(k)
		b.WriteString("}\n")
	}
	for i, h := range s.backs {
		fmt.Fprintf(&b, "server home-%d {\n\thost 127.0.0.1\n\tport %d\n\ttype %s\n\tsecret %s\n", i, h.addr.Port(), h.kind, h.kind.secret())
		useTLS(h.kind)
		if s.impatient {
			b.WriteString("\tstatusServer on\n")
			if h.kind.datagrams() {
				b.WriteString("\tretryCount 1\n\tretryInterval 1\n")
			}
		}
		b.WriteString("}\n")
	}
	b.WriteString("realm * {\n")
	for i := range s.backs {
		fmt.Fprintf(&b, "\tserver home-%d\n\taccountingServer home-%d\n", i, i)
	}
	b.WriteString("}\n")
	return b.String()
}

func frioConfig(s setup, fronts map[kind]netip.AddrPort, certs *certificates) string {
	var b strings.Builder
	methods := func(k kind, addr netip.AddrPort, listen bool) {
		base, indent := string(k), "\t"
		if k == kindTLS {
			base = "tcp"
		} else if k == kindDTLS {
			base = "udp"
		}
		if listen {
			indent = "\t\t"
		}
		line := func(format string, args ...any) { fmt.Fprintf(&b, indent+format+"\n", args...) }
		line("protocol = %s", k.stack())
		line("%s {", base)
		line("\tipaddr = %s", addr.Addr())
		line("\tport = %d", addr.Port())
		line("}")
		if k == kindTLS || k == kindDTLS {
			line("tls {")
			line("\tcertificate_file = %s", certs.file)
			line("\tprivate_key_file = %s", certs.keyFile)
			line("\tca_file = %s", certs.caFile)
			line("}")
		}
	}
	if s.atOnce {
		b.WriteString("thread {\n\tcoalesce = 0\n}\n")
	}
	b.WriteString("server gateway {\n\tnamespace = radius\n")
	for _, k := range s.fronts {
		fmt.Fprintf(&b, "\tlisten %s {\n", k)
		methods(k, fronts[k], true)
		if s.clients > 0 && k != kindUDP {
			limit := "max_connections"
			if k == kindDTLS {
				limit = "max_children"
			}
			fmt.Fprintf(&b, "\t\tlimit {\n\t\t\t%s = %d\n\t\t}\n", limit, s.clients)
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	for _, k := range s.fronts {
		fmt.Fprintf(&b, "client client-%s {\n\tipaddr = 127.0.0.0/8\n\tproto = %s\n\tsecret = %s\n}\n", k, k, k.secret())
	}
	kind := "auth"
	if s.accounting {
		kind = "acct"
	}
	for i, h := range s.backs {
		fmt.Fprintf(&b, "home_server home-%d {\n\ttype = %s\n\tsecret = %s\n", i, kind, h.kind.secret())
		methods(h.kind, h.addr, false)
		if s.impatient {
			b.WriteString("\tresponse_window = 1s\n\tstatus_check = status-server\n\tcheck_interval = 1s\n\tzombie_period = 2s\n")
		}
		b.WriteString("}\n")
	}
	pool := s.pool
	if pool == "" {
		pool = "fail-over"
	}
	fmt.Fprintf(&b, "home_server_pool all {\n\ttype = %s\n", pool)
	for i := range s.backs {
		fmt.Fprintf(&b, "\thome_server = home-%d\n", i)
	}
	fmt.Fprintf(&b, "}\nrealm DEFAULT {\n\t%s_pool = all\n}\n", kind)
	return b.String()
}
