package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// builtin is what runs without a file: a gateway on all four stacks, and a home server with two users for it.
const builtin = `server gateway {
	namespace = radius
	listen udp {
		protocol = udp
		udp {
			ipaddr = 127.0.0.1
			port = PORT
		}
	}
	listen tcp {
		protocol = tcp
		tcp {
			ipaddr = 127.0.0.1
			port = PORT
		}
	}
	listen radsec {
		protocol = tls+tcp
		tcp {
			ipaddr = 127.0.0.1
			port = SECURE
		}
		tls {
			certificate_file = "CERTS/server.pem"
			private_key_file = "CERTS/server.key"
			ca_file = "CERTS/ca.pem"
		}
	}
	listen dtls {
		protocol = tls+udp
		udp {
			ipaddr = 127.0.0.1
			port = SECURE
		}
		tls {
			certificate_file = "CERTS/server.pem"
			private_key_file = "CERTS/server.key"
			ca_file = "CERTS/ca.pem"
		}
	}
}
server home {
	namespace = home
	secret = testing123
	user bob {
		password = hello
	}
	user alice {
		password = wonderland
	}
	listen udp {
		protocol = udp
		udp {
			ipaddr = 127.0.0.1
			port = HOME
		}
	}
}
client localhost {
	ipaddr = 127.0.0.1
	proto = udp+tcp
	secret = testing123
}
client certified {
	ipaddr = 127.0.0.1
	proto = tls+dtls
	certificate {
		name = client
	}
}
home_server built-in {
	ipaddr = 127.0.0.1
	port = HOME
	acct_port = HOME
	secret = testing123
}
home_server_pool built-in {
	home_server = built-in
}
realm DEFAULT {
	pool = built-in
}
`

const builtinHint = `frio relays RADIUS on udp and tcp port %[1]d, and on tls+tcp and tls+udp port %[2]d of loopback, to a small home server of its own
(users bob, whose password is hello, and alice, wonderland). Certificates are in %[3]s. Try, in another terminal:

	echo User-Name=bob,User-Password=hello | %[4]s radclient udp 127.0.0.1:%[1]d testing123
	echo User-Name=bob,User-Password=hello | %[4]s radclient tls+tcp 127.0.0.1:%[2]d radsec -ca %[5]s/ca.pem -cert %[5]s/client.pem -key %[5]s/client.key
	echo User-Name=alice,User-Password=wonderland | %[4]s radclient tls+udp 127.0.0.1:%[2]d radius/dtls -ca %[5]s/ca.pem -cert %[5]s/client.pem -key %[5]s/client.key

`

const (
	radiusPort = 1812 // RFC 2865, Section 3
	radsecPort = 2083 // RFC 6614, Section 2.1
	portTries  = 1000 // from there on
)

// portFrom is the first port from first on that nobody has, neither of UDP nor of TCP on loopback.
func portFrom(first int) (int, error) {
	for port := first; port < first+portTries; port++ {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		l.Close()
		p, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		p.Close()
		return port, nil
	}
	return 0, fmt.Errorf("no port from %d to %d of 127.0.0.1 is free", first, first+portTries-1)
}

// builtinConfig makes the configuration that runs without a file, and what it says about itself. Its certificates are in dir.
func builtinConfig(dir string, note func(string)) (text, hint string, err error) {
	var ports [3]int
	for i, first := range []int{radiusPort, radsecPort, 18120} {
		if ports[i], err = portFrom(first); err != nil {
			return "", "", err
		}
		if ports[i] != first && i < 2 {
			note(fmt.Sprintf("port %d is taken: %d instead", first, ports[i]))
		}
	}
	text = strings.NewReplacer("PORT", strconv.Itoa(ports[0]), "SECURE", strconv.Itoa(ports[1]), "HOME", strconv.Itoa(ports[2]), "CERTS", quoter.Replace(dir)).Replace(builtin)
	return text, fmt.Sprintf(builtinHint, ports[0], ports[1], dir, invocation(), shellWord(dir)), nil
}

// invocation is how a shell finds this program: by its name where that leads here, else by its path, as nobody's PATH leads to what
// `go run` has built.
func invocation() string {
	path, err := os.Executable()
	if err != nil {
		return "frio"
	}
	if named, err := exec.LookPath("frio"); err == nil && isSameFile(named, path) {
		return "frio"
	}
	return shellWord(path)
}

func isSameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// shellWord quotes s where a shell would take it apart.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// certificatesIn writes the certificates into dir, or into a directory of their own that remove takes away again. Those that are in dir already
// stay, if they are all there.
func certificatesIn(dir string, files []pemFile) (where string, remove func(), err error) {
	remove = func() {}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "frio-"); err != nil {
			return "", remove, err
		}
		remove = func() { os.RemoveAll(dir) }
	} else if dir, err = filepath.Abs(dir); err != nil { // the commands to try are for any directory
		return "", remove, err
	}
	var missing []string
	for _, f := range files {
		if _, err := os.Stat(filepath.Join(dir, f.name)); err != nil {
			missing = append(missing, f.name)
		}
	}
	switch len(missing) {
	case 0:
		return dir, remove, nil
	case len(files):
		err = writeCertificates(dir, files)
	default:
		err = fmt.Errorf("certificates: %s has some of the files, but not %s", dir, strings.Join(missing, ", "))
	}
	return dir, remove, err
}
