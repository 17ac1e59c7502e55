package radius

import (
	"regexp"
	"strings"
	"testing"
)

func rewrite(t testing.TB, rules Rules) *Rewrite {
	t.Helper()
	r, err := NewRewrite(rules)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func modify(vendor uint32, typ uint8, pattern, replacement string) Modify {
	return Modify{ID{vendor, typ}, regexp.MustCompile(pattern), replacement}
}

func TestRewrite(t *testing.T) {
	const (
		user   = "0105626f62"                           // User-Name = bob
		vlan   = "510337"                               // Tunnel-Private-Group-Id = 7
		cisco  = "1a0f00000009 0103 78 0203 79 0103 7a" // 9.1 = x, 9.2 = y, 9.1 = z
		key    = "1a0d00000137 0704 0001 0803 02"       // 311.7, 311.8
		usr    = "1a0a000001ad 00000001"                // a vendor of another format
		proxy  = "2103aa"
		status = "0606 00000002"
	)
	for _, c := range []struct {
		name  string
		rules Rules
		in    string
		want  string
	}{
		{"nothing", Rules{}, user + cisco + usr + proxy, "0105626f62 1a0f00000009010378020379010 37a 1a0a000001ad00000001 2103aa"},
		{"remove", Rules{Remove: []ID{{0, 81}, {0, 1}}}, vlan + user + status + vlan + proxy, "060600000002 2103aa"},
		{"remove a sub-attribute", Rules{Remove: []ID{{9, 1}}}, user + cisco + key, "0105626f62 1a0900000009020379 1a0d00000137070400010803 02"},
		{"remove all sub-attributes", Rules{Remove: []ID{{9, 1}, {9, 2}}}, cisco + user, "0105626f62"},
		{"remove a vendor", Rules{RemoveVendor: []uint32{9, 429}}, cisco + usr + key + user, "1a0d00000137070400010803 02 0105626f62"},
		{"remove all vendors", Rules{Remove: []ID{{0, 26}}}, cisco + usr + "1a0400ff" + user, "0105626f62"},
		{"whitelist", Rules{Whitelist: true, Keep: []ID{{0, 1}}}, user + vlan + cisco + usr + "1a0400ff" + proxy, "0105626f62 2103aa"},
		{"whitelist of nothing", Rules{Whitelist: true}, user + cisco + proxy, "2103aa"},
		{"whitelist, a sub-attribute", Rules{Whitelist: true, Keep: []ID{{9, 2}}}, user + cisco + key + usr, "1a0900000009020379"},
		{"whitelist, a vendor", Rules{Whitelist: true, KeepVendor: []uint32{429, 9}}, cisco + key + usr, "1a0f000000090103780203790103 7a 1a0a000001ad00000001"},
		{"whitelist, all vendors", Rules{Whitelist: true, Keep: []ID{{0, 26}}}, user + cisco + usr + "1a0400ff", "1a0f000000090103780203790103 7a 1a0a000001ad00000001 1a0400ff"},
		{"whitelist, all vendors but one attribute", Rules{Whitelist: true, Keep: []ID{{0, 26}}, Remove: []ID{{9, 1}}}, cisco + key, "1a0900000009020379 1a0d00000137070400010803 02"},
		{"whitelist, data that does not add up", Rules{Whitelist: true, Keep: []ID{{9, 1}}}, "1a0900000009010478", ""},
		{"no whitelist, data that does not add up", Rules{Remove: []ID{{9, 1}}}, "1a0900000009010478", "1a0900000009010478"},
		{"modify", Rules{Modify: []Modify{modify(0, 1, `^(.*)b$`, `\1@x\\\9\q`)}}, user + user, "0109626f40785c5c71 0109626f40785c5c71"},
		{"modify, no match", Rules{Modify: []Modify{modify(0, 1, `^x`, `y`)}}, user, user},
		{"modify twice", Rules{Modify: []Modify{modify(0, 1, `^b`, `x`), modify(0, 1, `^x$`, `yy`)}}, user, "01047979"},
		{"modify to nothing", Rules{Modify: []Modify{modify(0, 1, `b`, ``)}}, user, "0102"},
		{"modify a sub-attribute", Rules{Modify: []Modify{modify(9, 2, `(y)`, `\1\1\1`)}}, cisco, "1a1100000009010378020579797901037a"},
		{"add", Rules{Add: []Value{{ID{0, 6}, []byte{1}}, {ID{9, 1}, []byte("n")}}}, user + proxy, "0105626f62 2103aa 060301 1a090000000901036e"},
		{"supplement", Rules{Supplement: []Value{{ID{0, 1}, []byte("n")}, {ID{0, 6}, []byte("n")}, {ID{9, 2}, []byte("n")}, {ID{9, 3}, []byte("n")}}}, user + cisco, "0105626f62 1a0f00000009010378020379010 37a 06036e 1a090000000903036e"},
		{"remove, then supplement", Rules{Remove: []ID{{9, 1}}, Supplement: []Value{{ID{0, 6}, []byte("n")}}}, status + cisco, "060600000002 1a0900000009020379"},
		{"removed is not there for a supplement", Rules{Remove: []ID{{0, 6}}, Supplement: []Value{{ID{0, 6}, []byte("n")}}}, status, "06036e"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := parse(t, packet(AccessRequest, unhex(t, c.in)...))
			out, err := rewrite(t, c.rules).applied([]byte("kept"), p)
			if err != nil || string(out[:4]) != "kept" || string(out[4:6]) != string(p[:2]) || string(out[8:24]) != string(p[4:20]) {
				t.Fatalf("%x %v", out, err)
			}
			want := strings.ReplaceAll(c.want, " ", "")
			if got := strings.ReplaceAll(attributes(parse(t, out[4:])), " ", ""); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestRewriteOrder: what comes in goes through In, the hop and Out; what In adds goes through Out.
func TestRewriteOrder(t *testing.T) {
	client, home := both()
	p := sealed(t, client, AccessRequest, true, unhex(t, "010361 1203aa")...)
	out, err := AppendRequest(nil, p, client, home, &Forward{
		In:       rewrite(t, Rules{Remove: []ID{{0, 18}}, Modify: []Modify{modify(0, 1, `a`, `lost`)}, Add: []Value{{ID{0, 11}, []byte("x")}, {ID{0, 25}, []byte("x")}}}),
		UserName: []byte("new"),
		TTL:      &TTL{ID{9, 1}, 7},
		Out: rewrite(t, Rules{Remove: []ID{{0, 25}}, Modify: []Modify{modify(0, 1, `^new$`, `newer`), modify(0, 11, `x`, `yy`)},
			Supplement: []Value{{ID{0, 18}, []byte("z")}, {ID{9, 1}, []byte("z")}}}),
		ProxyState: []byte{1},
	})
	if err != nil {
		t.Fatal(err)
	}
	q := parse(t, out)
	if err := home.CheckRequest(q, true); err != nil {
		t.Error(err)
	}
	if got, want := attributes(q), "MA 01076e65776572 0b047979 1a0c00000009010600000007 12037a 210301"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r := answered(t, home, AccessAccept, q.Authenticator(), true, unhex(t, "010361")...)
	back, err := AppendReply(nil, r, home, client, &Answer{Request: p, HomeRequest: q.Authenticator(),
		In: rewrite(t, Rules{Modify: []Modify{modify(0, 1, `a`, `b`)}}), Out: rewrite(t, Rules{Modify: []Modify{modify(0, 1, `b`, `c`)}})})
	if err != nil || attributes(parse(t, back)) != "MA 010363" {
		t.Errorf("%x %v", back, err)
	}
}

// TestRewriteAdded: what In adds, Out may remove.
func TestRewriteAdded(t *testing.T) {
	client, home := both()
	p := sealed(t, client, AccessRequest, true)
	in := rewrite(t, Rules{Add: []Value{{ID{9, 1}, []byte("x")}, {ID{9, 2}, []byte("x")}, {ID{10, 1}, []byte("x")}}})
	for _, c := range []struct {
		rules Rules
		want  string
	}{
		{Rules{}, "MA 1a0900000009010378 1a0900000009020378 1a090000000a010378"},
		{Rules{Remove: []ID{{0, 26}}}, "MA"},
		{Rules{Remove: []ID{{0, 26}, {9, 1}}}, "MA"},
		{Rules{RemoveVendor: []uint32{9}}, "MA 1a090000000a010378"},
		{Rules{Whitelist: true}, "MA"},
		{Rules{Whitelist: true, Keep: []ID{{9, 2}}}, "MA 1a0900000009020378"},
		{Rules{Whitelist: true, KeepVendor: []uint32{10}}, "MA 1a090000000a010378"},
	} {
		out, err := AppendRequest(nil, p, client, home, &Forward{In: in, Out: rewrite(t, c.rules)})
		if err != nil || attributes(parse(t, out)) != c.want {
			t.Errorf("%+v: %x %v, want %s", c.rules, out, err, c.want)
		}
	}
}

// TestRewriteBound: each rule's result has to fit into an attribute, not only the last one's: rules that double a value would need any memory.
func TestRewriteBound(t *testing.T) {
	long := modify(0, 18, `(.*)`, strings.Repeat(`\1`, 3))
	short := modify(0, 18, `.*`, `x`)
	value := []byte(strings.Repeat("v", 100))
	for _, c := range []struct {
		rules []Modify
		want  error
	}{{[]Modify{long}, ErrRewrite}, {[]Modify{long, short}, ErrRewrite}, {[]Modify{short, long, short}, nil}} {
		if _, err := rewrite(t, Rules{Modify: c.rules}).Value(ID{0, 18}, value); err != c.want {
			t.Errorf("%d rules: %v", len(c.rules), err)
		}
	}
}

// TestRewriteGrows: a sub-attribute that does not fit any more goes into a Vendor-Specific of its own; a value that fits nowhere is an error.
func TestRewriteGrows(t *testing.T) {
	full := "1aff 00000009 017c" + strings.Repeat("61", 122) + "027d" + strings.Repeat("62", 123)
	p := parse(t, packet(AccessRequest, unhex(t, full)...))
	out, err := rewrite(t, Rules{Modify: []Modify{modify(9, 1, `(.*)`, `\1aa`)}}).applied(nil, p)
	one, err1 := rewrite(t, Rules{Modify: []Modify{modify(9, 1, `(.*)`, `\1a`)}}).applied(nil, p)
	if err1 != nil || len(one) != len(p)+1+6 {
		t.Errorf("one more: %d octets, %v", len(one), err1)
	}
	shorter := parse(t, packet(AccessRequest, unhex(t, "1afe 00000009 017c"+strings.Repeat("61", 122)+"027c"+strings.Repeat("62", 122))...))
	if one, err := rewrite(t, Rules{Modify: []Modify{modify(9, 1, `(.*)`, `\1a`)}}).applied(nil, shorter); err != nil || len(one) != len(shorter)+1 {
		t.Errorf("one more, with room for it: %d octets, %v", len(one), err)
	}
	want := "1a84000000090 17e" + strings.Repeat("61", 124) + " 1a8300000009027d" + strings.Repeat("62", 123)
	if err != nil || strings.ReplaceAll(attributes(parse(t, out)), " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("%x %v", out, err)
	}
	for _, c := range []struct {
		rules Rules
		want  error
	}{
		{Rules{Modify: []Modify{modify(9, 1, `(.*)`, `\1\1\1`)}}, ErrRewrite},
		{Rules{Modify: []Modify{modify(9, 1, `.*`, strings.Repeat("a", 247))}}, nil},
		{Rules{Modify: []Modify{modify(9, 1, `.*`, strings.Repeat("a", 248))}}, ErrRewrite},
		{Rules{Modify: []Modify{modify(9, 1, `.*`, strings.Repeat("a", 253))}}, ErrRewrite},
		{Rules{Modify: []Modify{modify(9, 1, `.*`, strings.Repeat("a", 254))}}, ErrRewrite},
	} {
		out, err := rewrite(t, c.rules).applied([]byte("kept"), p)
		if err != c.want || err != nil && string(out) != "kept" {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	var many []Value
	for range 17 {
		many = append(many, Value{ID{0, 250}, make([]byte, 253)})
	}
	if out, err := rewrite(t, Rules{Add: many}).applied([]byte("kept"), p); err != ErrTooBig || string(out) != "kept" {
		t.Errorf("%v, want ErrTooBig", err)
	}
}

func TestNewRewriteErrors(t *testing.T) {
	one := []byte{1}
	for _, c := range []struct {
		name  string
		rules Rules
	}{
		{"keep without whitelist", Rules{Keep: []ID{{0, 1}}}},
		{"Proxy-State", Rules{Remove: []ID{{0, 33}}}},
		{"Message-Authenticator", Rules{Remove: []ID{{0, 80}}}},
		{"add Message-Authenticator", Rules{Add: []Value{{ID{0, 80}, one}}}},
		{"modify a password", Rules{Modify: []Modify{modify(0, 2, `a`, `b`)}}},
		{"add a key", Rules{Add: []Value{{ID{311, 16}, one}}}},
		{"supplement a Tunnel-Password", Rules{Supplement: []Value{{ID{0, 69}, one}}}},
		{"supplement twice", Rules{Supplement: []Value{{ID{0, 6}, one}, {ID{0, 6}, one}}}},
		{"add a raw Vendor-Specific", Rules{Add: []Value{{ID{0, 26}, one}}}},
		{"modify a raw Vendor-Specific", Rules{Modify: []Modify{modify(0, 26, `a`, `b`)}}},
		{"no pattern", Rules{Modify: []Modify{{ID: ID{0, 1}}}}},
		{"too long", Rules{Add: []Value{{ID{0, 1}, make([]byte, 254)}}}},
		{"too long for a vendor", Rules{Add: []Value{{ID{9, 1}, make([]byte, 248)}}}},
		{"vendor 0", Rules{RemoveVendor: []uint32{0}}},
		{"too many", Rules{Add: make([]Value, maxRules+1)}},
	} {
		if r, err := NewRewrite(c.rules); err == nil || r != nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	if _, err := NewRewrite(Rules{Remove: []ID{{0, 2}, {0, 69}, {311, 16}}}); err != nil {
		t.Errorf("removing what is hidden: %v", err)
	}
}

// applied appends to dst the packet as it is behind the rules, not signed anew.
func (r *Rewrite) applied(dst []byte, p Packet) ([]byte, error) {
	c := copier{out: append(dst, p[:HeaderSize]...), base: len(dst)}
	c.stages[0].rules = r
	for off := HeaderSize; off < len(p); {
		end := off + int(p[off+1])
		switch Type(p[off]) {
		case MessageAuthenticator, ProxyState:
			c.raw(p[off:end])
		default:
			c.attribute(p[off:end])
		}
		off = end
	}
	c.added()
	if err := c.finish(); err != nil {
		return dst, err
	}
	return c.out, nil
}
