package gateway

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A home server that has much to be said of does not hide what is said of another, and the table of those is bounded.
func TestLinesOfHomeServers(t *testing.T) {
	var out bytes.Buffer
	var l lines
	log, now := slog.New(slog.NewTextHandler(&out, nil)), time.Unix(1, 0)
	warn := func(home string) (line string) {
		out.Reset()
		l.warn(log, now, "bad reply", slog.String("home_server", home), slog.String("error", "it is wrong"))
		return out.String()
	}
	for i := range 10 {
		if line := warn("noisy"); (line != "") != (i == 0) {
			t.Errorf("line %d of the noisy one: %q", i, line)
		}
	}
	if line := warn("other"); !strings.Contains(line, "home_server=other") || strings.Contains(line, "left_out") {
		t.Errorf("of the other one: %q", line)
	}
	now = now.Add(lineInterval)
	if line := warn("noisy"); !strings.Contains(line, "home_server=noisy") || !strings.Contains(line, "left_out=9") {
		t.Errorf("of the noisy one, later: %q", line)
	}
	for i := range 2 * kindsMax {
		warn(fmt.Sprint("home ", i))
	}
	if n := len(l.kinds); n != kindsMax+1 {
		t.Errorf("%d kinds, want %d and one for all others", n, kindsMax)
	}
	now = now.Add(lineInterval)
	if line := warn("one more"); !strings.Contains(line, "home_server=\"one more\"") || !strings.Contains(line, "left_out=") {
		t.Errorf("of one without a place: %q", line)
	}
}
