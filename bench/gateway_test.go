//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio/friotest"
)

// A small run of everything that the figures come from, with a real gateway between load and home server.
func TestGateway(t *testing.T) {
	if _, err := exec.LookPath("radsecproxy"); err != nil {
		friotest.Skip(t, "no radsecproxy")
	}
	var out bytes.Buffer
	o := &options{
		pairs: []pair{{kindUDP, kindUDP}, {kindTLS, kindDTLS}, {kindDTLS, kindTLS}}, programs: []program{programRadsecproxy},
		rounds: 1, tries: 1, count: 1000, seconds: 1, window: 20, rate: 500, atOnce: true, json: true, dir: t.TempDir(), out: &out, log: io.Discard,
	}
	results, err := measure(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := table(o, results); err != nil {
		t.Fatal(err)
	}
	var printed struct{ Results []result }
	if err := json.Unmarshal(out.Bytes(), &printed); err != nil {
		t.Fatal(err)
	}
	if len(printed.Results) != 9 {
		t.Fatalf("%d results: %s", len(printed.Results), &out)
	}
	for i, r := range printed.Results {
		if r.Micros <= 0 || r.Rate <= 0 || r.Lost != 0 || r.Half <= 0 || r.Most < r.Half {
			t.Errorf("%s, %s: %+v", r.Pair, r.Mode, r.figure)
		}
		if want := []string{"20 in flight", "500/s", "500/s, coalesce 0"}[i%3]; r.Mode != want {
			t.Errorf("result %d is of %s, want %s", i, r.Mode, want)
		}
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	o := &options{programs: []program{programFrio, programRadsecproxy}, rounds: 3, out: &out}
	mode := "128 in flight"
	if err := table(o, []result{
		{Pair: "udp > udp", Program: programFrio, Mode: mode, figure: figure{Micros: 10, Rate: 90000, Busy: 70, took: took{100 * time.Microsecond, 3010 * time.Microsecond}}},
		{Pair: "udp > udp", Program: programRadsecproxy, Mode: mode, figure: figure{Micros: 20, Rate: 50000, Busy: 99, took: took{200 * time.Microsecond, 4 * time.Millisecond}}},
	}); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, "10.0") || !strings.Contains(s, "20.0") || !strings.Contains(s, "0.50") || !strings.Contains(s, "0.10/3.01, 0.20/4.00  (waited for the bench)") {
		t.Error(s)
	}
}

func TestFrioConfigCoalesce(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		if got := strings.HasPrefix(frioConfig(setup{atOnce: atOnce}, nil, nil), "thread {\n\tcoalesce = 0\n}\n"); got != atOnce {
			t.Errorf("%t: there is a thread section: %t", atOnce, got)
		}
	}
}

func TestMedian(t *testing.T) {
	if m := median([]figure{{Micros: 9}, {Micros: 1}, {Micros: 5}}); m.Micros != 5 {
		t.Errorf("median %v", m.Micros)
	}
}

func TestParsePairs(t *testing.T) {
	pairs, err := parsePairs("udp-tls,dtls-tcp")
	if err != nil || len(pairs) != 2 || pairs[1] != (pair{kindDTLS, kindTCP}) {
		t.Errorf("%v, %v", pairs, err)
	}
	for _, wrong := range []string{"udp", "udp-", "udp-xyz", ","} {
		if _, err := parsePairs(wrong); err == nil {
			t.Errorf("%q passes", wrong)
		}
	}
}
