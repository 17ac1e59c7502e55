package frio_test

import (
	"go/build"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/frio-io/frio"

// arrows is the house: each package, bottom up, and what of the project it may import. A package may import only what stands
// above it in this table; a new arrow is a design decision.
var arrows = []struct {
	pkg  string
	uses string
}{
	{"talloc", ""},
	{"conf", ""},
	{"event", "talloc"},
	{"queue", "talloc event"},
	{".", "talloc conf event"},
	{"sock", "talloc event ."},
	{"sim", "talloc event . sock"},
	{"thread", "talloc event . sock queue"},
	{"netconn", "talloc event . thread"},
	{"base", "talloc conf event . sock"},
	{"udp", "talloc conf event . sock base"},
	{"tcp", "talloc conf event . sock base"},
	{"unix", "talloc conf event . sock base"},
	{"haproxy", "talloc conf event . sock base"},
	{"tls/dtls", ""},
	{"tls/cert", "conf"},
	{"tls", "talloc conf event . sock base tls/dtls tls/cert"},
	{"radius", ""},
	{"radius/dict", "radius"},
	{"radius/chap", "radius"},
	{"radius/home", "radius radius/chap radius/dict"},
	{"transport", "talloc event . queue thread"},
	{"radius/gateway", "talloc conf event . tls tls/cert transport radius radius/dict"},
	{"all", "udp tcp unix haproxy tls"},
	{"friotest", "talloc conf event . sock sim"},
	{"server", "talloc conf event . sock thread netconn base udp haproxy tls transport radius radius/gateway radius/home"},
	{"cmd/frio", "talloc conf event . sock radius radius/dict radius/chap radius/home all server"},
	// The measure shares nothing with what it measures.
	{"bench", ""},
}

// foreign is what each package may import besides the standard library and the project.
var foreign = map[string][]string{
	"event": {"golang.org/x/sys/unix"},
	"sock":  {"golang.org/x/sys/unix"},
	"tls":   {"github.com/youmark/pkcs8"},
	// The dictionaries of the RFCs, and a parser of more.
	"radius/dict": {"layeh.com/radius/debug", "layeh.com/radius/dictionary"},
	// The hashes of MS-CHAP.
	"radius/chap": {"layeh.com/radius/rfc2759", "layeh.com/radius/rfc3079"},
	// Metrics, and a bound for their connections.
	"server": {"github.com/prometheus/client_golang/prometheus", "github.com/prometheus/client_golang/prometheus/collectors",
		"github.com/prometheus/client_golang/prometheus/promhttp", "golang.org/x/net/netutil"},
	// The standard library has it too, but does not export it.
	"tls/dtls": {"golang.org/x/crypto/chacha20poly1305"},
	// Its DTLS must not be ours.
	// The clock that systemd goes by.
	"cmd/frio": {"golang.org/x/sys/unix"},
	"bench":    {"golang.org/x/sys/unix", "github.com/pion/dtls/v3", "github.com/pion/dtls/v3/pkg/crypto/prf"},
}

// unsafes may import unsafe: the two that see file descriptors, for raw calls; the build with checks of talloc, for the number
// of a goroutine; and tls, which lends crypto/tls the buffer of a record, so that an idle connection holds none. And bench,
// for the batches of datagrams.
var unsafes = []string{"event", "sock", "tls", "bench"}

func TestImportsPointDown(t *testing.T) {
	place := map[string]int{}
	for i, a := range arrows {
		place[a.pkg] = i
		for _, use := range strings.Fields(a.uses) {
			if at, ok := place[use]; !ok || at >= i {
				t.Errorf("table: %s stands on %s, which is not below it", a.pkg, use)
			}
		}
	}
	found := 0
	for _, dir := range packages(t) {
		i, ok := place[dir]
		if !ok {
			t.Errorf("package %s is not in the table", dir)
			continue
		}
		found++
		allowed := strings.Fields(arrows[i].uses)
		for _, goos := range []string{"linux", "darwin", "freebsd"} {
			for _, imp := range imports(t, dir, goos) {
				if name, ours := strings.CutPrefix(imp, module); ours {
					name = strings.TrimPrefix(name, "/")
					if name == "" {
						name = "."
					}
					if !slices.Contains(allowed, name) {
						t.Errorf("%s imports %s: no such arrow", dir, name)
					}
					continue
				}
				if strings.Contains(strings.Split(imp, "/")[0], ".") && !slices.Contains(foreign[dir], imp) {
					t.Errorf("%s imports %s: not one of its libraries", dir, imp)
				}
				if imp == "unsafe" && !slices.Contains(unsafes, dir) {
					t.Errorf("%s imports unsafe", dir)
				}
			}
		}
	}
	if found != len(arrows) {
		t.Errorf("%d packages found, %d in the table", found, len(arrows))
	}
}

// packages returns the folders that hold Go files other than tests.
func packages(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if dir := filepath.Dir(path); strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func imports(t *testing.T, dir, goos string) []string {
	t.Helper()
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled = goos, "amd64", false
	pkg, err := ctx.ImportDir(dir, 0)
	if _, none := err.(*build.NoGoError); none {
		return nil
	}
	if err != nil {
		t.Fatalf("%s for %s: %v", dir, goos, err)
	}
	return pkg.Imports
}
