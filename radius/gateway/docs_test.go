package gateway

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// The documentation has every key that is read, in the chapter of its section.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, gateway, found := strings.Cut(string(text), "\n# The gateway\n")
	if !found {
		t.Fatal("no chapter on the gateway")
	}
	chapters := map[string]string{}
	for _, part := range strings.Split(gateway, "\n## ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		chapters[title] = body
	}
	for _, c := range []struct {
		chapter string
		keys    []any
		more    []string
		foreign []foreign
	}{
		{"client", []any{clientKeys{}, limitKeys{}}, []string{"certificate"}, foreignClient},
		{"home_server", []any{homeKeys{}, oldHomeKeys{}, homeLimitKeys{}, retransmitKeys{}},
			append([]string{"protocol", "proto", "tls", "retransmit", "coa"}, addressKeys...), foreignHome},
		{"home_server_pool", []any{poolKeys{}}, nil, foreignPool},
		{"realm", []any{realmKeys{}}, nil, foreignRealm},
		{"proxy", []any{proxyKeys{}}, nil, foreignProxy},
		{"rewrite", []any{ruleKeys{}}, nil, nil},
		{"server, with namespace radius", []any{serverKeys{}}, nil, nil},
	} {
		body := chapters[c.chapter]
		names := c.more
		for _, k := range c.keys {
			names = append(names, keysOf(reflect.TypeOf(k))...)
		}
		for _, f := range c.foreign {
			names = append(names, f.name)
		}
		for _, name := range names {
			if !regexp.MustCompile("`([a-z_]+ \\{ )?" + name + "[` ]").MatchString(body) {
				t.Errorf("chapter %s has no `%s`", c.chapter, name)
			}
		}
	}
}

func keysOf(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if tag, ok := f.Tag.Lookup("conf"); ok {
			name, _, _ := strings.Cut(tag, ",")
			names = append(names, name)
		} else if f.Anonymous {
			names = append(names, keysOf(f.Type)...)
		}
	}
	return names
}
