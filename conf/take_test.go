package conf

import (
	"errors"
	"testing"
)

func TestTakeSection(t *testing.T) {
	root := mustParse(t, "a {\n\tx = 1\n}\na {\n}\na {\n}\nb {\n}\n")
	s, err := root.TakeSection("a")
	if s == nil || s.Pos.Line != 1 || err == nil || err.Error() != "t:4:1: a: given already at t:1:1\nt:6:1: a: given already at t:1:1" {
		t.Errorf("%v, %v", s, err)
	}
	var list Errors
	if !errors.As(err, &list) {
		t.Error("the error is not Errors")
	}
	if s, err := root.TakeSection("b"); s == nil || err != nil {
		t.Errorf("b: %v, %v", s, err)
	}
	if s, err := root.TakeSection("c"); s != nil || err != nil {
		t.Errorf("c: %v, %v", s, err)
	}
	if errs := root.Unknown(); len(errs) != 1 || errs[0].Error() != "t:2:2: unknown key `x`" {
		t.Errorf("%v", errs)
	}
}

func TestTake(t *testing.T) {
	root := mustParse(t, "a = 1\nb = 2\na = 3\ns {\n\ta = 4\n}\nu {\n}\n")
	if list := root.Pairs("a"); len(list) != 2 || len(root.Unknown()) != 5 {
		t.Errorf("Pairs marks: %v", root.Unknown())
	}
	if list := root.Sections(""); len(list) != 2 || len(root.Unknown()) != 5 {
		t.Errorf("Sections marks: %v", root.Unknown())
	}
	if list := root.Take("a"); len(list) != 2 || list[1].Value != "3" {
		t.Errorf("Take: %v", list)
	}
	if list := root.Take("none"); list != nil {
		t.Errorf("Take of none: %v", list)
	}
	root.TakeSections("s")
	if errs := root.Unknown(); len(errs) != 3 || errs[1].Error() != "t:5:2: unknown key `a`" || errs[2].Error() != "t:7:1: unknown section `u`" {
		t.Errorf("%v", errs)
	}
}

func TestKnows(t *testing.T) {
	root := mustParse(t, "tiemout = 1\nbacklog = 2\nlisten {\n}\n")
	root.Knows("timeout", "backlog", "listen")
	const want = "t:1:1: unknown key `tiemout`, did you mean `timeout`?\nt:2:1: `backlog` has no effect here\nt:3:1: section `listen` has no effect here"
	if got := root.Unknown().Error(); got != want {
		t.Errorf("got %s", got)
	}
}

// TestTwoReaders checks that two readers of one section report each mistake once and hint with the names of both.
func TestTwoReaders(t *testing.T) {
	root := mustParse(t, "if (x) {\n}\nport = x\nbacklgo = 1\nsql\n")
	var one struct {
		Port int `conf:"port"`
	}
	var two struct {
		Backlog int `conf:"backlog"`
	}
	var all Errors
	for _, dst := range []any{&one, &two} {
		var list Errors
		if errors.As(root.Decode(dst), &list) {
			all = append(all, list...)
		}
	}
	all = append(all, root.Unknown()...)
	const want = "t:1:1: policy statement `if` is not possible here\nt:3:8: port: `x` is not a whole number\n" +
		"t:4:1: unknown key `backlgo`, did you mean `backlog`?\nt:5:1: policy statement `sql` is not possible here"
	if all.Error() == "" || len(all) != 4 || all.Sorted().Error() != want {
		t.Errorf("got %v", all)
	}
}

// TestReferencedCounts checks that what a reference names is not unknown, and only that.
func TestReferencedCounts(t *testing.T) {
	root := mustParse(t, "prefix = /usr\nunused = 1\nvars {\n\tin {\n\t\ta = 1\n\t\tb = 2\n\t}\n}\nown {\n\tx = 1\n\ty = ${.x}\n}\nname = ${prefix}${vars.in.a}\n")
	root.Take("name")
	const want = "t:2:1: unknown key `unused`\nt:6:3: unknown key `b`\nt:9:1: unknown section `own`"
	if got := root.Unknown().Error(); got != want {
		t.Errorf("got %s", got)
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"ipaddr", "port", "max_connections", "tcp"}
	for name, want := range map[string]string{
		"ipadr": "ipaddr", "ipaddr4": "ipaddr", "iapddr": "ipaddr", "prot": "port", "max_conections": "max_connections",
		"maxconnections": "max_connections", "tpc": "tcp", "x": "", "interface": "", "po": "", "": "", "PORT": "",
	} {
		if want != "" {
			want = "did you mean `" + want + "`?"
		}
		if got := DidYouMean(name, known); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// Without leaves out what is called so, at this level only, and does not touch the section itself.
func TestWithout(t *testing.T) {
	parse := func(text string) *Section { return mustParse(t, text).Sections("")[0] }
	all := parse("listen a {\n\tx = 1\n\ttls {\n\t\tx = 2\n\t}\n\ttls other {\n\t}\n\ty = 3\n}\n")
	if rest := all.Without("tls", "y", "z"); !rest.Equal(parse("listen a {\n\tx = 1\n}\n")) || len(rest.Pairs("y")) != 0 {
		t.Error("what is left out is there, or more is missing")
	}
	if len(all.Pairs("y")) != 1 || len(all.Sections("tls")) != 2 {
		t.Error("the section itself has changed")
	}
	if inner := all.Without("x"); len(inner.Sections("tls")[0].Pairs("x")) != 1 {
		t.Error("what is deeper is left out as well")
	}
}
