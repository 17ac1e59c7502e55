package conf

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// lines repeats a line count times; %d in it is the number.
func lines(count int, format string) string {
	var b strings.Builder
	for i := range count {
		if strings.Contains(format, "%d") || strings.Contains(format, "%[1]d") {
			fmt.Fprintf(&b, format, i)
		} else {
			b.WriteString(format)
		}
	}
	return b.String()
}

// TestLinear doubles inputs that make a careless parser slow, and counts what is looked at.
func TestLinear(t *testing.T) {
	repeat := func(text string) func(int) string { return func(n int) string { return strings.Repeat(text, n) } }
	each := func(format string) func(int) string { return func(n int) string { return lines(n, format) } }
	for name, make := range map[string]func(n int) string{
		"pairs":                   each("a%d = b\n"),
		"one name":                repeat("a = b\n"),
		"one line":                repeat("a = b, "),
		"sections":                repeat("a { b = ${c}\n}\n"),
		"sections on one line":    repeat("a { } "),
		"braces":                  repeat("a {"),
		"closing braces":          repeat("}"),
		"open quotes":             repeat("a = \"b\n"),
		"open quotes on one line": repeat("a \" "),
		"backslashes":             func(n int) string { return "a = \"" + strings.Repeat(`\\`, n) + "\"" },
		"continuations":           repeat("a\\\n"),
		"continuations in quotes": func(n int) string { return "a = \"\\\n" + strings.Repeat("  b\\\n", n) + "\"" },
		"lost continuations":      repeat("a = \"\\\n\nb c\n"),
		"calls":                   repeat("a\n\n"),
		"calls and comments":      func(n int) string { return lines(n, "a\n") + lines(n, "# b\n") },
		"calls and stray braces":  repeat("a\n{\n}\nb = ${c}\n"),
		"names without operator":  func(n int) string { return lines(n, "a b\n") + strings.Repeat("\n", n) },
		"open references":         repeat("a = ${\n"),
		"open references, a line": func(n int) string { return "a = " + strings.Repeat("${", n) },
		"references":              repeat("a = ${b}\n"),
		"references in a value":   func(n int) string { return "b = c\na = \"" + strings.Repeat("${b}", n) + "\"" },
		"backward chain":          func(n int) string { return "a = x\n" + lines(n, "b = ${a}\n") },
		"forward chain":           func(n int) string { return lines(n, "a%d = ${a1}${z}\n") + "z = 1\n" },
		"long forward chain": func(n int) string {
			return strings.ReplaceAll(lines(n, "a%[1]d = ${b%[1]d}\nb%[1]d = ${c}\n"), "\\", "") + "c = 1"
		},
		"doubling":                 func(n int) string { return "a0 = xxxxxxxxxxxxxxxx\n" + doubling(n) },
		"long value often":         func(n int) string { return "a = " + strings.Repeat("x", n) + "\n" + strings.Repeat("b = ${a}\n", n) },
		"up":                       func(n int) string { return strings.Repeat("a = ${"+strings.Repeat(".", 50)+"x}\n", n) },
		"path":                     func(n int) string { return "a = ${" + strings.Repeat("a.", n) + "x}\n" },
		"conditions":               repeat("if ("),
		"conditions, lines":        repeat("if ((((a) {\n}\n"),
		"expansions":               repeat("%{"),
		"expansions, lines":        repeat("%{a\n"),
		"expansions in conditions": func(n int) string { return "if (" + strings.Repeat("%{", n) },
		"slashes":                  func(n int) string { return "if (a =~ " + strings.Repeat("/", n) },
		"templates": func(n int) string {
			return "templates {\nt {\n" + lines(n, "a%d = b\n") + "}\n}\n" + strings.Repeat("s {\n$template t\n}\n", n)
		},
		"templates of templates": func(n int) string {
			return "templates {\nt0 {\na = b\n}\n" + strings.ReplaceAll(lines(n, "t%d {\n$template t0\nx%[1]d = y\n}\n"), "%!", "") + "}\n"
		},
		"equal sections in templates": func(n int) string {
			return "templates {\nt {\n" + strings.Repeat("x {\n}\n", n) + "}\n}\ns {\nx {\n" + lines(n, "a%d = b\n") + "}\n$template t\n}\n"
		},
		"section copies": func(n int) string {
			return "b {\n" + lines(n, "x%d = y\n") + "}\na {\n" + lines(n, "c = ${..b}\n") + "}\n"
		},
		"copies of copies": func(n int) string {
			return lines(n, "s%[1]d {\n}\n") + "t0 {\n}\n" + lines(n, "u%[1]d {\na = ${t0}\nb = ${t0}\n}\n")
		},
		"second names": repeat("a ${b} {\n}\n"),
		"NUL":          repeat("\x00{\n"),
	} {
		t.Run(name, func(t *testing.T) {
			work := func(n int) int {
				p := newParser("t", Options{Getenv: testEnv})
				text := make(n)
				p.bytes, p.files = len(text), append(p.files, openFile{name: "t"})
				p.read("t", text)
				p.expandPending()
				return p.steps
			}
			const n = 2000
			once, twice := work(n), work(2*n)
			if twice > 2*once+once/4+1000 {
				t.Errorf("%d steps for n, %d for 2n", once, twice)
			}
			if text := make(n); once > (64+expandFactor)*len(text)+2*expandBase {
				t.Errorf("%d steps for %d bytes", once, len(text))
			}
		})
	}
}

// doubling makes each variable twice the one before it.
func doubling(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d = ${a%d}${a%d}\n", i+1, i, i)
	}
	return b.String()
}

func TestLimits(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("a {\n", n) + strings.Repeat("}\n", n) }
	chain := func(n int) string {
		return lines(n, "a%d = ${b}\n") + "b = ${c0}\n" + func() string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "c%d = ${c%d}\n", i, i+1)
			}
			return b.String()
		}() + fmt.Sprintf("c%d = end\n", n)
	}
	for _, c := range []struct{ name, text, want string }{
		{"nesting", nested(maxNesting), ""},
		{"nesting too deep", nested(maxNesting + 1), "t:101:1: sections are nested deeper than 100, the rest is not read"},
		{"chain", chain(maxChain - 2), ""},
		{"chain too long", chain(maxChain + 2), "t:202:7: `${c99}`: more than 100 references to references"},
		{"value", "a = " + strings.Repeat("x", maxValueBytes) + "\nb = ${a}\n", ""},
		{"value too long", "a = " + strings.Repeat("x", maxValueBytes) + "\nb = ${a}x\n", "t:2:5: the value is longer than 65536 bytes"},
		{"doubling", "a0 = xx\n" + doubling(40), "t:17:7: the value is longer than 65536 bytes"},
		{"all values", "a = " + strings.Repeat("x", 60000) + "\n" + strings.Repeat("b = ${a}\n", 1000),
			"t:93:5: references and templates add more than 5464896 bytes"},
		{"copies too deep", "deep {\n" + strings.Repeat("a {\n", 60) + strings.Repeat("}\n", 61) + strings.Repeat("b {\n", 60) +
			"c = ${deep}\n" + strings.Repeat("}\n", 60), "t:183:5: sections are nested deeper than 100"},
		{"copies", "deep {\n" + lines(20000, "x%d = y\n") + "}\n" + strings.Repeat("b {\nc = ${deep}\n}\n", 5),
			"t:20010:5: references and templates add more than 14423872 bytes"},
		{"templates", "templates {\nt {\n" + lines(20000, "x%d = y\n") + "}\n}\n" + strings.Repeat("b {\n$template t\n}\n", 5),
			"t:20012:11: references and templates add more than 14424576 bytes"},
		{"mistakes", strings.Repeat("}\n", 2000), "1001"},
		{"file", strings.Repeat("#", maxFileBytes+1), "t:1:1: larger than 4194304 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseString("t", c.text, Options{})
			switch list, _ := err.(Errors); {
			case c.want == "" && err != nil || c.want != "" && err == nil:
				t.Errorf("%v, want %q", err, c.want)
			case c.want == "1001":
				if last := list[len(list)-1].Error(); len(list) != 1001 || last != "t:1000:1: too many mistakes, the rest is not read" {
					t.Errorf("%d mistakes, %s", len(list), last)
				}
			case c.want != "" && list[0].Error() != c.want:
				t.Errorf("%v, want %s", list[0], c.want)
			}
		})
	}
}

// TestIncludeLimits checks depth, count and size of included files.
func TestIncludeLimits(t *testing.T) {
	files := map[string]string{"big.conf": strings.Repeat("#", maxFileBytes+1), "often.conf": strings.Repeat("$INCLUDE empty.conf\n", maxIncludes+1), "empty.conf": ""}
	for i := range 40 {
		files[fmt.Sprintf("d%d.conf", i)] = fmt.Sprintf("a = %d\n$INCLUDE d%d.conf\n", i, i+1)
	}
	files["d40.conf"] = ""
	files["heavy.conf"] = strings.Repeat("$INCLUDE half.conf\n", 40)
	files["half.conf"] = strings.Repeat("#", maxFileBytes/2)
	writeTree(t, files)
	for _, c := range []struct {
		file string
		opt  Options
		want string
	}{
		{"d8.conf", Options{}, ""},
		{"d7.conf", Options{}, "d39.conf:2:10: include d40.conf: files include files deeper than 32"},
		{"d37.conf", Options{MaxDepth: 3}, ""},
		{"d36.conf", Options{MaxDepth: 3}, "d39.conf:2:10: include d40.conf: files include files deeper than 3"},
		{"big.conf", Options{}, "big.conf:1:1: larger than 4194304 bytes"},
		{"often.conf", Options{}, "often.conf:4096:10: more than 4096 files are included, the rest is not read"},
		{"heavy.conf", Options{}, "heavy.conf:9:10: all files together are larger than 16777216 bytes, the rest is not read"},
	} {
		_, err := ParseFile(c.file, c.opt)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%s: %v, want %s", c.file, err, c.want)
		}
	}
	if err := os.Chmod("empty.conf", 0); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		if _, err := ParseString("t", "$-INCLUDE empty.conf\n", Options{}); err == nil || err.Error() != "t:1:11: include empty.conf: permission denied" {
			t.Errorf("an optional file that cannot be read: %v", err)
		}
	}
}
