package tls

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestKeysAreDocumented: each key of `tls { }`, honoured or taken with a note, stands in docs/configuration.md.
func TestKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "### tls\n")
	section, _, ok := strings.Cut(section, "\n### ")
	if !ok {
		t.Fatal("no section about tls")
	}
	var names []string
	for _, of := range []reflect.Type{reflect.TypeFor[keys](), reflect.TypeFor[chainKeys](), reflect.TypeFor[cacheKeys](), reflect.TypeFor[limitConfig]()} {
		for i := range of.NumField() {
			if name, _, _ := strings.Cut(of.Field(i).Tag.Get("conf"), ","); name != "" {
				names = append(names, name)
			}
		}
	}
	for _, l := range legacyKeys {
		names = append(names, l.name)
	}
	for name := range legacySections {
		names = append(names, name)
	}
	if len(names) < 50 {
		t.Errorf("only %d keys looked at", len(names))
	}
	for _, name := range names {
		found := false
		for _, after := range []string{"`", " ", ",", " {"} {
			found = found || strings.Contains(section, "`"+name+after) || strings.Contains(section, ", "+name+after) || strings.Contains(section, "{ "+name+after)
		}
		if !found {
			t.Errorf("%s is not documented", name)
		}
	}
}
