package conf

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzParse checks that nothing panics, that what Format writes reads back as the same tree, and that the work is bounded
// by the input's length.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		for _, opt := range []Options{{Raw: true}, {Getenv: testEnv}} {
			if !opt.Raw && strings.Contains(strings.ToLower(text), "include") {
				continue // would read files of this machine
			}
			p := newParser("t", opt)
			p.bytes, p.files = len(text), append(p.files, openFile{name: "t"})
			root, err := p.finish("t", text)
			if limit := (64+expandFactor)*len(text) + 2*expandBase; p.steps > limit {
				t.Errorf("%d steps, want at most %d", p.steps, limit)
			}
			var out bytes.Buffer
			if failed := root.Format(&out); failed != nil {
				t.Fatal(failed)
			}
			if err == nil {
				again, err := ParseString("t", out.String(), opt)
				if err != nil {
					t.Fatalf("formatted: %v\n%q", err, out.String())
				}
				if d := difference(root, again); d != "" {
					t.Fatalf("formatted differs: %s\n%q", d, out.String())
				}
			}
			var dst struct {
				Name   string   `conf:"a"`
				Number int      `conf:"b,size,unlimited"`
				List   []string `conf:"c"`
				Sub    struct {
					Secret Secret `conf:"d"`
				} `conf:"s"`
			}
			root.Decode(&dst)
			for _, e := range root.Unknown() {
				if e.Pos.Line < 1 || e.Pos.Column < 1 {
					t.Errorf("position %v", e.Pos)
				}
			}
		}
	})
}
