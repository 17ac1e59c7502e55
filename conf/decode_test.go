package conf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"os/user"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDecodeValues reads one value of each form.
func TestDecodeValues(t *testing.T) {
	day := 24 * time.Hour
	prefix := netip.MustParsePrefix
	for _, c := range []struct {
		text string
		get  func(*settings) any
		want any
	}{
		{"name = x", func(s *settings) any { return s.Name }, "x"},
		{"name = \"\"", func(s *settings) any { return s.Name }, ""},
		{"name := x", func(s *settings) any { return s.Name }, "x"},
		{"on = yes", func(s *settings) any { return s.On }, true},
		{"on = TRUE", func(s *settings) any { return s.On }, true},
		{"on = On", func(s *settings) any { return s.On }, true},
		{"on = no", func(s *settings) any { return s.On }, false},
		{"on = False", func(s *settings) any { return s.On }, false},
		{"on = OFF", func(s *settings) any { return s.On }, false},
		{"count = 2", func(s *settings) any { return s.Count }, 2},
		{"count = 1000", func(s *settings) any { return s.Count }, 1000},
		{"count = unlimited", func(s *settings) any { return s.Count }, 0},
		{"small = -128", func(s *settings) any { return s.Small }, int8(-128)},
		{"small = 127", func(s *settings) any { return s.Small }, int8(127)},
		{"small = 0", func(s *settings) any { return s.Small }, int8(0)},
		{"byte = 0xFf", func(s *settings) any { return s.Byte }, uint8(255)},
		{"port = 65535", func(s *settings) any { return s.Port }, uint16(65535)},
		{"port = domain", func(s *settings) any { return s.Port }, uint16(53)},
		{"port = https", func(s *settings) any { return s.Port }, uint16(443)},
		{"buffer = 1024", func(s *settings) any { return s.Buffer }, uint32(1024)},
		{"buffer = 64k", func(s *settings) any { return s.Buffer }, uint32(64 << 10)},
		{"buffer = 64K", func(s *settings) any { return s.Buffer }, uint32(64 << 10)},
		{"buffer = 64kB", func(s *settings) any { return s.Buffer }, uint32(64 << 10)},
		{"buffer = 64KiB", func(s *settings) any { return s.Buffer }, uint32(64 << 10)},
		{"buffer = 2000B", func(s *settings) any { return s.Buffer }, uint32(2000)},
		{"buffer = 1M", func(s *settings) any { return s.Buffer }, uint32(1 << 20)},
		{"buffer = 1MiB", func(s *settings) any { return s.Buffer }, uint32(1 << 20)},
		{"idle = never", func(s *settings) any { return s.Idle }, time.Duration(0)},
		{"idle = 30", func(s *settings) any { return s.Idle }, 30 * time.Second},
		{"idle = 30s", func(s *settings) any { return s.Idle }, 30 * time.Second},
		{"idle = 0.5", func(s *settings) any { return s.Idle }, 500 * time.Millisecond},
		{"idle = 1.25s", func(s *settings) any { return s.Idle }, 1250 * time.Millisecond},
		{"idle = 500ms", func(s *settings) any { return s.Idle }, 500 * time.Millisecond},
		{"idle = 10000us", func(s *settings) any { return s.Idle }, 10 * time.Millisecond},
		{"idle = 2m", func(s *settings) any { return s.Idle }, 2 * time.Minute},
		{"idle = 1h", func(s *settings) any { return s.Idle }, time.Hour},
		{"wait = 0", func(s *settings) any { return s.Wait }, time.Duration(0)},
		{"wait = 1.5d", func(s *settings) any { return s.Wait }, 36 * time.Hour},
		{"wait = 2w", func(s *settings) any { return s.Wait }, 14 * day},
		{"wait = 0.123456789", func(s *settings) any { return s.Wait }, 123456789 * time.Nanosecond},
		{"addr = 192.0.2.1", func(s *settings) any { return s.Addr }, netip.MustParseAddr("192.0.2.1")},
		{"addr = 2001:db8::1", func(s *settings) any { return s.Addr }, netip.MustParseAddr("2001:db8::1")},
		{"addr = *", func(s *settings) any { return s.Addr }, netip.IPv4Unspecified()},
		{"addr4 = *", func(s *settings) any { return s.Addr4 }, netip.IPv4Unspecified()},
		{"addr6 = *", func(s *settings) any { return s.Addr6 }, netip.IPv6Unspecified()},
		{"addr6 = ::1", func(s *settings) any { return s.Addr6 }, netip.IPv6Loopback()},
		{"net = 10/8", func(s *settings) any { return s.Net }, prefix("10.0.0.0/8")},
		{"net = 192.168.0/16", func(s *settings) any { return s.Net }, prefix("192.168.0.0/16")},
		{"net = 172.16/12", func(s *settings) any { return s.Net }, prefix("172.16.0.0/12")},
		{"net = 192.0.2.77/24", func(s *settings) any { return s.Net }, prefix("192.0.2.0/24")},
		{"net = 192.0.2.77", func(s *settings) any { return s.Net }, prefix("192.0.2.77/32")},
		{"net = 2001:db8::1/32", func(s *settings) any { return s.Net }, prefix("2001:db8::/32")},
		{"net = ::1", func(s *settings) any { return s.Net }, prefix("::1/128")},
		{"net = *", func(s *settings) any { return s.Net }, prefix("0.0.0.0/0")},
		{"net = 0/0", func(s *settings) any { return s.Net }, prefix("0.0.0.0/0")},
		{"allow = 10/8\nallow += ::1", func(s *settings) any { return s.Allow }, []netip.Prefix{prefix("10.0.0.0/8"), prefix("::1/128")}},
		{"mode = 0660", func(s *settings) any { return s.Mode }, fs.FileMode(0o660)},
		{"mode = 660", func(s *settings) any { return s.Mode }, fs.FileMode(0o660)},
		{"kind = DATAGRAM", func(s *settings) any { return s.Kind }, "datagram"},
		{"user = 1234", func(s *settings) any { return s.User }, 1234},
		{"user = root", func(s *settings) any { return s.User }, 0},
		{"group = 0", func(s *settings) any { return s.Group }, 0},
		{"even = 2", func(s *settings) any { return s.Even }, even(2)},
		{"level = 3", func(s *settings) any { return *s.Level }, 3},
		{"", func(s *settings) any { return s.Level == nil }, true},
		{"tcp { port = 7, backlog = 5 }", func(s *settings) any { return s.TCP }, tcpSettings{Port: 7, Backlog: 5}},
		{"client a { ipaddr = 10/8 }\nclient b { ipaddr = 1.2.3.4 }", func(s *settings) any { return s.Clients },
			[]client{{prefix("10.0.0.0/8")}, {prefix("1.2.3.4/32")}}},
	} {
		t.Run(c.text, func(t *testing.T) {
			s := settings{User: -1, Group: -1}
			if msg := everyMistake("t", c.text, &s); msg != "" {
				t.Fatal(msg)
			}
			if got := c.get(&s); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if g, err := user.LookupGroupId("0"); err == nil {
		var s settings
		if msg := everyMistake("t", "group = "+g.Name, &s); msg != "" || s.Group != 0 {
			t.Errorf("group by name: %d, %s", s.Group, msg)
		}
	}
}

// TestDecodeDefaults checks that what is not in the file keeps its value, and that a list in the file replaces it.
func TestDecodeDefaults(t *testing.T) {
	s := settings{Name: "default", Idle: time.Minute, Allow: []netip.Prefix{netip.MustParsePrefix("::/0")}, TCP: tcpSettings{Backlog: 7}}
	if msg := everyMistake("t", "tcp { port = 1 }\n", &s); msg != "" {
		t.Fatal(msg)
	}
	if s.Name != "default" || s.Idle != time.Minute || len(s.Allow) != 1 || s.TCP != (tcpSettings{Port: 1, Backlog: 7}) {
		t.Errorf("%+v", s)
	}
	if msg := everyMistake("t", "allow = 10/8\nname = \"\"\n", &s); msg != "" {
		t.Fatal(msg)
	}
	if s.Name != "" || fmt.Sprint(s.Allow) != "[10.0.0.0/8]" {
		t.Errorf("%+v", s)
	}
	// A wrong value leaves the field alone.
	if msg := everyMistake("t", "idle = x\n", &s); msg == "" || s.Idle != time.Minute {
		t.Errorf("%v, %s", s.Idle, msg)
	}
}

// TestDecodeShapes reads into embedded structs, pointers, nodes and slices of them.
func TestDecodeShapes(t *testing.T) {
	type Common struct {
		A int `conf:"a"`
	}
	var dst struct {
		Common
		Plain    int
		B        []*int     `conf:"b"`
		Name     *string    `conf:"name"`
		Node     *Pair      `conf:"node"`
		Nodes    []*Pair    `conf:"list"`
		Section  *Section   `conf:"raw"`
		Sections []*Section `conf:"many"`
		Opt      *Common    `conf:"opt"`
		Absent   *Common    `conf:"absent"`
		Each     []*Common  `conf:"each"`
		Evens    []even     `conf:"even"`
		Secret   *Secret    `conf:"secret"`
	}
	root := mustParse(t, "a = 1\nb = 2\nb = 3\nname = n\nnode =\nlist = x\nlist += y\nraw {\n\tz = 1\n}\nmany {\n}\nmany {\n}\nopt { a = 4 }\neach { a = 5 }\neach { a = 6 }\neven = 2\neven = 2\nsecret = s\n")
	if err := root.Decode(&dst); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(dst.A, *dst.B[0], *dst.B[1], *dst.Name, dst.Node.Pos, dst.Nodes[1].Value, dst.Section.Pos.Line, len(dst.Sections),
		dst.Opt.A, dst.Absent == nil, dst.Each[0].A, dst.Each[1].A, dst.Evens, dst.Secret.Reveal())
	if want := "1 2 3 n t:5:1 y 8 2 4 true 5 6 [2 2] s\n"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// What is in a raw section is its reader's.
	if errs := root.Unknown(); len(errs) != 1 || errs[0].Error() != "t:9:2: unknown key `z`" {
		t.Errorf("%v", errs)
	}
}

func TestDecodeRequired(t *testing.T) {
	var dst struct {
		A   string   `conf:"a,required"`
		B   []string `conf:"b,required"`
		Sub struct {
			C Secret `conf:"c,required"`
		} `conf:"sub,required"`
	}
	for text, want := range map[string]string{
		"":                                  "t:1:1: a is missing\nt:1:1: b is missing\nt:1:1: sub { } is missing",
		"a = \"\"\nb = \"\"\nsub { }\n":     "t:1:5: a: is empty\nt:2:5: b: is empty\nt:3:1: sub: c is missing",
		"a = x\nb = x\nsub { c = x }\n":     "",
		"a = \"x\nb = x\nsub { c = x y }\n": "t:1:5: string without closing quote\nt:3:13: text after the value of `c`, a value with spaces needs quotes",
	} {
		if got := everyMistake("t", text, &dst); got != want {
			t.Errorf("%q\n got %s\nwant %s", text, got, want)
		}
	}
}

// TestZero checks where a bare 0 is the word.
func TestZero(t *testing.T) {
	var dst struct {
		Max  uint32        `conf:"max,unlimited,zero"`
		Life time.Duration `conf:"life,never,zero,min=5s"`
		Size int64         `conf:"size,size,unlimited"`
	}
	dst.Max, dst.Life, dst.Size = 1, 1, 1
	if msg := everyMistake("t", "max = 0\nlife = 0\nsize = unlimited\n", &dst); msg != "" || dst.Max != 0 || dst.Life != 0 || dst.Size != 0 {
		t.Errorf("%+v %s", dst, msg)
	}
	if msg := everyMistake("t", "size = 0k\n", &dst); msg != "t:1:8: size: 0 is not possible here: write unlimited" {
		t.Error(msg)
	}
}

// TestFiles checks that a file is looked for beside the file that names it.
func TestFiles(t *testing.T) {
	writeTree(t, map[string]string{
		"etc/main.conf": "key = key.pem\n$INCLUDE sub/more.conf\n", "etc/key.pem": "x", "etc/sub/more.conf": "dir = certs\nlog = log/none\nkeys = a.pem\nkeys = ../key.pem\n",
		"etc/sub/certs/ca.pem": "x", "etc/sub/a.pem": "x",
	})
	var dst struct {
		Key  string   `conf:"key,file"`
		Dir  string   `conf:"dir,dir"`
		Log  string   `conf:"log,path"`
		Keys []string `conf:"keys,file"`
	}
	root, err := ParseFile("etc/main.conf", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := root.Decode(&dst); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(dst); got != "{etc/key.pem etc/sub/certs etc/sub/log/none [etc/sub/a.pem etc/key.pem]}" {
		t.Error(got)
	}
	if err := os.Remove("etc/key.pem"); err != nil {
		t.Fatal(err)
	}
	err = root.Decode(&dst)
	const want = "etc/main.conf:1:7: key: etc/key.pem: no such file or directory\netc/sub/more.conf:4:8: keys: etc/key.pem: no such file or directory"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestPortNetwork(t *testing.T) {
	var dst struct {
		TCP int `conf:"tcp,port=tcp"`
		UDP int `conf:"udp,port=udp"`
	}
	if msg := everyMistake("t", "tcp = http\nudp = ntp\n", &dst); msg != "" || dst.TCP != 80 || dst.UDP != 123 {
		t.Errorf("%+v %s", dst, msg)
	}
}

// TestSecretHidden prints a secret in every way there is.
func TestSecretHidden(t *testing.T) {
	const value = "hunter2"
	s := NewSecret(value)
	type holder struct {
		Exported Secret
		private  Secret
		Pointer  *Secret
	}
	h := holder{s, s, &s}
	var out strings.Builder
	for verb := rune(1); verb < 128; verb++ {
		for _, flags := range []string{"", "+", "#", "-10", "010", " ", "+#.3"} {
			for _, v := range []any{s, &s, h, &h, []Secret{s}, map[string]Secret{"k": s}, [1]any{s}} {
				fmt.Fprintf(&out, "%"+flags+string(verb), v)
			}
		}
	}
	for _, v := range []any{s, h, &h, map[string]any{"k": s}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("x", "k", v, slog.Group("g", "k", v))
		}
	}
	fmt.Fprint(&out, errors.New(s.String()), s.GoString())
	for _, leak := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), fmt.Sprint([]byte(value)), strconv.QuoteToASCII(value)} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("shown as %s", leak)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s); got != "<hidden>" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if s.Reveal() != value || (Secret{}).Reveal() != "" {
		t.Error("Reveal does not return the value")
	}
}

// TestSecretNotInErrors checks that no mistake, of any kind, around a secret shows it.
func TestSecretNotInErrors(t *testing.T) {
	for _, text := range []string{
		"secret = hunter2 hunter2", "secret hunter2", "secret = \"hunter2", "secret = hunter2\nsecret = hunter2", "secret += hunter2", "secert = hunter2",
		"secret = hunter2${x}", "secret = hunter2$ENV{NO}", "secret = \"hunter2\" x", "secret = \"hunter2\\000\"", "tcp {\nsecret = hunter2", "x = ${secret}hunter2${y}\nsecret = hunter2",
		"if (hunter2", "$INCLUDE ${secret}/x\nsecret = hunter2", "secret {\n x = hunter2\n}",
	} {
		got := everyMistake("t", text, new(settings))
		if got == "" || strings.Contains(got, "hunter2") {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// TestTagPanics checks that a wrong tag is found by whoever writes it.
func TestTagPanics(t *testing.T) {
	root := mustParse(t, "a = 1\n")
	for name, dst := range map[string]any{
		"no struct":  new(int),
		"no pointer": struct{}{},
		"no name": new(struct {
			A int `conf:",required"`
		}),
		"unknown option": new(struct {
			A int `conf:"a,requierd"`
		}),
		"two forms": new(struct {
			A int `conf:"a,size,mode"`
		}),
		"value of a flag": new(struct {
			A int `conf:"a,required=yes"`
		}),
		"no limit": new(struct {
			A int `conf:"a,min=x"`
		}),
		"no duration limit": new(struct {
			A time.Duration `conf:"a,min=x"`
		}),
		"unexported": new(struct {
			a int `conf:"a"`
		}),
		"type": new(struct {
			A complex128 `conf:"a"`
		}),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			root.Decode(dst)
		})
	}
}

func TestErrorsAs(t *testing.T) {
	one := mustParse(t, "a = 1\n").Pairs("a")[0].Errorf("a: x")
	var list Errors
	if !errors.As(fmt.Errorf("wrapped: %w", one), &list) || len(list) != 1 || list[0] != one {
		t.Errorf("Errors of one Error: %v", list)
	}
	var single *Error
	if !errors.As(Errors{one}.Err(), &single) || single != one {
		t.Errorf("an Error of Errors: %v", single)
	}
	if Errors(nil).Err() != nil {
		t.Error("no mistakes are an error")
	}
	at := func(file string, line, column int, msg string) *Error {
		return &Error{Pos: Pos{file, line, column}, Msg: msg}
	}
	mixed := Errors{at("b", 2, 1, "x"), at("a", 1, 1, "x"), at("b", 1, 5, "x"), at("b", 1, 2, "x"), at("b", 1, 5, "x"), at("b", 1, 5, "y")}
	if got := mixed.Err().Error(); got != "b:1:2: x\nb:1:5: x\nb:1:5: y\nb:2:1: x\na:1:1: x" {
		t.Error(got)
	}
}

// TestBadPair checks that a pair whose text is wrong is given, and that whoever complains of it repeats the mistake.
func TestBadPair(t *testing.T) {
	root, err := ParseString("t", "protocol = tcp udp\n", Options{})
	pairs := root.Take("protocol")
	if err == nil || len(pairs) != 1 {
		t.Fatalf("%v, %d pairs", err, len(pairs))
	}
	own := Errors{pairs[0].Errorf("protocol: no method %q", pairs[0].Value)}
	if all := append(err.(Errors), own...).Sorted(); len(all) != 1 || all[0].Error() != err.Error() {
		t.Errorf("%v", all)
	}
}

// manyWrong returns several mistakes, or one without a position.
type manyWrong struct{ text string }

func (m *manyWrong) DecodeConf(p *Pair) error {
	if p.Value == "two" {
		return Errors{p.Errorf("a: first"), p.Parent().Errorf("a: second")}
	}
	m.text = p.Value
	return nil
}

func TestDecoder(t *testing.T) {
	var dst struct {
		A manyWrong   `conf:"a"`
		B []manyWrong `conf:"b"`
		C *manyWrong  `conf:"c"`
	}
	if got := everyMistake("t", "a = two\nb = x\nb += y\nc = z\n", &dst); got != "t:1:1: a: second\nt:1:5: a: first" {
		t.Error(got)
	}
	if len(dst.B) != 2 || dst.B[1].text != "y" || dst.C.text != "z" {
		t.Errorf("%+v", dst)
	}
}
