package tls_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	ctls "crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// secrets reads a key log.
type secrets struct{ lines []byte }

func (s *secrets) Write(p []byte) (int, error) { s.lines = append(s.lines, p...); return len(p), nil }

// secret returns what the log says of label: the client's random, and the secret.
func (s *secrets) secret(t testing.TB, label string) (random, secret []byte) {
	t.Helper()
	for _, line := range strings.Split(string(s.lines), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == label {
			return must(hex.DecodeString(f[1])), must(hex.DecodeString(f[2]))
		}
	}
	t.Fatalf("no %s in the key log", label)
	return nil, nil
}

// sealer writes TLS 1.3 records of AES-128-GCM as a client does that makes its own rules.
type sealer struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func label(secret []byte, name string, n int) []byte {
	info := append([]byte{byte(n >> 8), byte(n), byte(6 + len(name))}, "tls13 "+name...)
	return must(hkdf.Expand(sha256.New, secret, string(append(info, 0)), n))
}

func newSealer(secret []byte) *sealer {
	block := must(aes.NewCipher(label(secret, "key", 16)))
	return &sealer{secret: secret, aead: must(cipher.NewGCM(block)), iv: label(secret, "iv", 12)}
}

func (s *sealer) seal(typ byte, data []byte) []byte {
	n := len(data) + 1 + 16
	head := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	nonce := append([]byte(nil), s.iv...)
	for i := range 8 {
		nonce[11-i] ^= byte(s.seq >> (8 * i))
	}
	s.seq++
	return s.aead.Seal(head, nonce, append(append([]byte(nil), data...), typ), head)
}

// keyUpdate asks for an update of the other direction and changes the keys of this one.
func (s *sealer) keyUpdate() []byte {
	b := s.seal(22, []byte{24, 0, 0, 1, 1})
	*s = *newSealer(label(s.secret, "traffic upd", 32))
	return b
}

// sealer12 is the same for TLS 1.2 (RFC 5288, Section 3).
type sealer12 struct {
	aead cipher.AEAD
	salt []byte
	seq  uint64
}

// newSealer12 has the client's keys of a key block (RFC 5246, Section 6.3), after its Finished.
func newSealer12(master, clientRandom, serverRandom []byte) *sealer12 {
	seed := append(append([]byte("key expansion"), serverRandom...), clientRandom...)
	mac := func(parts ...[]byte) []byte {
		h := hmac.New(sha256.New, master)
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	var block []byte
	for a := mac(seed); len(block) < 16+16+4+4; a = mac(a) {
		block = append(block, mac(a, seed)...)
	}
	return &sealer12{aead: must(cipher.NewGCM(must(aes.NewCipher(block[:16])))), salt: block[32:36], seq: 1}
}

func (s *sealer12) seal(typ byte, data []byte) []byte {
	explicit := binary.BigEndian.AppendUint64(nil, s.seq)
	s.seq++
	aad := append(append([]byte(nil), explicit...), typ, 3, 3, byte(len(data)>>8), byte(len(data)))
	n := len(explicit) + len(data) + 16
	b := append([]byte{typ, 3, 3, byte(n >> 8), byte(n)}, explicit...)
	return s.aead.Seal(b, append(append([]byte(nil), s.salt...), explicit...), data, aad)
}

// recorded keeps what is read.
type recorded struct {
	net.Conn
	in []byte
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.in = append(r.in, p[:n]...)
	return n, err
}

// hostile is a client whose records the test makes itself, and our end of it.
func hostile(t *testing.T, e *friotest.Env, version uint16) (conn *recorded, log *secrets, child *friotest.Probe) {
	l := listener(e, "require_client_cert = no\n", "")
	socket, err := net.Dial("tcp", e.Local(l).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	conn, log = &recorded{Conn: socket}, new(secrets)
	client := ctls.Client(conn, &ctls.Config{InsecureSkipVerify: true, KeyLogWriter: log, MinVersion: version, MaxVersion: version,
		CipherSuites: []uint16{ctls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, CurvePreferences: []ctls.CurveID{ctls.X25519}})
	done := make(chan error, 1)
	go func() { done <- client.Handshake() }()
	child = e.AcceptFrom(l, nil)
	child.Wish(nil, nil, nil)
	opened(e, child)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return conn, log, child
}

// TestFloods: records that are no data cost their sender the connection, and us nothing.
func TestFloods(t *testing.T) {
	sealerOf := func(t *testing.T, log *secrets) *sealer {
		_, secret := log.secret(t, "CLIENT_TRAFFIC_SECRET_0")
		return newSealer(secret)
	}
	for _, c := range []struct {
		name    string
		version uint16
		flood   func(*testing.T, *recorded, *secrets) func() []byte
	}{
		{"KeyUpdate", ctls.VersionTLS13, func(t *testing.T, _ *recorded, log *secrets) func() []byte { return sealerOf(t, log).keyUpdate }},
		{"empty records", ctls.VersionTLS13, func(t *testing.T, _ *recorded, log *secrets) func() []byte {
			s := sealerOf(t, log)
			return func() []byte { return s.seal(23, nil) }
		}},
		{"empty records of TLS 1.2", ctls.VersionTLS12, func(t *testing.T, conn *recorded, log *secrets) func() []byte {
			client, master := log.secret(t, "CLIENT_RANDOM")
			const randomAt = 5 + 4 + 2 // record and handshake header, version of the server hello
			s := newSealer12(master, client, conn.in[randomAt:randomAt+32])
			return func() []byte { return s.seal(23, nil) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := friotest.NewEnv(t, false, 1)
			conn, log, child := hostile(t, e, c.version)
			record := c.flood(t, conn, log)
			child.Wish(nil, func() {}, nil)
			// As many as any bound allows are in order: the connection stays.
			for range 8 {
				if _, err := conn.Write(record()); err != nil {
					t.Fatal(err)
				}
			}
			e.Spin(3)
			if n, err := child.Read(make([]byte, 1)); n != 0 || err != frio.ErrAgain {
				t.Fatalf("after 8 records: %d, %v", n, err)
			}
			for range 200 {
				if _, err := conn.Write(record()); err != nil {
					break
				}
			}
			end := e.ExpectEnd(child)
			if errors.Is(end, frio.ErrTruncated) || child.State() != frio.StateFailed || !strings.Contains(end.Error(), "too many") {
				t.Errorf("Read: %v, want a refusal", end)
			}
		})
	}
}

// TestKeyUpdateUnread: a peer that asks for answers and reads none, with data between so that each is in order, fills our output to
// its bound, and is not read any more from then on; when it reads, all of it goes on.
func TestKeyUpdateUnread(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.log")
	p := newPiped(t, "tls_min_version = 1.3\ncurves = X25519\nkeylog_file = "+file+"\n")
	p.open()
	_, secret := (&secrets{must(os.ReadFile(file))}).secret(t, "CLIENT_TRAFFIC_SECRET_0")
	seal, below := newSealer(secret), p.below[1]
	sent, read := 0, 0
	send := func() {
		for range 10 {
			for range 8 {
				below.in = append(below.in, seal.keyUpdate()...)
			}
			below.in = append(below.in, seal.seal(23, []byte("x"))...)
			sent++
		}
	}
	var buf [100]byte
	drain := func() {
		for {
			n, err := p.server.Read(buf[:])
			if err != nil && err != frio.ErrAgain {
				t.Fatalf("Read after %d bytes of data: %v", read, err)
			}
			if read += n; n == 0 {
				return
			}
		}
	}
	held := p.root.Total().Bytes
	below.dam = true
	for below.in = nil; len(below.in) == 0; {
		send()
		for before := -1; read != before; { // a Read is one step
			before = read
			drain()
		}
		if sent > 10_000 {
			t.Fatalf("%d KeyUpdates of a peer that takes no answers were read", 8*sent)
		}
		if more := p.root.Total().Bytes - held; more > 64<<10+48<<10 { // the bound of the output, and of what was read from below
			t.Fatalf("%d bytes held after %d KeyUpdates", more, 8*sent)
		}
	}
	if sent < 100 {
		t.Errorf("%d KeyUpdates filled the output", 8*sent)
	}
	left, stopped := len(below.in), read
	send()
	for range 100 {
		drain()
	}
	if read != stopped || len(below.in) <= left {
		t.Errorf("%d bytes of data and %d below were read of a peer that takes no answers", read-stopped, left-len(below.in))
	}
	below.dam = false
	for range 1000 {
		drain()
	}
	if read != sent || state(p.server) != frio.StateOpen {
		t.Errorf("%d bytes of data of %d were read after all, and it is %v", read, sent, state(p.server))
	}
}
