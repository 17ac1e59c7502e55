//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// pair is a transport of the client and one of the home server.
type pair struct{ front, back kind }

func (p pair) String() string { return p.front.stack() + " > " + p.back.stack() }

// pairsDefault are those that the goals speak of.
var pairsDefault = []pair{{kindUDP, kindUDP}, {kindUDP, kindTLS}, {kindTLS, kindUDP}, {kindUDP, kindDTLS}, {kindDTLS, kindUDP}}

// parsePairs reads "udp-udp,udp-tls".
func parsePairs(text string) ([]pair, error) {
	if text == "" {
		return pairsDefault, nil
	}
	var pairs []pair
	for word := range strings.SplitSeq(text, ",") {
		front, back, _ := strings.Cut(word, "-")
		p := pair{kind(front), kind(back)}
		if !slices.Contains(kinds, p.front) || !slices.Contains(kinds, p.back) {
			return nil, fmt.Errorf("pairs: %q is not two of udp, tcp, tls, dtls with a - between them", word)
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

const (
	windowDefault = 128
	rateDefault   = 2000

	// warmShare of the requests come before those that are measured, and warmMin at least.
	warmShare = 10
	warmMin   = 2000

	// answerLimit is when the load gives a request up.
	answerLimit = 5 * time.Second

	// slowest is the rate that the limit of a run is made for; a gateway below it is not measured.
	slowest = 1000

	// lossMax is the share of the requests that may stay without an answer: 1 in lossMax.
	lossMax = 1000

	// idleShare is how busy, in percent, the gateway must be with a window of requests; below it the bench was what the run waited for.
	idleShare = 85
)

// options are those of the measurements.
type options struct {
	pairs      []pair
	programs   []program
	rounds     int
	tries      int           // of a measurement that others disturb
	patience   time.Duration // before each measurement, for the processors to be idle
	count      int           // requests with a window
	seconds    int           // at the steady rate
	window     int
	rate       int
	atOnce     bool // the steady rate once more, with frio's coalesce = 0
	accounting bool
	json       bool
	dir        string
	out, log   io.Writer
}

// figure is one measurement.
type figure struct {
	Micros float64 // processor time of the gateway per request
	Rate   float64 // requests a second
	Busy   float64 // percent of a processor
	Others float64 // percent of the gateway's processor that others had: what disturbs the figure
	Lost   uint64  // requests without an answer
	took
}

// result is a row of the table for one program.
type result struct {
	Pair    string
	Program program
	Mode    string
	figure  // medians
	Rounds  []figure
}

// measure runs all that o asks for: for each pair the programs take turns, in every round.
func measure(o *options) ([]result, error) {
	certs, err := newCertificates(o.dir)
	if err != nil {
		return nil, err
	}
	paths := map[program]string{}
	for _, p := range o.programs {
		if paths[p], err = findProgram(p, o.dir); err != nil {
			return nil, err
		}
	}
	var results []result
	for _, pair := range o.pairs {
		rounds := map[program][][]figure{}
		for round := range o.rounds {
			for _, p := range o.programs {
				figures, err := measureOne(o, p, paths[p], pair, certs)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", p, pair, err)
				}
				rounds[p] = append(rounds[p], figures)
				fmt.Fprintf(o.log, "round %d of %d, %s, %s:", round+1, o.rounds, pair, p)
				for i, mode := range o.modes() {
					fmt.Fprintf(o.log, " %.1f us at %s (%.0f/s, %.0f%% busy, others %.0f%%)", figures[i].Micros, mode, figures[i].Rate, figures[i].Busy, figures[i].Others)
				}
				fmt.Fprintln(o.log)
			}
		}
		for i, mode := range o.modes() {
			for _, p := range o.programs {
				var figures []figure
				for _, round := range rounds[p] {
					figures = append(figures, round[i])
				}
				results = append(results, result{Pair: pair.String(), Program: p, Mode: mode, figure: median(figures), Rounds: figures})
			}
		}
	}
	return results, nil
}

// median is that of the processor time, with what belongs to it.
func median(figures []figure) figure {
	sorted := slices.SortedFunc(slices.Values(figures), func(a, b figure) int {
		switch {
		case a.Micros < b.Micros:
			return -1
		case a.Micros > b.Micros:
			return 1
		}
		return 0
	})
	return sorted[len(sorted)/2]
}

// modes are what a program is measured with.
func (o *options) modes() []string {
	modes := []string{fmt.Sprintf("%d in flight", o.window), fmt.Sprintf("%d/s", o.rate)}
	if o.atOnce {
		modes = append(modes, modes[1]+", coalesce 0")
	}
	return modes
}

// measureOne measures a program in all modes. To coalesce is frio's: what the other needs at that rate is compared with it twice.
func measureOne(o *options, p program, path string, pair pair, certs *certificates) ([]figure, error) {
	figures, err := measureWith(o, p, path, pair, certs, false)
	if err != nil || !o.atOnce {
		return figures, err
	}
	if p == programFrio {
		steady, err := measureWith(o, p, path, pair, certs, true)
		return append(figures, steady...), err
	}
	return append(figures, figures[1]), nil
}

// measureWith starts a program and measures it with a window and at the steady rate, with coalesce = 0 only at the latter.
func measureWith(o *options, p program, path string, pair pair, certs *certificates, atOnce bool) (figures []figure, err error) {
	h := newHome(pair.back, certs)
	if err := h.start(); err != nil {
		return nil, err
	}
	defer h.kill()
	g, err := startGateway(p, path, o.dir, setup{fronts: []kind{pair.front}, backs: []*home{h}, accounting: o.accounting, atOnce: atOnce}, certs)
	if err != nil {
		return nil, err
	}
	defer g.stop()
	if !atOnce {
		window, err := runLoad(o, g, h, pair.front, o.count, 0, certs)
		if err != nil {
			return nil, err
		}
		figures = append(figures, window)
	}
	steady, err := runLoad(o, g, h, pair.front, o.seconds*o.rate, o.rate, certs)
	return append(figures, steady), err
}

// runLoad warms up and measures count requests.
func runLoad(o *options, g *gateway, h *home, front kind, count, rate int, certs *certificates) (figure, error) {
	l := &load{kind: front, addr: g.fronts[front], certs: certs, accounting: o.accounting, timeout: answerLimit}
	if err := l.open(linksFor(o.window)); err != nil {
		return figure{}, err
	}
	defer l.close()
	warm := count / warmShare
	if rate == 0 {
		warm = max(warm, warmMin)
	}
	limit := func(n int) time.Duration { return answerLimit + dialLimit + time.Duration(n)*time.Second/slowest }
	if err := l.run(warm, o.window, rate, limit(warm)); err != nil {
		return figure{}, err
	}
	var best figure
	for try := range o.tries {
		if err := awaitQuiet(o.patience); err != nil {
			return figure{}, err
		}
		f, err := timed(g, l, func() error { return l.run(count, o.window, rate, limit(count)) })
		if err != nil {
			return figure{}, err
		}
		if try == 0 || f.Others < best.Others {
			best = f
		}
		if best.Others <= quietShare {
			break
		}
	}
	lost := l.tally.TimedOut.Load() + l.tally.Rejected.Load()
	best.Lost = lost
	switch {
	case l.tally.faults() != 0 || lost*lossMax > l.tally.Sent.Load():
		return best, fmt.Errorf("not a fair run: %v", &l.tally)
	case h.bad.Load() != 0:
		return best, fmt.Errorf("%d wrong requests came: %s", h.bad.Load(), *h.complaint.Load())
	}
	return best, nil
}

// timed is one measurement: what run cost the gateway.
func timed(g *gateway, l *load, run func() error) (f figure, err error) {
	before, err := g.cpu()
	if err != nil {
		return f, err
	}
	all, err := processorTime(gatewayProcessor)
	if err != nil {
		return f, err
	}
	l.times.clear()
	sent, start := l.tally.Sent.Load(), time.Now()
	if err := run(); err != nil {
		return f, err
	}
	elapsed := time.Since(start)
	after, err := g.cpu()
	if err != nil {
		return f, err
	}
	allAfter, err := processorTime(gatewayProcessor)
	if err != nil {
		return f, err
	}
	used, n := after-before, float64(l.tally.Sent.Load()-sent)
	percent := func(d time.Duration) float64 { return 100 * d.Seconds() / elapsed.Seconds() }
	return figure{Micros: used.Seconds() * 1e6 / n, Rate: n / elapsed.Seconds(), Busy: percent(used), Others: max(0, percent(allAfter-all-used)), took: l.times.took()}, nil
}

// table prints the results, the programs beside each other.
func table(o *options, results []result) error {
	if o.json {
		e := json.NewEncoder(o.out)
		e.SetIndent("", "\t")
		return e.Encode(struct {
			Processor string
			Results   []result
		}{processorName(), results})
	}
	fmt.Fprintf(o.out, "%s, loopback; microseconds of processor time per relayed request (= seconds per million), median of %d\n", processorName(), o.rounds)
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "client > home\tload")
	for _, p := range o.programs {
		fmt.Fprintf(w, "\t%s", p)
	}
	if len(o.programs) == 2 {
		fmt.Fprint(w, "\tratio")
	}
	fmt.Fprintln(w, "\trequests/s\tbusy\tothers\tanswered in ms, half/99 %")
	for row := range slices.Chunk(results, len(o.programs)) {
		fmt.Fprintf(w, "%s\t%s", row[0].Pair, row[0].Mode)
		for _, r := range row {
			fmt.Fprintf(w, "\t%.1f", r.Micros)
		}
		if len(row) == 2 {
			fmt.Fprintf(w, "\t%.2f", row[0].Micros/row[1].Micros)
		}
		var rates, busy, others, took []string
		for _, r := range row {
			rates, busy = append(rates, fmt.Sprintf("%.0f", r.Rate)), append(busy, fmt.Sprintf("%.0f%%", r.Busy))
			others, took = append(others, fmt.Sprintf("%.0f%%", r.Others)), append(took, r.took.String())
		}
		fmt.Fprintf(w, "\t%s\t%s\t%s\t%s", strings.Join(rates, ", "), strings.Join(busy, ", "), strings.Join(others, ", "), strings.Join(took, ", "))
		if strings.HasSuffix(row[0].Mode, "in flight") && slices.ContainsFunc(row, func(r result) bool { return r.Busy < idleShare }) {
			fmt.Fprint(w, "  (waited for the bench)")
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}
