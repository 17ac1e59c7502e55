package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/frio-io/frio/radius/gateway"
	"github.com/frio-io/frio/tls"
)

// table is what a command answers: as text, or with the word json behind the command as one line of JSON.
type table struct {
	columns []string
	rows    [][]any
}

func (t *table) add(values ...any) { t.rows = append(t.rows, values) }

// command is what may be asked on the control socket. None of them changes anything.
type command struct {
	name, does string
	table      func(*watch) *table
	text       func(*watch) string // of a command without a table
}

var commands []command

func init() {
	// help is one of them, and lists them.
	commands = []command{
		{"help", "these lines", func(*watch) *table { return helpTable() }, nil},
		{"status", "how it is, in one look", statusTable, nil},
		{"stats", "what was counted, of all listens, clients and home servers together", statsTable, nil},
		{"listens", "each listen", listensTable, nil},
		{"clients", "each client", clientsTable, nil},
		{"homes", "each port of each home_server", homesTable, nil},
		{"pools", "each home_server_pool, with its home servers", poolsTable, nil},
		{"threads", "which thread has what, its connections too", nil, threadsText},
		{"version", "the program's version", func(w *watch) *table {
			return &table{[]string{"version"}, [][]any{{w.server.opt.Version}}}
		}, nil},
	}
}

// answer runs a command line.
func (w *watch) answer(line string) []byte {
	words := strings.Fields(line)
	if len(words) == 0 {
		return []byte("error: no command; try help\n")
	}
	asJSON := len(words) == 2 && words[1] == "json"
	for _, c := range commands {
		switch {
		case c.name != words[0]:
		case len(words) > 1 && !asJSON:
			return []byte("error: " + c.name + " takes no argument but json\n")
		case c.table == nil && asJSON:
			return []byte("error: " + c.name + " is text only\n")
		case c.table == nil:
			return []byte(c.text(w))
		case asJSON:
			return c.table(w).json()
		default:
			return c.table(w).text()
		}
	}
	return []byte("error: there is no such command; try help\n")
}

func (t *table) text() []byte {
	var b bytes.Buffer
	out := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, strings.Join(t.columns, "\t"))
	for _, row := range t.rows {
		for i, v := range row {
			if i > 0 {
				fmt.Fprint(out, "\t")
			}
			text := strings.Join(strings.Fields(fmt.Sprint(v)), " ")
			if text == "" {
				text = "-"
			}
			fmt.Fprint(out, text)
		}
		fmt.Fprintln(out)
	}
	_ = out.Flush() // a Buffer takes everything
	return b.Bytes()
}

func (t *table) json() []byte {
	list := make([]map[string]any, 0, len(t.rows))
	for _, row := range t.rows {
		one := map[string]any{}
		for i, v := range row {
			one[t.columns[i]] = v
		}
		list = append(list, one)
	}
	b, err := json.Marshal(list)
	if err != nil {
		return []byte("error: " + err.Error() + "\n")
	}
	return append(b, '\n')
}

func helpTable() *table {
	t := &table{columns: []string{"command", "shows"}}
	for _, c := range commands {
		t.add(c.name, c.does)
	}
	return t
}

func statusTable(w *watch) *table {
	t := &table{columns: []string{"what", "value"}}
	t.add("state", w.at().String())
	t.add("version", w.server.opt.Version)
	t.add("pid", os.Getpid())
	t.add("since", w.began.UTC().Format(time.RFC3339))
	if pool := w.server.running.Load(); pool != nil {
		t.add("threads", len(pool.Threads()))
	}
	if w.server.opt.Output != nil {
		t.add("log lines dropped", w.server.opt.Output.Dropped())
	}
	now := w.shown.Load()
	if now == nil {
		return t
	}
	t.add("listens", len(now.listens))
	if g := now.gateway; g != nil {
		t.add("clients", len(g.Clients()))
		homes := g.Homes()
		lives := map[string]int{}
		for _, h := range homes {
			lives[h.Life]++
		}
		for _, life := range gateway.Lives() {
			t.add("home servers "+life, lives[life])
		}
	}
	return t
}

func statsTable(w *watch) *table {
	t := &table{columns: []string{"what", "count"}}
	now := w.shown.Load()
	if now == nil {
		return t
	}
	var open int64
	var requests, answers, copies, strangers, shaken, failed uint64
	for _, l := range now.listens {
		if g := l.gateway; g != nil {
			n := &g.Counts
			open += n.Open.Load()
			requests += n.Requests.Load()
			answers += n.Answers.Load()
			copies += n.Duplicates.Load()
			strangers += n.UnknownClient.Load()
		} else {
			open += l.counts.Open.Load()
		}
		if l.tls != nil {
			n := l.tls.Counts()
			shaken += n.Handshakes.Load()
			failed += failures(n)
		}
	}
	t.add("connections open", open)
	t.add("handshakes done", shaken)
	t.add("handshakes failed", failed)
	if now.gateway == nil {
		return t
	}
	t.add("requests", requests)
	t.add("answers", answers)
	t.add("duplicates", copies)
	t.add("unknown clients", strangers)
	var outcomes [gateway.OutcomeCount]uint64
	for _, c := range now.gateway.Clients() {
		for i := range outcomes {
			outcomes[i] += c.Outcomes[i].Load()
		}
	}
	for i, n := range outcomes {
		t.add("outcome "+gateway.Outcome(i).String(), n)
	}
	underWay := 0
	for _, h := range now.gateway.Homes() {
		for _, p := range h.Ports {
			underWay += p.Peer.Outstanding()
		}
	}
	t.add("under way", underWay)
	return t
}

func failures(n *tls.Counts) (count uint64) {
	for _, cause := range tls.Causes() {
		count += n.Failed(cause)
	}
	return count
}

func listensTable(w *watch) *table {
	t := &table{columns: []string{"listen", "namespace", "io", "open", "begun", "failed", "requests", "answers", "duplicates", "unknown", "dropped"}}
	now := w.shown.Load()
	if now == nil {
		return t
	}
	for _, l := range now.listens {
		if g := l.gateway; g != nil {
			n := &g.Counts
			var dropped uint64
			for i := range n.Dropped {
				dropped += n.Dropped[i].Load()
			}
			t.add(l.name, l.space.String(), l.io, n.Open.Load(), n.Connections.Load(), n.Failed.Load(), n.Requests.Load(), n.Answers.Load(),
				n.Duplicates.Load(), n.UnknownClient.Load(), dropped)
			continue
		}
		n := l.counts
		t.add(l.name, l.space.String(), l.io, n.Open.Load(), n.Sessions.Load(), 0, n.In.Load(), n.Out.Load(), 0, 0, n.Dropped.Load())
	}
	return t
}

func clientsTable(w *watch) *table {
	t := &table{columns: []string{"clients", "client", "ipaddr", "proto", "requests", "duplicates", "accept", "reject", "challenge", "local", "unanswered", "dropped"}}
	now := w.shown.Load()
	if now == nil || now.gateway == nil {
		return t
	}
	for _, c := range now.gateway.Clients() {
		var dropped uint64
		for i := range c.Dropped {
			dropped += c.Dropped[i].Load()
		}
		count := func(o gateway.Outcome) uint64 { return c.Outcomes[o].Load() }
		t.add(c.List, c.Name, c.Prefix, c.Proto, c.Requests.Load(), c.Duplicates.Load(), count(gateway.OutcomeAccept), count(gateway.OutcomeReject),
			count(gateway.OutcomeChallenge), count(gateway.OutcomeLocal), count(gateway.OutcomeNoAnswer)+count(gateway.OutcomeNoHome), dropped)
	}
	return t
}

func homesTable(w *watch) *table {
	t := &table{columns: []string{"home_server", "port", "state", "io", "outstanding", "connections", "answers", "timeouts", "failed", "bad", "checks", "mean_ms", "error"}}
	now := w.shown.Load()
	if now == nil || now.gateway == nil {
		return t
	}
	for _, h := range now.gateway.Homes() {
		for _, p := range h.Ports {
			n := p.Counts
			bad := n.Rejected.Load()
			for i := range n.Bad {
				bad += n.Bad[i].Load()
			}
			mean := 0.0
			if _, count, seconds := n.Latency.Cumulative(); count > 0 {
				mean = float64(int64(1e6*seconds/float64(count))) / 1e3
			}
			t.add(h.Name, p.Name, p.Life, p.Description, p.Peer.Outstanding(), p.Peer.Connections(), n.Answers.Load(), n.Timeouts.Load(),
				n.Failed.Load(), bad, n.Checks.Load(), mean, p.Error)
		}
	}
	return t
}

func poolsTable(w *watch) *table {
	t := &table{columns: []string{"home_server_pool", "type", "down", "home_server", "state"}}
	now := w.shown.Load()
	if now == nil || now.gateway == nil {
		return t
	}
	for _, p := range now.gateway.Pools() {
		for _, h := range p.Homes {
			t.add(p.Name, p.Type, p.Down, h.Name, h.Life)
		}
	}
	return t
}

func threadsText(w *watch) string {
	var b bytes.Buffer
	if pool := w.server.running.Load(); pool != nil {
		pool.Debug(&b)
	}
	// An empty line ends an answer.
	for strings.Contains(b.String(), "\n\n") {
		text := strings.ReplaceAll(b.String(), "\n\n", "\n")
		b.Reset()
		b.WriteString(text)
	}
	return b.String()
}
