package conf

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// settings has a field of every kind.
type settings struct {
	Name    string         `conf:"name"`
	Secret  Secret         `conf:"secret"`
	On      bool           `conf:"on"`
	Count   int            `conf:"count,unlimited,min=2,max=1000"`
	Small   int8           `conf:"small"`
	Byte    uint8          `conf:"byte"`
	Port    uint16         `conf:"port,port,min=1"`
	Buffer  uint32         `conf:"buffer,size,min=1k,max=1M"`
	Idle    time.Duration  `conf:"idle,never,min=10ms,max=1h"`
	Wait    time.Duration  `conf:"wait"`
	Addr    netip.Addr     `conf:"addr"`
	Addr4   netip.Addr     `conf:"addr4,ipv4"`
	Addr6   netip.Addr     `conf:"addr6,ipv6"`
	Net     netip.Prefix   `conf:"net"`
	Allow   []netip.Prefix `conf:"allow"`
	Mode    fs.FileMode    `conf:"mode,mode"`
	Kind    string         `conf:"kind,enum=stream|datagram"`
	Key     string         `conf:"key,file"`
	Dir     string         `conf:"dir,dir"`
	User    int            `conf:"user,user"`
	Group   int            `conf:"group,group"`
	Even    even           `conf:"even"`
	Level   *int           `conf:"level"`
	TCP     tcpSettings    `conf:"tcp"`
	Clients []client       `conf:"client"`
}

type tcpSettings struct {
	Port     uint16 `conf:"port,required"`
	Backlog  int    `conf:"backlog,min=1"`
	Hostname string `conf:"hostname"`
}

type client struct {
	Addr netip.Prefix `conf:"ipaddr"`
}

// even is a type that decodes itself.
type even int

func (e *even) DecodeConf(p *Pair) error {
	switch p.Value {
	case "2":
		*e = 2
		return nil
	case "many":
		return p.Errorf("even: too many")
	}
	return errors.New("is odd")
}

func testEnv(name string) (string, bool) {
	if name == "HOME" {
		return "/home/x", true
	}
	return "", false
}

// everyMistake is what a program does: it parses, decodes, asks for what is unknown, and shows all mistakes.
func everyMistake(name, text string, dst any) string {
	var all Errors
	collect := func(err error) {
		var list Errors
		if errors.As(err, &list) {
			all = append(all, list...)
		}
	}
	root, err := ParseString(name, text, Options{Getenv: testEnv})
	collect(err)
	collect(root.Decode(dst))
	all = append(all, root.Unknown()...)
	if len(all) == 0 {
		return ""
	}
	return all.Sorted().Error()
}

// TestWrong has one mistake, or a few, in each text; all of them and nothing else must be reported, each at its place.
func TestWrong(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"loop.conf": "$INCLUDE loop2.conf\n", "loop2.conf": "\n  $INCLUDE loop.conf\n", "inner.conf": "name = x\nporrt = 1\n",
		"open.conf": "tcp {\n\tport = 1\n", "bad/b": "small = 200\n", "bad/a": "byte = 300\n", "bad/a~": "nonsense here\n",
	} {
		if dir, _, ok := strings.Cut(name, "/"); ok {
			os.MkdirAll(dir, 0o755)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("x", 600)
	for _, c := range []struct{ name, text, want string }{
		// syntax
		{"no closing brace", "tcp {\n\tport = 1\n", "t:1:1: section `tcp` has no closing brace"},
		{"no closing brace, and all that follows", "tcp {\n\tport = 1\n\tx = 2\nclient a {\n}\nudp {\n}\n",
			"t:1:1: section `tcp` has no closing brace\nt:3:2: unknown key `x`"},
		{"one brace too many", "name = x\n}\n", "t:2:1: closing brace without a section"},
		{"brace on the next line", "tcp\n{\n\tport = 1\n}\n", "t:1:4: the brace of section `tcp` belongs on this line"},
		{"brace on the next line after two names", "client a\n# c\n\n  { ipaddr = 10/8\n}\n", "t:1:9: the brace of section `client` belongs on this line"},
		{"no opening brace", "tcp\n\tport = 1\n}\n", "t:1:4: section `tcp` has no opening brace"},
		{"no opening brace after two names", "client a\n\tipaddr = 10/8\n}\n", "t:1:9: section `client` has no opening brace"},
		{"brace alone", "{\n}\n", "t:1:1: brace without a section's name"},
		{"operator before the brace", "tcp = {\n\tport = 1\n}\n", "t:1:5: `tcp` is a section: no `=` before its brace"},
		{"three names", "client a b {\n\tipaddr = 10/8\n}\n", "t:1:10: a section has two names at most, one with spaces or brackets needs quotes"},
		{"no operator", "port 7007\n", "t:1:6: `port` is followed by neither an operator nor a brace, write `port = ...`"},
		{"no operator and a secret", "secret hunter2\n", "t:1:8: `secret` is followed by neither an operator nor a brace, write `secret = ...`"},
		{"include as elsewhere", "Include a.d/x.conf\n", "t:1:9: `Include` is followed by neither an operator nor a brace, write `$INCLUDE ...`"},
		{"a second name with brackets", "client ~(a) {\n\tipaddr = 10/8\n}\n", "t:1:9: a section has two names at most, one with spaces or brackets needs quotes"},
		{"a section's name alone", "client\n", "t:1:1: `client` is a section: write `client { ... }`"},
		{"value with spaces", "name = a b\n", "t:1:10: text after the value of `name`, a value with spaces needs quotes"},
		{"secret with spaces", "secret = hunter2 hunter3\n",
			"t:1:18: text after the value of `secret`, a value with spaces needs quotes"},
		{"text after quotes", "name = \"a\" on = yes\n",
			"t:1:12: text after the value of `name`, statements on one line are separated by a comma"},
		{"double quote open", "\tname = \"a b\n", "t:1:9: string without closing quote"},
		{"single quote open", "name = 'a b\n", "t:1:8: string without closing quote"},
		{"back quote open", "name = `a b\n", "t:1:8: string without closing quote"},
		{"quote of the secret open", "secret = \"hunter2\n", "t:1:10: string without closing quote"},
		{"quoted name open", "\"name = x\n", "t:1:1: string without closing quote"},
		{"second name's quote open", "client \"a {\n\tipaddr = x\n}\n", "t:1:8: string without closing quote"},
		{"back quotes around a name", "client `a` {\n}\n", "t:1:8: a section's second name cannot be in back quotes"},
		{"semicolon", "name = x\non; off\n", "t:2:3: unexpected `;` after `on`"},
		{"operator first", "= x\n", "t:1:1: unexpected `=`"},
		{"parenthesis first", "(name) = x\n", "t:1:1: unexpected `(`"},
		{"underscore", "_name = x\n", "t:1:1: `_name`: a name cannot begin with an underscore"},
		{"NUL", "na\x00me = x\n", "t:1:3: NUL character"},
		{"NUL by escape", "name = \"a\\000b\"\n", "t:1:10: NUL character"},
		{"continued at the end", "name = x \\", "t:1:10: the line is continued, but the file ends"},
		{"empty expansion", "%{x\n", "t:1:1: expansion without closing brace"},
		{"expansion and more", "%{x} = y\n", "t:1:6: text after an expansion"},
		{"unclosed file", "$INCLUDE open.conf\n", "open.conf:1:1: section `tcp` has no closing brace"},

		// directives
		{"unknown directive", "$INCLUD\n", "t:1:1: unknown directive `$INCLUD`, did you mean `$INCLUDE`?"},
		{"include of nothing", "$INCLUDE\n", "t:1:9: `$INCLUDE` of nothing"},
		{"include of no file", "$INCLUDE none.conf\n", "t:1:10: include none.conf: no such file or directory"},
		{"include with a wildcard", "$INCLUDE bad/*.conf\n",
			"t:1:10: include bad/*.conf: no such file or directory, there are no wildcards: `directory/` takes all files in it"},
		{"include of no directory", "$INCLUDE none/\n", "t:1:10: include none/: no such file or directory"},
		{"include of a directory", "$INCLUDE bad\n", "t:1:10: include bad: is a directory, did you mean `bad/`?"},
		{"text after include", "$INCLUDE inner.conf name = x\n", "t:1:21: text after `$INCLUDE`"},
		{"include loop", "$INCLUDE loop.conf\n",
			"loop2.conf:2:12: include loop.conf: it includes itself: loop.conf -> loop2.conf -> loop.conf"},
		{"mistake in an included file", "$INCLUDE inner.conf\n", "inner.conf:2:1: unknown key `porrt`, did you mean `port`?"},
		{"mistakes in a directory", "$INCLUDE bad/\n", "bad/b:1:9: small: 200 is above 127\nbad/a:1:8: byte: 300 is above 255"},
		{"include with a quote open", "$INCLUDE \"inner.conf\n", "t:1:10: string without closing quote"},
		{"include of a comma", "$INCLUDE , x\n", "t:1:10: `$INCLUDE` of nothing"},
		{"include of an empty value", "$INCLUDE \"\"\n", "t:1:10: `$INCLUDE` of nothing"},
		{"include with a reference open", "$INCLUDE ${x\n", "t:1:10: reference without closing brace"},
		{"text after a template", "tcp {\n\t$template a b\n\tport = 1\n}\n", "t:2:14: text after `$template`"},
		{"include by a variable", "$INCLUDE ${file}\n", "t:1:10: `${file}`: no such variable"},
		{"no templates", "tcp {\n\t$template x\n\tport = 1\n}\n", "t:2:12: no template `x`: there is no section `templates` before"},
		{"no such template", "templates {\n\tsmall {\n\t}\n}\ntcp {\n\t$template smal\n\tport = 1\n}\n",
			"t:6:12: no template `smal` before this line, did you mean `small`?"},
		{"template outside", "templates {\n}\n$template x\n", "t:3:1: `$template` outside of a section"},
		{"two templates", "templates {\n\ta {\n\t}\n}\ntcp {\n\t$template a\n\t$template a\n\tport = 1\n}\n",
			"t:7:2: the section has a template already"},
		{"bad value in a template", "templates {\n\ta {\n\t\tport = x\n\t}\n}\ntcp {\n\t$template a\n}\n",
			"t:3:10: port: `x` is not a whole number"},

		// references
		{"unknown variable", "lib = /usr\nname = \"${lob}/x\"\n",
			"t:1:1: unknown key `lib`\nt:2:9: `${lob}`: no such variable, did you mean `lib`?"},
		{"unknown variable in a secret", "client a {\n\tsecret = \"x${Hunter2}\"\n}\n",
			"t:2:13: it refers to something that is not there, in single quotes `$` stands for itself"},
		{"unknown variable in a key", "key = \"x${Hunter2}\"\n",
			"t:1:9: it refers to something that is not there, in single quotes `$` stands for itself"},
		{"environment in a secret", "client a {\n\tsecret = \"$ENV{NONE}\"\n}\n",
			"t:2:12: environment variable `NONE` is not set"},
		{"unknown path", "name = a${tcp.x}\ntcp {\n\tport = 1\n}\n", "t:1:9: `${tcp.x}`: no such variable"},
		{"environment", "name = x$ENV{NONE}\n", "t:1:9: environment variable `NONE` is not set"},
		{"environment by name", "name = x${ENV.NONE}\n", "t:1:9: `${ENV.NONE}`: environment variable `NONE` is not set"},
		{"reference open", "name = x${lib\n", "t:1:9: reference without closing brace"},
		{"to itself", "name = ${name}\n", "t:1:8: `${name}`: refers to itself"},
		{"in a circle", "name = ${tcp.hostname}\ntcp {\n\tport = 1\n\thostname = ${name}\n}\n",
			"t:4:13: `${name}`: refers to itself"},
		{"a section in text", "name = x${tcp}\ntcp {\n\tport = 1\n}\n", "t:1:9: `${tcp}`: is a section, not a value"},
		{"a section around", "tcp {\n\tport = 1\n\thostname = ${..tcp}\n}\n", "t:3:13: `${..tcp}`: is a section around this line"},
		{"a section beside", "name = ${tcp}\ntcp {\n\tport = 1\n}\n", "t:1:8: `${tcp}`: is a section next to this line"},
		{"property of a pair", "name = ${on:name}\non = yes\n", "t:1:8: `${on:name}`: only a section has a name"},
		{"other property", "tcp {\n\tport = 1\n\thostname = ${.:x}\n}\n",
			"t:3:13: `${.:x}`: a section has `:name` and `:instance` only"},
		{"bracket open", "name = ${tcp[a}\n", "t:1:8: `${tcp[a}`: `[` without `]`"},
		{"no such instance", "name = ${client[b].ipaddr}\nclient a {\n}\n", "t:1:8: `${client[b].ipaddr}`: no such variable"},

		// values
		{"number above the range", "tcp {\n\tport = 70000\n}\n", "t:2:9: port: 70000 is above 65535"},
		{"number below the range", "small = -129\n", "t:1:9: small: -129 is below -128"},
		{"number below min", "count = 1\n", "t:1:9: count: 1 is below 2"},
		{"number above max", "count = 1001\n", "t:1:9: count: 1001 is above 1000"},
		{"bare 0", "count = 0\n", "t:1:9: count: 0 is not possible here: write unlimited"},
		{"number too large", "count = 99999999999999999999\n", "t:1:9: count: 99999999999999999999 is too large"},
		{"negative unsigned", "byte = -1\n", "t:1:8: byte: -1 is below 0"},
		{"no number", "small = abc\n", "t:1:9: small: `abc` is not a whole number"},
		{"number and more", "small = 12x\n", "t:1:9: small: `12x` is not a whole number"},
		{"leading zero", "small = 010\n", "t:1:9: small: `010`: a number cannot begin with 0"},
		{"underscore in a number", "small = 1_0\n", "t:1:9: small: `1_0` is not a whole number"},
		{"no value", "small =\n", "t:1:8: small: has no value"},
		{"no value but a comment", "small = # 5\n", "t:1:8: small: has no value"},
		{"name alone", "small\n", "t:1:1: `small` has no value"},
		{"bool", "on = maybe\n", "t:1:6: on: `maybe` is neither yes nor no"},
		{"duration", "idle = soon\n", "t:1:8: idle: `soon` is not a duration (30, 0.5, 500ms, 2m, 1h, 1d)"},
		{"duration of two", "idle = 1m30s\n", "t:1:8: idle: `1m30s` is not a duration (30, 0.5, 500ms, 2m, 1h, 1d)"},
		{"duration above max", "idle = 2h\n", "t:1:8: idle: 2h is above 1h"},
		{"duration below min", "idle = 1ms\n", "t:1:8: idle: 1ms is below 10ms"},
		{"duration 0", "idle = 0\n", "t:1:8: idle: 0 is not possible here: write never"},
		{"duration 0s", "idle = 0s\n", "t:1:8: idle: 0 is not possible here: write never"},
		{"duration never", "wait = never\n", "t:1:8: wait: never is not possible here"},
		{"unlimited duration", "idle = unlimited\n", "t:1:8: idle: unlimited is not possible here"},
		{"negative duration", "wait = -1s\n", "t:1:8: wait: -1s is below 0"},
		{"duration too large", "wait = 99999999w\n", "t:1:8: wait: 99999999w is too large"},
		{"size", "buffer = 1.5k\n", "t:1:10: buffer: `1.5k` is not a size (1500, 64k, 1M, 2G)"},
		{"size below", "buffer = 1023\n", "t:1:10: buffer: 1023 is below 1k"},
		{"size above", "buffer = 2MiB\n", "t:1:10: buffer: 2MiB is above 1M"},
		{"size too large", "buffer = 99999999999T\n", "t:1:10: buffer: 99999999999T is too large"},
		{"address", "addr = 10.0.0.256\n", "t:1:8: addr: `10.0.0.256` is not an IP address"},
		{"address of the other family", "addr4 = ::1\naddr6 = 10.0.0.1\n",
			"t:1:9: addr4: `::1` is not an IPv4 address\nt:2:9: addr6: `10.0.0.1` is not an IPv6 address"},
		{"prefix", "net = 10.0.0.0.0/8\n", "t:1:7: net: `10.0.0.0.0/8` is not a prefix"},
		{"prefix without bits", "net = 10/\n", "t:1:7: net: `10/` is not a prefix"},
		{"short address without bits", "net = 10\n", "t:1:7: net: `10` is not a prefix"},
		{"prefix too long", "net = 10/33\n", "t:1:7: net: `10/33`: 33 bits are above 32"},
		{"prefix with a leading zero", "net = 10/08\n", "t:1:7: net: `10/08` is not a prefix"},
		{"prefix of any", "net = */8\n", "t:1:7: net: `*/8` is not a prefix"},
		{"prefix with a zone", "net = fe80::1%eth0/64\n", "t:1:7: net: `fe80::1%eth0/64` is not a prefix"},
		{"one of a list", "allow = 10/8\nallow += x\n", "t:2:10: allow: `x` is not a prefix"},
		{"service", "port = nosuchservice\n", "t:1:8: port: `nosuchservice` is neither a port nor a service name"},
		{"port above", "port = 65536\n", "t:1:8: port: 65536 is above 65535"},
		{"port 0", "port = 0\n", "t:1:8: port: 0 is below 1"},
		{"mode", "mode = 0698\n", "t:1:8: mode: `0698` is not an octal file mode"},
		{"mode above", "mode = 1777\n", "t:1:8: mode: 1777 is above 0777"},
		{"enum", "kind = strem\n", "t:1:8: kind: `strem` is none of stream, datagram, did you mean `stream`?"},
		{"file", "key = none.pem\n", "t:1:7: key: none.pem: no such file or directory"},
		{"file that is a directory", "key = bad\n", "t:1:7: key: bad: is a directory"},
		{"directory that is a file", "dir = inner.conf\n", "t:1:7: dir: inner.conf: is not a directory"},
		{"user", "user = nosuchuser\n", "t:1:8: user: no user `nosuchuser`"},
		{"group", "group = nosuchgroup\n", "t:1:9: group: no group `nosuchgroup`"},
		{"own type", "even = 3\n", "t:1:8: even: is odd"},
		{"own type with a position", "even = many\n", "t:1:8: even: too many"},
		{"empty secret", "secret = \"\"\n", "t:1:10: secret: is empty"},

		// keys
		{"unknown key", "tcp {\n\tport = 1\n\tbaklog = 5\n}\n", "t:3:2: unknown key `baklog`, did you mean `backlog`?"},
		{"unknown key, nothing near", "xyzzyx = 5\n", "t:1:1: unknown key `xyzzyx`"},
		{"hints are of the section", "backlog = 5\n", "t:1:1: unknown key `backlog`"},
		{"unknown section", "tpc {\n\tport = x\n}\n", "t:1:1: unknown section `tpc`, did you mean `tcp`?"},
		{"key instead of a section", "tcp = yes\n", "t:1:1: `tcp` is a section: write `tcp { ... }`"},
		{"section instead of a key", "port {\n}\n", "t:1:1: `port` is a key: write `port = ...`"},
		{"given twice", "tcp {\n\tport = 1\n\tport = 2\n}\n", "t:3:9: port: given already at t:2:2"},
		{"section twice", "tcp {\n\tport = 1\n}\ntcp {\n\tx = 2\n}\n", "t:4:1: tcp: given already at t:1:1"},
		{"missing", "tcp {\n}\n", "t:1:1: tcp: port is missing"},
		{"operator", "name += x\n", "t:1:6: name: operator += is not possible here, write ="},
		{"operator of a comparison", "name == x\n", "t:1:6: name: operator == is not possible here, write ="},

		// policy
		{"if", "tcp {\n\tport = 1\n\tif (&User-Name == \"x\") {\n\t\treject\n\t}\n}\n",
			"t:3:2: policy statement `if` is not possible here"},
		{"module call", "tcp {\n\tport = 1\n\t-sql\n}\n", "t:3:2: policy statement `-sql` is not possible here"},
		{"expansion", "%{debug:x}\n", "t:1:1: policy statement `%{debug:x}` is not possible here"},
		{"update", "update control {\n\t&Tmp := 1\n}\n", "t:1:1: policy statement `update` is not possible here"},
		{"empty condition", "if () {\n}\n", "t:1:1: policy statement `if` is not possible here\nt:1:4: the condition is empty"},
		{"parenthesis open", "if ((a) {\n}\n",
			"t:1:1: policy statement `if` is not possible here\nt:1:4: parenthesis is not closed"},
		{"regular expression open", "if (a =~ /b) {\n}\n",
			"t:1:1: policy statement `if` is not possible here\nt:1:10: regular expression without closing slash"},
		{"condition without brace but a comment", "if (a) # x y\n{\n}\n",
			"t:1:1: policy statement `if` is not possible here\nt:1:8: the brace of section `if` belongs on this line"},
		{"else without brace", "else x\n", "t:1:7: `else` has no opening brace"},
		{"closing parenthesis", "if (a)) {\n}\n",
			"t:1:1: policy statement `if` is not possible here\nt:1:7: closing parenthesis without an opening one"},
		{"string in a condition open", "if (\"a) {\n}\n",
			"t:1:1: policy statement `if` is not possible here\nt:1:5: string without closing quote"},
		{"expansion in a condition open", "if (%{a) {\n}\n",
			"t:1:1: policy statement `if` is not possible here\nt:1:5: expansion without closing brace"},
		{"condition without brace", "if (a)\n\treject\n}\n",
			"t:1:1: policy statement `if` is not possible here\nt:1:7: section `if` has no opening brace"},

		// several at once
		{"five of five kinds", "tcp {\n\tport = 70000\n\tbaklog = 5\n}\nname = \"x\non = perhaps\nidle = ${no}\n",
			"t:2:9: port: 70000 is above 65535\nt:3:2: unknown key `baklog`, did you mean `backlog`?\n" +
				"t:5:8: string without closing quote\nt:6:6: on: `perhaps` is neither yes nor no\nt:7:8: `${no}`: no such variable, did you mean `on`?"},
		{"five on five lines", "a b\nc d\ne f\ng h\ni j\n",
			"t:1:3: `a` is followed by neither an operator nor a brace, write `a = ...`\nt:2:3: `c` is followed by neither an operator nor a brace, write `c = ...`\n" +
				"t:3:3: `e` is followed by neither an operator nor a brace, write `e = ...`\nt:4:3: `g` is followed by neither an operator nor a brace, write `g = ...`\n" +
				"t:5:3: `i` is followed by neither an operator nor a brace, write `i = ...`"},
		{"two strings side by side", "name = \"a\nkey = 'b\n", "t:1:8: string without closing quote\nt:2:7: string without closing quote"},
		{"a string without its continuation", "name = \"a \\\n\tb\n\tc { \\\n\t})\"\non = yes\nsmall = x\n",
			"t:1:8: string without closing quote\nt:6:9: small: `x` is not a whole number"},
		{"a bad header keeps its braces", "tcp {\n\tport = 1\n\tx = y z {\n\t}\n}\n",
			"t:3:8: text after the value of `x`, a value with spaces needs quotes"},
		{"a mistake before a brace", "tcp { port = 1, x = y z }\nsmall = 1\n",
			"t:1:23: text after the value of `x`, a value with spaces needs quotes"},
		{"a long name has no hint", long + " = 1\n", "t:1:1: unknown key `" + long + "`"},
		{"the column after a tab and an umlaut", "\tname = \"ä${no}\"\n", "t:1:12: `${no}`: no such variable"},
		{"the line and column after a continuation", "name = \"a\\\n b${no}\"\n", "t:2:3: `${no}`: no such variable"},
		{"spaces dropped in a continuation", "name = \"\\\n\t\tb${no}\"\n", "t:2:4: `${no}`: no such variable"},
		{"carriage returns", "name = x\r\nsmall = y\r\n", "t:2:9: small: `y` is not a whole number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := everyMistake("t", c.text, new(settings)); got != c.want {
				t.Errorf("%q\n got %s\nwant %s", c.text, got, c.want)
			}
		})
	}
}

// A value with a comma that has no quotes ends there. What follows may be the rest of a secret: no mistake shows it.
func TestWrongCommaShowsNoSecret(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
	}{
		{"a word", "secret = a,MARKED\n", "t:1:12"},
		{"two words", "secret = a,MARKED more\n", "t:1:19"},
		{"a key", "secret = a,MARKED=x\n", "t:1:12"},
		{"a key and a bad value", "secret = a,MARKED=x y\n", "t:1:21"},
		{"an underscore", "secret = a,_MARKED\n", "t:1:12"},
		{"a directive", "secret = a,$MARKED\n", "t:1:12"},
		{"a bracket", "secret = a,MARKED(b)\n", "t:1:18"},
		{"a quote", "secret = a,\"MARKED\n", "t:1:12"},
		{"an expansion", "secret = a,%{MARKED}\n", "t:1:12"},
		{"a misspelt secret", "secrt = a,MARKED\n", "t:1:1: unknown key `secrt`, did you mean `secret`?\nt:1:11"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := everyMistake("t", c.text, new(settings))
			name, _, _ := strings.Cut(c.text, " ")
			want := c.want + ": text after the comma that ends the value of `" + name + "`, a value with a comma needs quotes"
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
	for _, text := range []string{"secret = 'a,b'\n", "name = x,secret = y\n", "name = x, secret = y\n"} {
		if got := everyMistake("t", text, new(settings)); got != "" {
			t.Errorf("%q: %s", text, got)
		}
	}
	// With a space, or behind quotes, it is what it says.
	for text, want := range map[string]string{
		"name = x, nme = y\n":  "t:1:11: unknown key `nme`, did you mean `name`?",
		"name = 'x',nme = y\n": "t:1:12: unknown key `nme`, did you mean `name`?",
	} {
		if got := everyMistake("t", text, new(settings)); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}
