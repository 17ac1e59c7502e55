package cert

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// The documentation and the mistake of an empty section have every key.
func TestKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| key | what of the certificate |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	if !found {
		t.Fatal("there is no table of the keys")
	}
	keys := reflect.TypeFor[certKeys]()
	var names []string
	for i := range keys.NumField() {
		name := keys.Field(i).Tag.Get("conf")
		names = append(names, name)
		if !strings.Contains(table, "\n| `"+name+"` |") {
			t.Errorf("the table has no `%s`", name)
		}
	}
	if got := strings.Join(names, ", "); got != keyNames {
		t.Errorf("the keys are %s, not %s", got, keyNames)
	}
}
