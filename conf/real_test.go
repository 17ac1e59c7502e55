package conf

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const raddb = "/etc/freeradius/3.0"

// needRaddb skips without the Debian package freeradius-config; with FRIO_REQUIRE=all it fails. It is what friotest.Skip does: friotest imports
// this package, so its tests cannot import that.
func needRaddb(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(raddb, "radiusd.conf")); err == nil {
		return
	}
	const why = "the Debian package freeradius-config is not installed"
	if os.Getenv("FRIO_REQUIRE") == "all" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// notRaddb tells why a file of the package is not in configuration syntax, "" if it is. No rule may hide a file that is:
// those below name files and endings that other programs or other parsers of the server read.
func notRaddb(path string) string {
	switch base := filepath.Base(path); {
	case strings.HasPrefix(base, "README"):
		return "text"
	case strings.HasPrefix(path, "certs/"):
		return "openssl, make and shell"
	case base == "dictionary":
		return "a dictionary of attributes"
	case base == "panic.gdb":
		return "commands of gdb"
	case path == "users" || path == "hints" || path == "huntgroups" || strings.HasPrefix(path, "mods-config/files/") ||
		strings.HasPrefix(path, "mods-config/attr_filter/") || strings.HasPrefix(path, "mods-config/preprocess/"):
		return "users file syntax"
	case strings.HasPrefix(path, "mods-config/unbound/"):
		return "configuration of unbound"
	}
	switch ext := filepath.Ext(path); ext {
	case ".sql", ".pl", ".py", ".sh":
		return "code"
	}
	return ""
}

// brokenRaddb is the one file of the package with a mistake, for which the server refuses it as well: a line within a string lacks
// the backslash that continues it. The position is where the string begins.
const (
	brokenRaddb      = "mods-config/sql/main/mongo/queries.conf"
	brokenRaddbError = raddb + "/" + brokenRaddb + ":189:12: string without closing quote"
)

// roundTrip checks that what Format writes reads back as the same tree.
func roundTrip(t *testing.T, root *Section, opt Options) {
	t.Helper()
	var out bytes.Buffer
	if err := root.Format(&out); err != nil {
		t.Fatal(err)
	}
	again, err := ParseString(root.Pos.File, out.String(), opt)
	if err != nil {
		t.Fatalf("formatted: %v\n%s", err, out.String())
	}
	if d := difference(root, again); d != "" || !root.Equal(again) {
		t.Fatalf("formatted differs: %s\n%s", d, out.String())
	}
}

// TestRaddbFiles parses every configuration file of FreeRADIUS 3 as it is and formats it back.
func TestRaddbFiles(t *testing.T) {
	needRaddb(t)
	total, parsed, broken, other := 0, 0, 0, map[string]int{}
	err := filepath.WalkDir(raddb, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(raddb, path)
		if why := notRaddb(rel); why != "" {
			other[why]++
			return nil
		}
		if rel == brokenRaddb {
			broken++
			if _, err := ParseFile(path, Options{Raw: true}); err == nil || err.Error() != brokenRaddbError {
				t.Errorf("%v, want %s", err, brokenRaddbError)
			}
			return nil
		}
		total++
		root, err := ParseFile(path, Options{Raw: true})
		if err != nil {
			t.Errorf("%v", err)
			return nil
		}
		roundTrip(t, root, Options{Raw: true})
		parsed++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d files parse and format back to the same tree; %d with a mistake in it is refused at its line; not configuration syntax: %v",
		parsed, total, broken, other)
	if parsed != total || total < 140 {
		t.Errorf("%d of %d files, want all of at least 140", parsed, total)
	}
}

// TestRaddbWhole parses the server's configuration with all that it includes.
func TestRaddbWhole(t *testing.T) {
	needRaddb(t)
	root, err := ParseFile(filepath.Join(raddb, "radiusd.conf"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, root, Options{})
	files := map[string]bool{}
	var walk func(s *Section)
	walk = func(s *Section) {
		for _, it := range s.items {
			if it.sec != nil {
				files[it.sec.Pos.File] = true
				walk(it.sec)
			} else {
				files[it.pair.Pos.File] = true
			}
		}
	}
	walk(root)
	t.Logf("%d files in one tree", len(files))
	if len(files) < 40 {
		t.Errorf("%d files were included, want at least 40", len(files))
	}
	// modules/mschap stands in mods-enabled and the path goes through two variables.
	pool := root.Sections("thread")
	if len(pool) != 1 || pool[0].Name2 != "pool" || len(pool[0].Pairs("max_servers")) != 1 {
		t.Error("thread pool { max_servers } is missing")
	}
	radutmp := root.Sections("modules")[0].Sections("radutmp")[0].Pairs("filename")[0]
	if radutmp.Value != "/var/log/freeradius/radutmp" {
		t.Errorf("radutmp.filename = %s", radutmp.Value)
	}
	if len(root.Sections("policy")) != 1 || len(root.Sections("server")) != 2 || len(root.Sections("client")) != 2 {
		t.Error("policy, server or client is missing")
	}
}
