package radius

import (
	"encoding/hex"
	"strings"
	"testing"
)

// xyzzy is the secret of the RFCs' examples.
const xyzzy = "xyzzy5461"

// The packets of RFC 2865, Section 7, and of RFC 5997, Section 6.
const (
	papRequest    = "01000038 0f403f9473978057bd83d5cb98f4227a 01066e656d6f 02120dbe708d93d413ce3196e43f782a0aee 0406c0a80110 050600000003"
	papAccept     = "02000026 86fe220e7624ba2a1005f6bf9b55e0b2 060600000001 0f0600000000 0e06c0a80103"
	chapRequest   = "01010047 2aee86f08d0d55969ca5978e0d3367a2 0108666c6f707379 031316e97557c316185895f293ff634407 7275 0406c0a80110 050600000014 060600000002 070600000001"
	chapAccept    = "02010038 15efbc7dab26cfa3dc34d9c03c8601a4 060600000002 070600000001 0806fffffffe 0a0600000002 0d0600000001 0c06000005dc"
	statusRequest = "0cda0026 8a54f4686fb394c52866e302185d0623 50125a665e2e1e8411f3e243822097c84fa3"
	statusAccept  = "02da0014 ef0d552a4bf2d693ec2b6fe8b5411d66"
	statusAcct    = "0cb30026 925f6b66dd5fed571fcb1db7ad388260 5012e8d6eabda910875cd91fdade26367858"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, b []byte) Packet {
	t.Helper()
	p, err := Parse(b)
	if err != nil {
		t.Fatalf("Parse(%x): %v", b, err)
	}
	return p
}

// TestRFC: the examples pass the checks with their secret, and no other, and their replies belong to their requests only.
func TestRFC(t *testing.T) {
	right, wrong := NewKeys([]byte(xyzzy)), NewKeys([]byte("xyzzy5462"))
	for _, c := range []struct{ name, request, reply string }{
		{"PAP", papRequest, papAccept},
		{"CHAP", chapRequest, chapAccept},
		{"Status-Server", statusRequest, statusAccept},
		{"Status-Server, accounting", statusAcct, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := parse(t, unhex(t, c.request))
			if err := right.CheckRequest(p, false); err != nil {
				t.Errorf("CheckRequest: %v", err)
			}
			if p.Code() == StatusServer {
				if err := wrong.CheckRequest(p, false); err != ErrMessageAuthenticator {
					t.Errorf("CheckRequest with another secret: %v", err)
				}
			} else if err := right.CheckRequest(p, true); err != ErrMissingMessageAuthenticator {
				t.Errorf("CheckRequest, required: %v", err)
			}
			if c.reply == "" {
				return
			}
			r := parse(t, unhex(t, c.reply))
			if err := right.CheckReply(r, p.Authenticator(), false); err != nil {
				t.Errorf("CheckReply: %v", err)
			}
			if err := right.CheckReply(r, p.Authenticator(), true); err != ErrMissingMessageAuthenticator {
				t.Errorf("CheckReply, required: %v", err)
			}
			if err := wrong.CheckReply(r, p.Authenticator(), false); err != ErrAuthenticator {
				t.Errorf("CheckReply with another secret: %v", err)
			}
			if err := right.CheckReply(r, make([]byte, 16), false); err != ErrAuthenticator {
				t.Errorf("CheckReply to another request: %v", err)
			}
		})
	}
}

// TestRFCBuild: the builder makes the same octets.
func TestRFCBuild(t *testing.T) {
	k := NewKeys([]byte(xyzzy))
	want := parse(t, unhex(t, statusRequest))
	b := NewRequest(nil, StatusServer, want.ID(), [16]byte(want.Authenticator()))
	if got, err := b.Seal(k); err != nil || string(got) != string(want) {
		t.Errorf("Status-Server: %x %v", got, err)
	}
	p := parse(t, unhex(t, papRequest))
	b = NewRequest(nil, AccessRequest, 0, [16]byte(p.Authenticator()))
	b.HidePassword(k, []byte("arctangent"))
	got, err := b.Seal(k)
	if err != nil {
		t.Fatal(err)
	}
	mine, _ := parse(t, got).Find(UserPassword)
	theirs, _ := p.Find(UserPassword)
	if string(mine) != string(theirs) {
		t.Errorf("User-Password %x, want %x", mine, theirs)
	}
}

// RFC 2548, Section 2.4.1: the keys of MS-CHAPv1 are hidden as a User-Password is.
func TestHideKeysOfVersion1(t *testing.T) {
	k, value := NewKeys([]byte(xyzzy)), []byte("24 bytes of both the keys")[:24]
	b := NewRequest(nil, AccessRequest, 0, [16]byte{1, 2, 3})
	b.HidePassword(k, value)
	b.HideKey(k, 12, value)
	p, err := b.Seal(k)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := parse(t, p).Find(UserPassword)
	keys, _ := parse(t, p).FindVendor(Microsoft, 12)
	if len(keys) != 32 || string(keys) != string(password) {
		t.Errorf("%x, and as a password %x", keys, password)
	}
}

func TestIsPassword(t *testing.T) {
	k := NewKeys([]byte(xyzzy))
	p := parse(t, unhex(t, papRequest))
	if !k.IsPassword(p, "arctangent") {
		t.Error("the password of the example is refused")
	}
	for _, wrong := range []string{"", "arctangen", "arctangents", "Arctangent", "arctangentarctangent"} {
		if k.IsPassword(p, wrong) {
			t.Errorf("%q is taken", wrong)
		}
	}
	if NewKeys([]byte("other")).IsPassword(p, "arctangent") {
		t.Error("taken with another secret")
	}
	if k.IsPassword(parse(t, unhex(t, chapRequest)), "") {
		t.Error("taken where there is none")
	}
	for n := range 130 {
		password := strings.Repeat("x", n)
		b := NewRequest(nil, AccessRequest, 0, [16]byte{byte(n)})
		b.HidePassword(k, []byte(password))
		out, err := b.Seal(k)
		if n > 128 {
			if err == nil {
				t.Fatal("129 bytes are a password")
			}
			continue
		}
		p := parse(t, out)
		if !k.IsPassword(p, password) || k.IsPassword(p, password+"x") || n > 0 && k.IsPassword(p, password[1:]) {
			t.Errorf("a password of %d bytes is not told from others", n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { k.IsPassword(p, "arctangent") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
