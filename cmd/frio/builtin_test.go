package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/server"
	"github.com/frio-io/frio/talloc"
)

// The certificates may be in a directory of any name.
func TestBuiltinAnyDirectory(t *testing.T) {
	files, err := makeCertificates(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plain", "two words", `a"quote`, "an'other", "${x}", "$x", "$ENV{HOME}", `back\slash`, "}", "#", "new\nline"} {
		t.Run(name, func(t *testing.T) {
			dir, remove, err := certificatesIn(filepath.Join(t.TempDir(), name), files)
			defer remove()
			if err != nil {
				t.Fatal(err)
			}
			text, _, err := builtinConfig(dir, func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			root := talloc.Root("test")
			defer root.Free()
			if _, err := server.LoadString(root, "built-in", text, server.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A directory that lacks some of the files is refused: the commands to try would not work, and what is there may be somebody's.
func TestBuiltinIncompleteDirectory(t *testing.T) {
	dir := madeCertificates(t)
	if err := os.Remove(filepath.Join(dir, "client.key")); err != nil {
		t.Fatal(err)
	}
	code, out, errs := inProcess("", "run", "-certs", dir)
	if code != 1 || out != "" || !strings.HasPrefix(errs, "frio: certificates: ") || !strings.Contains(errs, "client.key") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}
