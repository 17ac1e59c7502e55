package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio/radius"
)

// proxyText is a gateway on udp and on tls+tcp before the home server at an address; home is what that says besides its secret.
func proxyText(certs, home string, udp, tls int) string {
	return "server gateway {\nnamespace = radius\nlisten u {\n" + listenText("udp", "", udp) + "}\nlisten t {\n" + listenText("tls+tcp", certs, tls) + "}\n}\n" +
		"client all {\nipaddr = 127.0.0.1\nsecret = " + testSecret + "\n}\n" +
		"home_server one {\n" + home + "secret = " + testSecret + "\n}\nhome_server_pool all {\nhome_server = one\n}\nrealm DEFAULT {\npool = all\n}\n"
}

func addressText(address string) string {
	host, port, _ := strings.Cut(address, ":")
	return fmt.Sprintf("ipaddr = %s\nport = %s\n", host, port)
}

// tlsHome says that a home server is on tls+tcp.
func tlsHome(certs, address string) string {
	return "protocol = tls+tcp\ntcp {\n" + addressText(address) +
		fmt.Sprintf("}\ntls {\nca_file = %[1]s/ca.pem\ncertificate_file = %[1]s/client.pem\nprivate_key_file = %[1]s/client.key\ncheck_cert_name = no\n}\n", certs)
}

// startHeldHome starts a home server that closes arrived when the first request has come, and answers it when release is closed.
func startHeldHome(t *testing.T, stack, certs string) (address string, arrived, release chan struct{}) {
	t.Helper()
	arrived, release = make(chan struct{}), make(chan struct{})
	_, address = startHome(t, stack, certs, func(h *homeServer) {
		h.change = func(seen int, _ radius.Packet, reply []byte) []byte {
			if seen == 0 {
				close(arrived)
				<-release
			}
			return reply
		}
	})
	return address, arrived, release
}

// A request that is under way at SIGTERM is answered, whatever it came by and wherever it went, and the program ends in order.
func TestRunStopsWithRequest(t *testing.T) {
	certs := madeCertificates(t)
	for _, way := range [][2]string{{"udp", "udp"}, {"udp", "tls+tcp"}, {"tls+tcp", "udp"}, {"tls+tcp", "tls+tcp"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			address, arrived, release := startHeldHome(t, way[1], certs)
			home := addressText(address)
			if way[1] != "udp" {
				home = tlsHome(certs, address)
			}
			ports := map[string]int{"udp": freePort(t), "tls+tcp": freePort(t)}
			p := runFile(t, proxyText(certs, home, ports["udp"], ports["tls+tcp"]))
			codes := make(chan int, 1)
			go func() {
				code, _, _ := client(bob, way[0], certs, fmt.Sprintf("127.0.0.1:%d", ports[way[0]]))
				codes <- code
			}()
			<-arrived
			p.signal(syscall.SIGTERM)
			if !p.err.has("msg=stops") {
				t.Error("it did not say that it stops")
			}
			close(release)
			if code := <-codes; code != 0 {
				t.Errorf("the client's exit code is %d", code)
			}
			p.exits(0)
			if log := p.err.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
				t.Errorf("the log has\n%s", log)
			}
		})
	}
}

// A home server on a stream that nobody listens for leaves nothing behind.
func TestRunStopsWithDeadHome(t *testing.T) {
	certs := madeCertificates(t)
	home := tlsHome(certs, fmt.Sprintf("127.0.0.1:%d", freePort(t))) + "status_check = status-server\ncheck_interval = 1s\n"
	p := runFile(t, proxyText(certs, home, freePort(t), freePort(t)))
	if !p.err.has("home_server=one") {
		t.Error("nothing was said of the home server")
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
}

// A request that is under way when SIGTERM comes during a reload, which waits for it, is answered; the end does not wait for that of the reload.
func TestRunStopsInReload(t *testing.T) {
	certs := madeCertificates(t)
	for _, stack := range []string{"udp", "tls+tcp"} {
		t.Run(stack, func(t *testing.T) {
			address, arrived, release := startHeldHome(t, "udp", certs)
			ports := map[string]int{"udp": freePort(t), "tls+tcp": freePort(t)}
			text := proxyText(certs, addressText(address), ports["udp"], ports["tls+tcp"])
			file, second := filepath.Join(t.TempDir(), "frio.conf"), freePort(t)
			writeFile(t, file, text)
			p := start(t, "run", file)
			p.ready()
			codes := make(chan int, 1)
			go func() {
				code, _, _ := client(bob, stack, certs, fmt.Sprintf("127.0.0.1:%d", ports[stack]))
				codes <- code
			}()
			<-arrived
			// Both listens end, and what is under way at them is waited for; the new listen tells that it has come to that.
			writeFile(t, file, strings.Replace(text, "server gateway", "server other", 1)+echoConf("tcp", second))
			p.signal(syscall.SIGHUP)
			for !listens("tcp", fmt.Sprintf("127.0.0.1:%d", second)) {
				runtime.Gosched()
			}
			p.signal(syscall.SIGTERM)
			if !p.err.has("msg=stops") {
				t.Error("it did not say that it stops")
			}
			close(release)
			if code := <-codes; code != 0 {
				t.Errorf("the client's exit code is %d", code)
			}
			p.exits(0)
			// The listens go on with the sockets of before, so nothing is missing after the reload either.
			if before, _, ok := strings.Cut(p.err.String(), "msg=reloaded "); !ok || !strings.Contains(before, "msg=stops") {
				t.Errorf("it does not stop before the reload is over:\n%s", p.err)
			}
		})
	}
}

// A second signal ends the program at once, and leaves no file of it behind.
func TestRunStopsAtOnce(t *testing.T) {
	certs := madeCertificates(t)
	address, arrived, release := startHeldHome(t, "udp", certs)
	defer close(release)
	file, port := filepath.Join(t.TempDir(), "frio.conf"), freePort(t)
	pidfile := filepath.Join(t.TempDir(), "frio.pid")
	writeFile(t, file, proxyText(certs, addressText(address), port, freePort(t)))
	p := start(t, "run", "-pidfile", pidfile, file)
	p.ready()
	client, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	request := radius.NewRequest(nil, radius.AccessRequest, 1, [16]byte{1})
	request.AddString(radius.UserName, "bob")
	packet, err := request.Seal(radius.NewKeys([]byte(testSecret)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write(packet); err != nil {
		t.Fatal(err)
	}
	<-arrived
	p.signal(syscall.SIGTERM)
	if !p.err.has("msg=stops") {
		t.Error("it did not say that it stops")
	}
	p.signal(syscall.SIGINT)
	p.exits(1)
	if _, err := os.Stat(pidfile); !os.IsNotExist(err) {
		t.Errorf("the file with its number is still there (%v)", err)
	}
}
