package home

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/chap"
)

const secret = "testing123"

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var users = []User{{Name: "bob", Password: "hello"}, {Name: "alice", Password: "wonderland"}}

// served serves the users.
func served() (*Server, *radius.Keys) {
	return New(Config{Users: users}), radius.NewKeys([]byte(secret))
}

// request makes one, with two Proxy-State, one of them empty.
func request(t testing.TB, k *radius.Keys, code radius.Code, add func(b *radius.Builder)) radius.Packet {
	t.Helper()
	b := radius.NewRequest(nil, code, 9, [16]byte{1, 2, 3, 4})
	b.AddString(radius.ProxyState, "one")
	if add != nil {
		add(&b)
	}
	b.AddString(radius.ProxyState, "")
	return sealed(t, b, k)
}

func sealed(t testing.TB, b radius.Builder, k *radius.Keys) radius.Packet {
	t.Helper()
	out, err := b.Seal(k)
	if err != nil {
		t.Fatal(err)
	}
	p, err := radius.Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answered is the reply, which must be right in all that replies have in common.
func answered(t testing.TB, s *Server, k *radius.Keys, p radius.Packet) radius.Packet {
	t.Helper()
	out, err := s.Handle([]byte("before"), p, k)
	if err != nil {
		t.Fatalf("%v is not answered: %v", p.Code(), err)
	}
	if string(out[:6]) != "before" {
		t.Fatalf("what stood before the reply is %q", out[:6])
	}
	reply, err := radius.Parse(out[6:])
	if err != nil {
		t.Fatal(err)
	}
	if len(reply) != len(out)-6 {
		t.Errorf("%d bytes behind the reply", len(out)-6-len(reply))
	}
	if err := k.CheckReply(reply, p.Authenticator(), true); err != nil {
		t.Errorf("%v: %v", reply.Code(), err)
	}
	if !reply.Code().Answers(p.Code()) || reply.ID() != p.ID() {
		t.Errorf("%v %d answers %v %d", reply.Code(), reply.ID(), p.Code(), p.ID())
	}
	if _, signed := p.Find(radius.MessageAuthenticator); signed && radius.Type(reply[radius.HeaderSize]) != radius.MessageAuthenticator {
		t.Errorf("Message-Authenticator is not the first attribute of %x", reply)
	}
	if got, want := states(reply), states(p); got != want {
		t.Errorf("Proxy-State %s, want %s", got, want)
	}
	return reply
}

func states(p radius.Packet) string {
	var list []string
	for a := range p.Attributes() {
		if a.Type == radius.ProxyState {
			list = append(list, fmt.Sprintf("%q", a.Value))
		}
	}
	return strings.Join(list, " ")
}

func TestPasswords(t *testing.T) {
	for _, c := range []struct {
		name, user, password string
		want                 radius.Code
	}{
		{"bob", "bob", "hello", radius.AccessAccept},
		{"alice", "alice", "wonderland", radius.AccessAccept},
		{"wrong", "bob", "hallo", radius.AccessReject},
		{"empty", "bob", "", radius.AccessReject},
		{"somebody else's", "bob", "wonderland", radius.AccessReject},
		{"nobody", "eve", "hello", radius.AccessReject},
		{"no name", "", "hello", radius.AccessReject},
	} {
		s, k := served()
		pap := request(t, k, radius.AccessRequest, func(b *radius.Builder) {
			b.AddString(radius.UserName, c.user)
			b.HidePassword(k, []byte(c.password))
		})
		chap := func(own bool) radius.Packet {
			return request(t, k, radius.AccessRequest, func(b *radius.Builder) {
				challenge := b.Authenticator()
				if own {
					challenge = []byte("a challenge of its own")
					b.Add(radius.CHAPChallenge, challenge)
				}
				sum := md5.Sum(append([]byte{7}, c.password+string(challenge)...))
				b.AddString(radius.UserName, c.user)
				b.Add(radius.CHAPPassword, append([]byte{7}, sum[:]...))
			})
		}
		for _, kind := range []struct {
			name string
			p    radius.Packet
		}{{"PAP", pap}, {"CHAP", chap(true)}, {"CHAP without a challenge", chap(false)}} {
			t.Run(kind.name+" "+c.name, func(t *testing.T) {
				reply := answered(t, s, k, kind.p)
				if reply.Code() != c.want {
					t.Errorf("%v, want %v", reply.Code(), c.want)
				}
				if _, ok := reply.Find(radius.Class); ok != (c.want == radius.AccessAccept) {
					t.Errorf("Class: %v", ok)
				}
				if _, ok := reply.Find(radius.ReplyMessage); !ok {
					t.Error("no Reply-Message")
				}
			})
		}
		if n := s.Counts(); n.Accepted+n.Rejected != 3 || (n.Accepted == 3) != (c.want == radius.AccessAccept) {
			t.Errorf("counts %+v", n)
		}
	}
}

// TestMSCHAP2: the example of RFC 2759, Section 9.2, is accepted, with the server's proof and keys.
func TestMSCHAP2(t *testing.T) {
	s, k := New(Config{Users: []User{{Name: "User", Password: "clientPass"}}}), radius.NewKeys([]byte(secret))
	make := func(change int) radius.Packet {
		return request(t, k, radius.AccessRequest, func(b *radius.Builder) {
			b.AddString(radius.UserName, "User")
			b.AddVendor(radius.Microsoft, 11, unhex(t, "5B5D7C7D7B3F2F3E3C2C602132262628"))
			response := unhex(t, "2a00 21402324255E262A28295F2B3A337C7E 0000000000000000 82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")
			if change >= 0 {
				response[change] ^= 1
			}
			b.AddVendor(radius.Microsoft, ms2Response, response)
		})
	}
	p := make(-1)
	reply := answered(t, s, k, p)
	if reply.Code() != radius.AccessAccept {
		t.Fatal(reply.Code())
	}
	if v, _ := reply.FindVendor(radius.Microsoft, 26); string(v) != "\x2aS=407A5589115FD0D6209F510FE9C04566932CDA56" {
		t.Errorf("MS-CHAP2-Success %q", v)
	}
	for _, key := range []uint8{16, 17} {
		if v, _ := reply.FindVendor(radius.Microsoft, key); len(v) != 34 {
			t.Errorf("key %d has %d bytes", key, len(v))
		}
	}
	for _, change := range []int{2, 17, 26, 49} {
		reply := answered(t, s, k, make(change))
		v, _ := reply.FindVendor(radius.Microsoft, msError)
		if reply.Code() != radius.AccessReject || !strings.HasPrefix(string(v), "\x2aE=691 R=0 C=") {
			t.Errorf("with byte %d changed: %v, MS-CHAP-Error %q", change, reply.Code(), v)
		}
	}
}

func TestMSCHAP1(t *testing.T) {
	s, k := served()
	for _, c := range []struct {
		name, user, password string
		add                  func(b *radius.Builder)
		want                 radius.Code
	}{
		{"right", "bob", "hello", nil, radius.AccessAccept},
		{"wrong", "bob", "hallo", nil, radius.AccessReject},
		{"nobody", "eve", "hello", nil, radius.AccessReject},
		{"the LM response counts", "bob", "", func(b *radius.Builder) { b.AddVendor(radius.Microsoft, msResponse, make([]byte, 50)) }, radius.AccessReject},
		{"no bytes", "bob", "", func(b *radius.Builder) { b.AddVendor(radius.Microsoft, msResponse, nil) }, radius.AccessReject},
	} {
		t.Run(c.name, func(t *testing.T) {
			reply := answered(t, s, k, request(t, k, radius.AccessRequest, func(b *radius.Builder) {
				b.AddString(radius.UserName, c.user)
				if c.add != nil {
					c.add(b)
				} else {
					chap.AddMS(b, [8]byte{1, 2, 3}, []byte(c.password))
				}
			}))
			if reply.Code() != c.want {
				t.Errorf("%v, want %v", reply.Code(), c.want)
			}
			if v, ok := reply.FindVendor(radius.Microsoft, 12); ok != (c.want == radius.AccessAccept) || ok && len(v) != 32 {
				t.Errorf("MS-CHAP-MPPE-Keys of %d bytes", len(v))
			}
			if v, _ := reply.FindVendor(radius.Microsoft, msError); (string(v) == "\x00E=691 R=0") != (c.want == radius.AccessReject) {
				t.Errorf("MS-CHAP-Error %q", v)
			}
		})
	}
}

func TestOthers(t *testing.T) {
	for _, c := range []struct {
		name       string
		accounting bool
		code, want radius.Code
	}{
		{"accounting", false, radius.AccountingRequest, radius.AccountingResponse},
		{"status", false, radius.StatusServer, radius.AccessAccept},
		{"status of accounting", true, radius.StatusServer, radius.AccountingResponse},
		{"CoA", false, radius.CoARequest, radius.CoANAK},
		{"disconnect", false, radius.DisconnectRequest, radius.DisconnectNAK},
		{"nothing to check", false, radius.AccessRequest, radius.AccessReject},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, k := New(Config{Users: users, Accounting: c.accounting}), radius.NewKeys([]byte(secret))
			reply := answered(t, s, k, request(t, k, c.code, nil))
			if reply.Code() != c.want {
				t.Errorf("%v, want %v", reply.Code(), c.want)
			}
			v, ok := reply.Find(radius.ErrorCause)
			if want := c.want == radius.CoANAK || c.want == radius.DisconnectNAK; ok != want || ok && !bytes.Equal(v, []byte{0, 0, 1, 247}) {
				t.Errorf("Error-Cause %x", v)
			}
			n := s.Counts()
			if n.Rejected+n.Accounting+n.Status+n.Refused != 1 {
				t.Errorf("counts %+v", n)
			}
		})
	}
}

// What does not pass the checks gets no reply, and costs a count.
func TestDropped(t *testing.T) {
	s, k := served()
	p := request(t, k, radius.AccessRequest, nil)
	unsigned := append(radius.Packet{}, p[:radius.HeaderSize]...)
	unsigned[2], unsigned[3] = 0, radius.HeaderSize
	reply := answered(t, s, k, p)
	for _, c := range []struct {
		name string
		p    radius.Packet
		keys *radius.Keys
		want *radius.Error
	}{
		{"another secret", p, radius.NewKeys([]byte("other")), radius.ErrMessageAuthenticator},
		{"unsigned", unsigned, k, radius.ErrMissingMessageAuthenticator},
		{"accounting with another secret", request(t, k, radius.AccountingRequest, nil), radius.NewKeys([]byte("other")), radius.ErrAuthenticator},
		{"a reply", reply, k, radius.ErrCode},
	} {
		before := s.Counts().Dropped[c.want.Reason]
		if out, err := s.Handle([]byte("before"), c.p, c.keys); err != error(c.want) || string(out) != "before" {
			t.Errorf("%s: %q, %v", c.name, out, err)
		}
		if after := s.Counts().Dropped[c.want.Reason]; after != before+1 {
			t.Errorf("%s: counted %d times", c.name, after-before)
		}
	}
	old := New(Config{Users: users, Unsigned: true})
	if reply := answered(t, old, k, unsigned); reply.Code() != radius.AccessReject {
		t.Errorf("unsigned, where it may be: %v", reply.Code())
	}
	// A Status-Server is never taken without.
	unsigned[0] = byte(radius.StatusServer)
	if _, err := old.Handle(nil, unsigned, k); err != radius.ErrMissingMessageAuthenticator {
		t.Errorf("Status-Server: %v", err)
	}
}

// The attributes of a user are in the Access-Accept; too many for the packet are no reply.
func TestAttributes(t *testing.T) {
	k := radius.NewKeys([]byte(secret))
	vlan := []byte{radius.HeaderSize, 4, 1, 2}
	s := New(Config{Users: []User{{Name: "bob", Password: "hello", Attributes: vlan}, {Name: "eve", Password: "hello", Attributes: bytes.Repeat(vlan, 1024)}}})
	login := func(name string) radius.Packet {
		return request(t, k, radius.AccessRequest, func(b *radius.Builder) {
			b.AddString(radius.UserName, name)
			b.HidePassword(k, []byte("hello"))
		})
	}
	if v, _ := answered(t, s, k, login("bob")).Find(radius.HeaderSize); string(v) != "\x01\x02" {
		t.Errorf("attribute %x", v)
	}
	if out, err := s.Handle(nil, login("eve"), k); err != radius.ErrTooBig || len(out) != 0 || s.Counts().Dropped[radius.ReasonTooBig] != 1 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

func TestHandleAllocates(t *testing.T) {
	s, k := served()
	buf := make([]byte, 0, radius.MaxSize)
	for _, password := range []string{"hello", "wrong"} {
		p := request(t, k, radius.AccessRequest, func(b *radius.Builder) {
			b.AddString(radius.UserName, "bob")
			b.HidePassword(k, []byte(password))
		})
		if n := testing.AllocsPerRun(200, func() {
			if _, err := s.Handle(buf, p, k); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("PAP with %s: %v allocations", password, n)
		}
	}
	p := request(t, k, radius.AccountingRequest, nil)
	if n := testing.AllocsPerRun(200, func() { s.Handle(buf, p, k) }); n != 0 {
		t.Errorf("accounting: %v allocations", n)
	}
}

func TestUserIsNotPrinted(t *testing.T) {
	u := users[0]
	for _, text := range []string{fmt.Sprint(u), fmt.Sprintf("%+v %#v %s %x", u, u, u, u), fmt.Sprintf("%+v", Config{Users: []User{u}})} {
		if strings.Contains(text, u.Password) || strings.Contains(text, hex.EncodeToString([]byte(u.Password))) {
			t.Error(text)
		}
	}
}
