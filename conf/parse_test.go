package conf

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func mustParse(t *testing.T, text string) *Section {
	t.Helper()
	root, err := ParseString("t", text, Options{Getenv: testEnv})
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return root
}

// outline writes a tree on one line: pairs as name op value, sections as name name2 { ... }, policy in brackets.
func outline(s *Section) string {
	var list []string
	for _, it := range s.items {
		switch {
		case it.sec != nil && it.sec.isPolicy:
			list = append(list, fmt.Sprintf("[%s|%s]{%s}", it.sec.Name, it.sec.Name2, outline(it.sec)))
		case it.sec != nil:
			list = append(list, fmt.Sprintf("%s|%s{%s}", it.sec.Name, it.sec.Name2, outline(it.sec)))
		case it.pair.kind != keyPair:
			list = append(list, strings.TrimSpace("["+it.pair.Name+" "+it.pair.Value)+"]")
		default:
			list = append(list, it.pair.Name+it.pair.Op+it.pair.Value)
		}
	}
	return strings.Join(list, ";")
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"blank lines and comments", "\n  \t\n# a = b\n\t# c {\n", ""},
		{"byte order mark", "\ufeffa = b\n", "a=b"},
		{"no line end", "a = b", "a=b"},
		{"carriage return", "a = b\r\nc = d\r\n", "a=b;c=d"},
		{"pair", "a = b\n", "a=b"},
		{"no spaces", "a=b\n", "a=b"},
		{"comment behind", "a = b # c\n", "a=b"},
		{"a comment sign in a bare value", "a = b#c\n", "a=b#c"},
		{"brackets in a bare value", "a = {b}(c)\n", "a={b}(c)"},
		{"every operator", "a = 1\na := 1\na += 1\na -= 1\na == 1\na != 1\na < 1\na <= 1\na > 1\na >= 1\na =~ 1\na !~ 1\na =* 1\na !* 1\na ^= 1\na ++ 1\n",
			"a=1;a:=1;a+=1;a-=1;a==1;a!=1;a<1;a<=1;a>1;a>=1;a=~1;a!~1;a=*1;a!*1;a^=1;a++1"},
		{"operators without spaces", "a:=1\na+=1\na-=1\na==1\na!=1\na<=1\na>=1\na=~1\na!~1\na=*1\na!*1\na^=1\n",
			"a:=1;a+=1;a-=1;a==1;a!=1;a<=1;a>=1;a=~1;a!~1;a=*1;a!*1;a^=1"},
		{"operator signs in names", "a-b = 1\nc:d = 1\nreply: += 1\n", "a-b=1;c:d=1;reply:+=1"},
		{"no value", "a =\nb = # c\nd =, e = f\n", "a=;b=;d=;e=f"},
		{"commas", "a = 1, b = 2,\nc = 3\n", "a=1;b=2;c=3"},
		{"section", "a {\n}\n", "a|{}"},
		{"section without space", "a{\n}\n", "a|{}"},
		{"section with two names", "a b {\n}\n", "a|b{}"},
		{"section with quotes", "a \"b c\" {\n}\na 'd \"e' {\n}\n\"x y\" {\n}\n", "a|b c{};a|d \"e{};x y|{}"},
		{"section on one line", "a { b = c }\n", "a|{b=c}"},
		{"sections on one line", "a { b { c = d } e = f }\n", "a|{b|{c=d};e=f}"},
		{"after a brace", "a {\n} b = c\n", "a|{};b=c"},
		{"double quotes", `a = "b c # d { } 'e'"`, "a=b c # d { } 'e'"},
		{"escapes of double quotes", `a = "\n\r\t\"\\\101\$"`, "a=\n\r\t\"\\A$"},
		{"other backslashes of double quotes stay", `a = "\.\'\x\d\1"`, `a=\.\'\x\d\1`},
		{"two digits are no escape", `a = "\10x\8\400"`, `a=\10x\8\400`},
		{"escapes of back quotes", "a = `b\\`\\n`", "a=b`\n"},
		{"escapes of single quotes", `a = 'b\'c\\d\n${x}'`, `a=b'c\\d\n${x}`},
		{"no escapes in bare words", `a = b\nc`, `a=b\nc`},
		{"quotes within a bare word", `a = b"c'd`, `a=b"c'd`},
		{"empty quotes", `a = ""`, "a="},
		{"quoted name", `"a b" = c`, "a b=c"},
		{"continuation", "a = b\\\nc\n", "a=bc"},
		{"continuation in quotes", "a = \"b \\\n  c \\\n d\"\n", "a=b   c  d"},
		{"continuation that drops spaces", "a = \"\\\n\tb \\\n\tc\"\n", "a=b c"},
		{"continuation over an empty line", "a = \"b\" \\\n\nc = d\n", "a=b;c=d"},
		{"a comment is not continued", "# a \\\nb = c\n", "b=c"},
		{"a comment behind is continued", "a = b # c \\\nd = e\nf = g\n", "a=b;f=g"},
		{"a backslash and a space", "a = b\\ \nc = d\n", "a=b\\;c=d"},
		{"calls", "sql\n-sql\nattr_filter.x\nok, eap\nx { y }\n", "[sql];[-sql];[attr_filter.x];[ok];[eap];x|{[y]}"},
		{"expansions", "%{a:%{b}}\n`ls`\n", "[%{a:%{b}}];[ls]"},
		{"if", "if (a) {\nb\n}\nelsif(c && (d)){\n}\nelse {\n}\n", "[if|(a)]{[b]};[elsif|(c && (d))]{};[else|]{}"},
		{"if without parentheses", "if !a {\n}\n", "[if|!a]{}"},
		{"if with braces", "if (\"%{a}\" =~ /^\\/[{}]\"{2}/i && '{' != `}` && %{b:%{c}} == ${d}) {\n}\n",
			"[if|(\"%{a}\" =~ /^\\/[{}]\"{2}/i && '{' != `}` && %{b:%{c}} == ${d})]{}"},
		{"if with a comment sign", "if (a =~ /#/) { # b\n}\n", "[if|(a =~ /#/)]{}"},
		{"if over lines", "if (a && \\\n\tb) {\n}\n", "[if|(a && \tb)]{}"},
		{"switch", "switch &a:b {\ncase \"x\" {\n}\ncase {\n}\n}\n", "[switch|&a:b]{[case|\"x\"]{};[case|]{}}"},
		{"foreach, update, map", "foreach &a {\n}\nupdate {\n}\nupdate a {\n&b := \"%{c}\"\n}\nmap x \"y z\" {\n}\n",
			"[foreach|&a]{};[update|]{};[update|a]{&b:=%{c}};[map|x \"y z\"]{}"},
		{"a keyword as a key", "update = yes\nmap := x\n", "update=yes;map:=x"},
		{"a keyword as a call", "map\n", "[map]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := mustParse(t, c.text)
			if got := outline(root); got != c.want {
				t.Errorf("%q\n got %q\nwant %q", c.text, got, c.want)
			}
			roundTrip(t, root, Options{Getenv: testEnv})
			raw, err := ParseString("t", c.text, Options{Raw: true})
			if err != nil {
				t.Fatal(err)
			}
			roundTrip(t, raw, Options{Raw: true})
		})
	}
}

func TestPositions(t *testing.T) {
	root := mustParse(t, "# x\nlisten  a {\n\tport = 1, äö = \"2\"\n  name := \\\n    three\n\tempty =\n}\n")
	listen := root.Sections("listen")[0]
	var got []string
	for _, p := range listen.Pairs("") {
		got = append(got, fmt.Sprintf("%s %v %v %v", p.Name, p.Pos, p.opPos, p.ValuePos))
	}
	want := []string{"port t:3:2 t:3:7 t:3:9", "äö t:3:12 t:3:17 t:3:19", "name t:4:3 t:4:8 t:5:5", "empty t:6:2 t:6:8 t:6:9"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if root.Pos != (Pos{"t", 1, 1}) || listen.Pos != (Pos{"t", 2, 1}) {
		t.Errorf("root at %v, listen at %v", root.Pos, listen.Pos)
	}
	if e := listen.Errorf("x %d", 1).Error(); e != "t:2:1: x 1" {
		t.Error(e)
	}
	if e := listen.Pairs("port")[0].Errorf("port: %s", "y").Error(); e != "t:3:9: port: y" {
		t.Error(e)
	}
	if listen.Parent() != root || root.Parent() != nil || listen.Pairs("port")[0].Parent() != listen {
		t.Error("parents are wrong")
	}
}

func TestReferences(t *testing.T) {
	const text = `
prefix = /usr
lib = "${prefix}/lib"
name = outer
later = ${after}-${chained}
chained = "<${after}>"
thread pool {
	start = 5
}
thread {
	start = 6
}
dot.ted = dots
sql {
	name = inner
	dialect = mysql
	deep {
		here = ${name} , own = ${.own2}, own2 = o
		up = ${..name}, up2 = ${...name}, far = ${.....name}
		inner = ${..deep.own2}, root = ${sql.dialect}
		me = "${.:name} ${..:name} ${.:instance}"
	}
	deep two {
		me = "${.:name} ${.:instance} ${...thread[pool]:instance}"
	}
	a = ${thread[pool].start}${thread.start}
	b = '${name}', c = "\${name}", d = "$ENV{HOME} ${ENV.HOME}", e = ` + "`${prefix}`" + `, f = ${confdir}, g = $x{y}
	h = ${dot.ted}
	name2 = "a b"
	i = ${name2}
}
conn ${prefix} {
}
conn "x${name} y" {
}
conn z$ENV{HOME}x {
}
same {
	prefix = ${prefix}/same
}
first = 1
first = 2
which = ${first}
after = ready
`
	root := mustParse(t, text)
	want := map[string]string{
		"lib": "/usr/lib", "later": "ready-<ready>", "sql.deep.here": "outer", "sql.deep.own": "o",
		"sql.deep.up": "inner", "sql.deep.up2": "outer", "sql.deep.far": "outer", "sql.deep.inner": "o",
		"sql.deep.root": "mysql", "sql.deep.me": "deep sql deep", "sql.a": "56", "sql.b": "${name}", "sql.c": "${name}",
		"sql.d": "/home/x /home/x", "sql.e": "/usr", "sql.f": ".", "sql.g": "$x{y}", "sql.h": "dots", "sql.i": "a b",
		"same.prefix": "/usr/same", "which": "1",
	}
	// thread.start goes to the first section called thread.
	want["sql.a"] = "55"
	for path, value := range want {
		s, rest := root, path
		for {
			name, after, ok := strings.Cut(rest, ".")
			if !ok {
				break
			}
			s, rest = s.Sections(name)[0], after
		}
		if got := s.Pairs(rest)[0].Value; got != value {
			t.Errorf("%s = %q, want %q", path, got, value)
		}
	}
	if got := root.Sections("sql")[0].Sections("deep")[1].Pairs("me")[0].Value; got != "deep two pool" {
		t.Errorf("me = %q", got)
	}
	var names []string
	for _, s := range root.Sections("conn") {
		names = append(names, s.Name2)
	}
	if !slices.Equal(names, []string{"/usr", "xouter y", "z/home/xx"}) {
		t.Errorf("names %q", names)
	}
	roundTrip(t, root, Options{Getenv: testEnv})
}

func TestGetenvDefault(t *testing.T) {
	t.Setenv("FRIO_CONF_TEST", "from the environment")
	root, err := ParseString("t", "a = \"$ENV{FRIO_CONF_TEST}\"\n", Options{})
	if err != nil || root.Pairs("a")[0].Value != "from the environment" {
		t.Errorf("%v, %v", root.Pairs("a")[0].Value, err)
	}
}

// TestSectionReference checks that a reference to a section puts a copy in the place of the pair.
func TestSectionReference(t *testing.T) {
	root := mustParse(t, "rest {\n\tauth {\n\t\ttls = ${..tls}\n\t}\n\ttls {\n\t\tca = ${.base}/ca\n\t\tbase = /x\n\t}\n}\n")
	const want = "rest|{auth|{tls|{ca=/x/ca;base=/x}};tls|{ca=/x/ca;base=/x}}"
	if got := outline(root); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	roundTrip(t, root, Options{})
	copied := root.Sections("rest")[0].Sections("auth")[0].Sections("tls")[0]
	if copied.Parent().Name != "auth" || copied.Pos.Line != 5 {
		t.Errorf("the copy is below %s and from line %d", copied.Parent().Name, copied.Pos.Line)
	}
}

func TestTemplates(t *testing.T) {
	const text = `
templates {
	base {
		port = 1812
		type = auth
		allow = 10/8
		allow = 192.168/16
		limit {
			max = 16
			idle = 30
		}
		home = ${port}
		late = ${after}
	}
	more {
		$template base
		port = 1
		extra = x
	}
}
home_server a {
	$template base
	type = acct
	limit {
		idle = 5
	}
}
home_server b {
	$template more
}
after = y
`
	root := mustParse(t, text)
	var got []string
	for _, s := range root.Sections("home_server") {
		got = append(got, outline(s))
	}
	want := []string{
		"type=acct;limit|{idle=5;max=16};port=1812;allow=10/8;allow=192.168/16;home=1812;late=y",
		"port=1;extra=x;type=auth;allow=10/8;allow=192.168/16;limit|{max=16;idle=30};home=1812;late=y",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	roundTrip(t, root, Options{})
	if errs := root.Unknown(); len(errs) != 2 {
		t.Errorf("templates are no unknown section: %v", errs)
	}
	raw, err := ParseString("t", text, Options{Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := outline(raw.Sections("home_server")[1]); got != "[$template more]" {
		t.Errorf("raw: %s", got)
	}
	if len(raw.Sections("home_server")[1].Pairs("")) != 0 {
		t.Error("a directive is shown as a pair")
	}
}

// writeTree writes files below a temporary directory and makes it the current one.
func writeTree(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInclude(t *testing.T) {
	writeTree(t, map[string]string{
		"main.conf":        "dir = mods\nfirst = 1\nsection {\n\t$INCLUDE sub/a.conf # here\n\t$INCLUDE ${dir}/\n}\n$-INCLUDE none.conf\n$-INCLUDE none/\n$include \"sub/quoted name\"\n$-include sub/plain\nlast = 2\n",
		"sub/a.conf":       "a = 1\n$INCLUDE b.conf\n$INCLUDE ../mods/named\n",
		"sub/b.conf":       "b = 1\n",
		"sub/quoted name":  "q = 1\n",
		"sub/plain":        "p = 1\n",
		"mods/zz":          "m = zz\n",
		"mods/aa":          "m = aa\n",
		"mods/B-1.x_y":     "m = B\n",
		"mods/named":       "m = named\n",
		"mods/.hidden":     "m = hidden\n",
		"mods/backup~":     "m = backup\n",
		"mods/#emacs#":     "m = emacs\n",
		"mods/x,v":         "m = rcs\n",
		"mods/sub/deeper":  "m = deeper\n",
		"mods-off/off":     "m = off\n",
		"mods-off/another": "m = another\n",
	})
	if err := os.Symlink("../mods-off/off", "mods/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", "mods/dangling"); err != nil {
		t.Fatal(err)
	}
	root, err := ParseFile("main.conf", Options{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "dir=mods;first=1;section|{a=1;b=1;m=named;m=B;m=aa;m=off;m=zz};q=1;p=1;last=2"
	if got := outline(root); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	b := root.Sections("section")[0].Pairs("b")[0]
	if b.Pos.String() != "sub/b.conf:1:1" {
		t.Errorf("b at %v", b.Pos)
	}
	if p := b.Path("key.pem"); p != "sub/key.pem" {
		t.Errorf("Path: %s", p)
	}
	if p := b.Path("/key.pem"); p != "/key.pem" {
		t.Errorf("Path of an absolute name: %s", p)
	}
	roundTrip(t, root, Options{})

	raw, err := ParseFile("main.conf", Options{Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := raw.Format(&out); err != nil || !strings.Contains(out.String(), "\t$INCLUDE sub/a.conf\n\t$INCLUDE ${dir}/\n}\n$-INCLUDE none.conf\n") {
		t.Errorf("raw: %v\n%s", err, out.String())
	}
}

func TestParseFileMissing(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, want := range map[string]string{
		"none.conf": "none.conf:1:1: no such file or directory", ".": ".:1:1: is a directory", "/dev/null": "/dev/null:1:1: is not a regular file",
	} {
		root, err := ParseFile(name, Options{})
		if err == nil || err.Error() != want || root == nil {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestFormat(t *testing.T) {
	const text = "a=1,b := \"x\\n\"\nserver 'x y'   { port=1\n$ENV{HOME}=y\nif ( a ) { ok }\nc = d\\ \n}\n"
	const want = "a = 1\nb := \"x\\n\"\nserver 'x y' {\n\tport = 1\n\tif ( a ) {\n\t\tok\n\t}\n\tc = d\\ \n}\n"
	root, err := ParseString("t", strings.Replace(text, "$ENV{HOME}=y\n", "", 1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := root.Format(&out); err != nil || out.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out.String(), want)
	}
	out.Reset()
	if root.Sections("server")[0].Format(&out); !strings.HasPrefix(out.String(), "server 'x y' {\n\tport = 1\n") {
		t.Errorf("a section: %s", out.String())
	}
	if err := root.Format(failingWriter{}); err == nil {
		t.Error("the writer's error is lost")
	}
}

type failingWriter struct{}

func (failingWriter) Write(p []byte) (int, error) { return 0, os.ErrClosed }

// TestFormatExpanded checks that any expanded value survives, whatever is in it.
func TestFormatExpanded(t *testing.T) {
	for _, value := range []string{"", "a", "a b", "a,b", "{", "#", "a#b", `"`, "'", "`", "\\", "a\\", "\n\r\t\x01\x7f", "${x}", "$ENV{x}", "$", "ä", "\xff", `\n`, "a\\\\"} {
		env := func(string) (string, bool) { return value, true }
		for _, text := range []string{"a = $ENV{V}", "a = \"$ENV{V}\"", "a = `$ENV{V}`", "a $ENV{V} {\n}", "a \"$ENV{V}\" {\n}"} {
			root, err := ParseString("t", text, Options{Getenv: env})
			if err != nil {
				t.Fatal(err)
			}
			roundTrip(t, root, Options{Getenv: env})
			if pairs := root.Pairs("a"); len(pairs) == 1 && pairs[0].Value != value {
				t.Errorf("%s: %q, want %q", text, pairs[0].Value, value)
			}
		}
	}
}

func TestEqual(t *testing.T) {
	base := mustParse(t, "a = b\ns x {\n\tc = d\n}\n")
	if !base.Equal(mustParse(t, "# moved\n\na=b\ns   x { c=d }\n")) {
		t.Error("the same tree at other positions differs")
	}
	for _, other := range []string{
		"a = c\ns x {\n\tc = d\n}\n", "a := b\ns x {\n\tc = d\n}\n", "b = b\ns x {\n\tc = d\n}\n", "a = \"b\"\ns x {\n\tc = d\n}\n",
		"a = b\ns y {\n\tc = d\n}\n", "a = b\ns x {\n}\n", "s x {\n\tc = d\n}\na = b\n", "a = b\ns {\n\tc = d\n}\n", "a = b\n", "a = b\ns x {\n\tc\n}\n",
	} {
		if base.Equal(mustParse(t, other)) {
			t.Errorf("%q counts as equal", other)
		}
	}
}
