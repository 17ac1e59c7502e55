package dtls

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	pion "github.com/pion/dtls/v3"
)

// pionSuites are those of ours that pion has.
var pionSuites = map[uint16]pion.CipherSuiteID{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: pion.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:   pion.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: pion.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:   pion.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
}

func pionCases() []interopCase {
	return slices.DeleteFunc(interopCases(), func(c interopCase) bool { _, ok := pionSuites[c.id]; return !ok })
}

// echoPion handshakes, sends back what it reads until the end, and reports the error of the handshake.
func echoPion(conn *pion.Conn, result chan<- error) {
	ctx, cancel := context.WithTimeout(context.Background(), interopLimit)
	defer cancel()
	defer conn.Close()
	err := conn.HandshakeContext(ctx)
	result <- err
	if err != nil {
		return
	}
	b := make([]byte, 2048)
	for {
		conn.SetReadDeadline(time.Now().Add(interopLimit))
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		conn.Write(b[:n])
	}
}

func talkPion(t *testing.T, u *udpEnd, result chan error) {
	t.Helper()
	u.opened()
	var done bool
	u.run("handshake of pion", func() bool {
		select {
		case err := <-result:
			if err != nil {
				t.Fatalf("pion: %v", err)
			}
			done = true
		default:
		}
		return done
	})
	u.write("hello pion")
	u.run("echo", func() bool { return string(u.got) == "hello pion" })
	if n := u.e.Counts().Retransmits; n != 0 {
		t.Errorf("%d retransmissions", n)
	}
	u.e.CloseNotify()
	u.flush()
	u.run("close", func() bool { return u.end == io.EOF })
}

func TestInteropPionServer(t *testing.T) {
	for _, c := range pionCases() {
		t.Run(c.name, func(t *testing.T) {
			sc, cc := c.configs()
			auth := pion.NoClientCert
			if c.auth {
				auth = pion.RequireAndVerifyClientCert
			}
			listener, err := pion.ListenWithOptions("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)},
				pion.WithCertificates(sc.Certificates...), pion.WithCipherSuites(pionSuites[c.id]),
				pion.WithSupportedProtocols("radius/1.1"), pion.WithClientAuth(auth), pion.WithClientCAs(sc.ClientCAs),
				pion.WithExtendedMasterSecret(pion.RequireExtendedMasterSecret))
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			result := make(chan error, 1)
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					result <- err
					return
				}
				echoPion(conn.(*pion.Conn), result)
			}()
			u := newUDPClient(t, cc, listener.Addr().(*net.UDPAddr).AddrPort())
			talkPion(t, u, result)
		})
	}
}

func TestInteropPionClient(t *testing.T) {
	for _, c := range pionCases() {
		t.Run(c.name, func(t *testing.T) {
			sc, cc := c.configs()
			u := newUDPServer(t, sc)
			sock := listenUDP(t)
			options := []pion.ClientOption{
				pion.WithCertificates(cc.Certificates...), pion.WithCipherSuites(pionSuites[c.id]),
				pion.WithSupportedProtocols("radius/1.1"), pion.WithRootCAs(cc.RootCAs), pion.WithServerName(serverName),
				pion.WithExtendedMasterSecret(pion.RequireExtendedMasterSecret),
			}
			conn, err := pion.ClientWithOptions(sock, u.sock.LocalAddr(), options...)
			if err != nil {
				t.Fatal(err)
			}
			result := make(chan error, 1)
			go echoPion(conn, result)
			talkPion(t, u, result)
			if (len(u.e.peer) == 0) == c.auth {
				t.Errorf("%d client certificates", len(u.e.peer))
			}
		})
	}
}

// A handshake with a fifth of all datagrams lost, each way.
func TestInteropPionLoss(t *testing.T) {
	for seed := range 6 {
		g := lcg(seed)
		lose := func() bool { return g.next(100) < 20 }
		sc, cc := interopCase{id: suites[0].id, kind: keyECDSA, auth: true}.configs()
		for _, c := range []*Config{sc, cc} { // often enough that chance cannot end the test
			c.RetransmitInitial, c.RetransmitMax, c.Retransmits = 40*time.Millisecond, 160*time.Millisecond, 60
		}
		result := make(chan error, 1)
		var u *udpEnd
		if seed%2 == 0 {
			listener, err := pion.ListenWithOptions("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)},
				pion.WithCertificates(sc.Certificates...), pion.WithSupportedProtocols("radius/1.1"), pion.WithFlightInterval(40*time.Millisecond), pion.WithDisableRetransmitBackoff(true),
				pion.WithClientAuth(pion.RequireAndVerifyClientCert), pion.WithClientCAs(sc.ClientCAs))
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				if conn, err := listener.Accept(); err == nil {
					echoPion(conn.(*pion.Conn), result)
				}
			}()
			u = newUDPClient(t, cc, listener.Addr().(*net.UDPAddr).AddrPort())
		} else {
			u = newUDPServer(t, sc)
			conn, err := pion.ClientWithOptions(listenUDP(t), u.sock.LocalAddr(), pion.WithCertificates(cc.Certificates...),
				pion.WithSupportedProtocols("radius/1.1"), pion.WithFlightInterval(40*time.Millisecond), pion.WithDisableRetransmitBackoff(true),
				pion.WithRootCAs(cc.RootCAs), pion.WithServerName(serverName))
			if err != nil {
				t.Fatal(err)
			}
			go echoPion(conn, result)
		}
		u.lose = lose
		u.opened()
		done := false
		u.run("handshake of pion", func() bool {
			select {
			case err := <-result:
				if err != nil {
					t.Fatalf("seed %d: pion: %v", seed, err)
				}
				done = true
			default:
			}
			return done
		})
		u.lose = nil
		u.write("hello pion")
		u.run("echo", func() bool { return string(u.got) == "hello pion" })
		u.e.CloseNotify()
		u.flush()
	}
}
