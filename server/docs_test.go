package server

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// The documentation has every key of log { } and of a listen of namespace radius, and every command.
func TestOperationsDocumentation(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	chapters := map[string]string{}
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		chapters[title] = body
	}
	keys := reflect.TypeFor[logKeys]()
	for i := range keys.NumField() {
		if name, _, _ := strings.Cut(keys.Field(i).Tag.Get("conf"), ","); !strings.Contains(chapters["log"], "    "+name+" ") {
			t.Errorf("chapter log has no %s", name)
		}
	}
	for chapter, keys := range map[string]reflect.Type{
		"listen and home_server": reflect.TypeFor[messageKeys](), "server, with namespace radius": reflect.TypeFor[radiusKeys](),
	} {
		for i := range keys.NumField() {
			if name, _, _ := strings.Cut(keys.Field(i).Tag.Get("conf"), ","); !strings.Contains(chapters[chapter], "| `"+name+"` |") {
				t.Errorf("chapter %s has no `%s`", chapter, name)
			}
		}
	}
	for _, c := range commands {
		if !strings.Contains(chapters["control"], "`"+c.name+"`") {
			t.Errorf("chapter control has no `%s`", c.name)
		}
	}
}
