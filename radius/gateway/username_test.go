package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/frio-io/frio/radius"
)

// The realm is found by the name that the client's rules leave. What rewrite_user_name has changed comes back as the client wrote it.
func TestUserNameRewritten(t *testing.T) {
	const rules = "rewrite in {\n\tmodify = '1:/^(.*)@local$/\\1@example.org/'\n}\nrewrite gone {\n\tremove = User-Name\n}\n"
	const realm = "home_server_pool all {\n\thome_server = h0\n}\nrealm example.org {\n\tpool = all\n\tstrip = no\n}\n"
	const rename = "rewrite_user_name = '/^(.*)@LOCAL$/\\1@example.org/'"
	for _, c := range []struct {
		name, line, realm string
		user, home, reply string // home "": rejected here
	}{
		{"as it came", "", realm, "bob@example.org", "bob@example.org", "bob@example.org"},
		{"nobody's realm", "", realm, "bob@local", "", ""},
		{"rewrite_in", "rewrite_in = in", realm, "bob@local", "bob@example.org", "bob@example.org"},
		{"rewrite_in, stripped", "rewrite_in = in", strings.Replace(realm, "= no", "= yes", 1), "bob@local", "bob", "bob"},
		{"rewrite_in takes it away", "rewrite_in = gone", realm, "bob@example.org", "", ""},
		{"rewrite_user_name", rename, realm, "bob@local", "bob@example.org", "bob@local"},
		{"rewrite_user_name, stripped", rename, strings.Replace(realm, "= no", "= yes", 1), "bob@local", "bob", "bob@local"},
		{"rewrite_user_name of another", rename, realm, "bob@example.org", "bob@example.org", "bob@example.org"},
		{"both", "rewrite_in = in\n\trewrite_user_name = '/^bob@(.*)$/eve@\\1/'", realm, "bob@local", "eve@example.org", "bob@local"},
		{"too long", "rewrite_user_name = '/^(.*)@local$/" + strings.Repeat("\\1", 30) + "@example.org/'", realm, "bobby.tables@local", "", ""},
	} {
		for _, code := range []radius.Code{radius.AccessRequest, radius.CoARequest, radius.DisconnectRequest} {
			t.Run(fmt.Sprint(c.name, ", ", code), func(t *testing.T) {
				kind := ""
				if code != radius.AccessRequest {
					kind = "\ttype = coa\n"
					c.realm = strings.Replace(c.realm, "\tpool =", "\tcoa_pool =", 1)
				}
				w := newWorld(t, strings.Replace(udpListen, "\tsecret", "\t"+c.line+"\n\tsecret", 1)+rules+homeText(0, kind)+c.realm)
				h := w.home(0)
				accept := map[radius.Code]radius.Code{radius.AccessRequest: radius.AccessAccept, radius.CoARequest: radius.CoAACK,
					radius.DisconnectRequest: radius.DisconnectACK}[code]
				h.answer = func(req radius.Packet) []byte {
					b := radius.NewReply(nil, accept, req)
					user, _ := req.Find(radius.UserName)
					b.Add(radius.UserName, user)
					return h.seal(&b)
				}
				nas := w.udp(w.nas, "192.0.2.2:4000", nil)
				req := buildCode(code, 7, func(b *radius.Builder) { b.AddString(radius.UserName, c.user) })
				nas.send("192.0.2.1:1812", req)
				p := w.reply(nas.receive(), req)
				if c.home == "" {
					if p.Code() == accept || h.count != 0 {
						t.Errorf("%v, and the home server got %d", p.Code(), h.count)
					}
					return
				}
				if user, _ := h.last().Find(radius.UserName); string(user) != c.home {
					t.Errorf("the home server got %q, want %q", user, c.home)
				}
				if user, _ := p.Find(radius.UserName); string(user) != c.reply {
					t.Errorf("the client got %q, want %q", user, c.reply)
				}
			})
		}
	}
}
