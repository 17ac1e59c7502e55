package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/frio-io/frio/radius/gateway"
)

// stuck is a file that takes nothing until it is let go.
type stuck struct {
	mu   sync.Mutex // held: it takes nothing
	got  bytes.Buffer
	fail bool
}

func (f *stuck) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail {
		return 0, errors.New("no space left on device")
	}
	return f.got.Write(p)
}

// A file that takes nothing holds up nobody: what it has no room for is dropped, whole lines of it, and counted.
func TestSinkIsBounded(t *testing.T) {
	var f stuck
	f.mu.Lock()
	s := newSink(&f)
	line := append(bytes.Repeat([]byte("x"), 1023), '\n')
	const lines = 3 * sinkMax / 1024
	for range lines {
		if n, err := s.Write(line); n != len(line) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	f.mu.Unlock()
	s.close()
	got := f.got.Len()
	if got < sinkMax || got > 2*sinkMax || got%len(line) != 0 {
		t.Errorf("%d bytes were written, want whole lines of between one and two times %d", got, sinkMax)
	}
	if n := s.dropped.Load(); n != uint64(lines-got/len(line)) {
		t.Errorf("%d lines counted as dropped, %d of %d were written", n, got/len(line), lines)
	}
	if s.Write(line); s.dropped.Load() == 0 || f.got.Len() != got {
		t.Error("a line after the end was written")
	}
}

func TestSinkFails(t *testing.T) {
	f := stuck{fail: true}
	s := newSink(&f)
	fmt.Fprint(s, "a\n")
	fmt.Fprint(s, "b\n")
	s.close()
	if n := s.dropped.Load(); n != 2 {
		t.Errorf("%d lines counted as dropped, want 2", n)
	}
}

func TestSinkDoesNotAllocate(t *testing.T) {
	s := &sink{lines: make([]byte, 0, 4096)} // nobody takes the lines
	s.some.L = &s.mu
	line := []byte("a line\n")
	if n := testing.AllocsPerRun(100, func() { s.Write(line) }); n > 0 {
		t.Errorf("%v allocations for each line", n)
	}
}

// where is an Output on a buffer, which is complete after Close.
func where(debug bool) (*Output, *bytes.Buffer) {
	var stderr bytes.Buffer
	return NewOutput(&stderr, debug), &stderr
}

func TestOutputText(t *testing.T) {
	o, stderr := where(false)
	log := o.Logger().With("listen", "a")
	log.Debug("too early")
	log.Info("before")
	if err := o.change(&logConfig{level: slog.LevelDebug, json: true}); err != nil {
		t.Fatal(err)
	}
	log.WithGroup("g").With("x", 1).Debug("json", "y", 2)
	if err := o.change(&logConfig{level: slog.LevelError}); err != nil {
		t.Fatal(err)
	}
	log.Warn("not wanted")
	log.Error("after")
	o.Close()
	lines := strings.Split(stderr.String(), "\n")
	if len(lines) != 4 || !strings.HasSuffix(lines[0], "level=INFO msg=before listen=a") || !strings.HasSuffix(lines[2], "level=ERROR msg=after listen=a") {
		t.Fatalf("got %q", lines)
	}
	var one map[string]any
	if err := json.Unmarshal([]byte(lines[1]), &one); err != nil || one["msg"] != "json" || one["listen"] != "a" || fmt.Sprint(one["g"]) != "map[x:1 y:2]" {
		t.Errorf("%s: %v", lines[1], err)
	}
}

// A line that is not wanted costs nothing.
func TestOutputDoesNotAllocate(t *testing.T) {
	o, _ := where(false)
	log := o.Logger().With("listen", "a")
	if n := testing.AllocsPerRun(100, func() { log.Debug("nobody wants this") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// -X wins over what the file says.
func TestOutputDebug(t *testing.T) {
	o, stderr := where(true)
	dir := t.TempDir()
	if err := o.change(&logConfig{level: slog.LevelError, json: true, filename: filepath.Join(dir, "log")}); err != nil {
		t.Fatal(err)
	}
	o.Logger().Debug("a line")
	o.Logger().Debug("a packet\n\tUser-Name = \"bob\"\n")
	o.Logger().Debug("one of\nsomebody", "a", 1)
	o.Close()
	if got := stderr.String(); got != "msg=\"a line\"\na packet\n\tUser-Name = \"bob\"\nmsg=\"one of\\nsomebody\" a=1\n" {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "log")); err == nil {
		t.Error("it made the file")
	}
}

// A file that was moved away is left at the next change, and one that cannot be opened changes nothing.
func TestOutputFiles(t *testing.T) {
	o, stderr := where(false)
	dir := t.TempDir()
	path, ticks := filepath.Join(dir, "log"), filepath.Join(dir, "ticks")
	cfg := &logConfig{filename: path, ticks: &gateway.FTicksConfig{Filename: ticks}}
	s := &Server{opt: Options{Output: o, Logger: o.Logger()}}
	for i := range 2 {
		if err := o.change(cfg); err != nil {
			t.Fatal(err)
		}
		s.opt.Logger.Info("line", "number", i)
		s.tick(fmt.Sprint("tick ", i))
		if i == 0 {
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, bad := range []*logConfig{
		{filename: filepath.Join(dir, "no", "log")},
		{filename: path, ticks: &gateway.FTicksConfig{Filename: filepath.Join(dir, "no", "ticks")}},
	} {
		if err := o.change(bad); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("change: %v", err)
		}
	}
	s.opt.Logger.Info("line", "number", 2)
	if err := o.change(&logConfig{}); err != nil {
		t.Fatal(err)
	}
	s.tick("tick in the log")
	o.Close()
	for _, f := range []struct{ path, want string }{{path + ".1", "number=0"}, {path, "number=1 number=2"}, {ticks, "tick 0 tick 1"}} {
		data, err := os.ReadFile(f.path)
		var words []string
		for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
			if i := strings.Index(line, "number="); i > 0 {
				line = line[i:]
			}
			words = append(words, line)
		}
		if got := strings.Join(words, " "); err != nil || got != f.want {
			t.Errorf("%s has %q (%v), want %q", filepath.Base(f.path), got, err, f.want)
		}
		if info, err := os.Stat(f.path); err != nil || info.Mode().Perm()&0o137 != 0 {
			t.Errorf("%s: %v, %v", f.path, info.Mode(), err)
		}
	}
	if got := stderr.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "tick in the log") {
		t.Errorf("standard error has %q", got)
	}
}
