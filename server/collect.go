package server

import (
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/frio-io/frio/haproxy"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/gateway"
	"github.com/frio-io/frio/thread"
	"github.com/frio-io/frio/tls"
	"github.com/frio-io/frio/transport"
)

// family is the metrics of one name.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("frio_"+name+"_total", help, labels, nil), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("frio_"+name, help, labels, nil), prometheus.GaugeValue}
}

var (
	buildInfo   = gauge("build_info", "1, with what runs.", "version", "goversion")
	readiness   = gauge("ready", "Whether every listener is open and the program does not stop.")
	lostLines   = counter("log_dropped_lines", "Lines of the log and of F-Ticks that their file did not take.")
	threadGauge = gauge("thread_members", "Sockets and connections that live on a thread.", "thread")
	threadQueue = gauge("thread_queue", "Functions and connections that wait in a thread's mailbox.", "thread")
	threadSent  = counter("thread_sent", "What was put into a thread's mailbox.", "thread")
	threadFull  = counter("thread_refused", "What was not put there, because it was full.", "thread")
	threadIn    = counter("thread_arrived", "Connections that came from another thread.", "thread")
	threadOut   = counter("thread_left", "Connections that went to another thread.", "thread")
	threadWakes = counter("thread_wakes", "Times that a thread's loop was woken because of its mailbox.", "thread")

	listenOpen      = gauge("listen_connections", "Connections, or sockets for datagrams, that are open.", "listen")
	listenBegun     = counter("listen_connections", "Connections, or sockets for datagrams, that were begun.", "listen")
	listenFailed    = counter("listen_failed", "Connections that did not get through their handshake.", "listen")
	listenLost      = counter("listen_lost", "Connections that did not end in order.", "listen")
	listenRequests  = counter("listen_requests", "Good requests of known clients, duplicates too.", "listen")
	listenAnswers   = counter("listen_answers", "Answers sent, repeated ones too.", "listen")
	listenCopies    = counter("listen_duplicates", "Copies of requests.", "listen")
	listenStrangers = counter("listen_unknown_clients", "Packets and connections of nobody who is a client.", "listen")
	listenDropped   = counter("listen_dropped", "Packets that were dropped, by what was wrong with them.", "listen", "reason")
	listenFaults    = counter("listen_errors", "Errors, by their kind.", "listen", "kind")
	listenBytes     = counter("listen_bytes", "Bytes from the peers (in) and to them (out).", "listen", "direction")
	listenMessages  = counter("listen_messages", "Messages from the peers (in), to them (out), and those that a socket had no room for (dropped).", "listen", "direction")
	listenLatency   = prometheus.NewDesc("frio_listen_latency_seconds", "From a request to its answer.", []string{"listen"}, nil)
	socketEvents    = counter("socket_events", "What a listening socket met: connections accepted, closed unread (denied, per_source), gone before they were accepted (aborted), closed by a limit of time (timeout); accept put off for want of descriptors (exhausted) or by max_connections (full).", "listen", "event")
	datagramEvents  = counter("datagram_events", "What a socket for datagrams met.", "listen", "event")
	proxyHeaders    = counter("proxy_headers", "Headers of the PROXY protocol that were right.", "listen")
	proxyRefused    = counter("proxy_refused", "Connections that were closed because of theirs.", "listen", "reason")

	handshakes       = counter("tls_handshakes", "TLS handshakes that succeeded, resumed ones too.", "side", "name")
	handshakeResumed = counter("tls_resumed", "Of these the resumed ones.", "side", "name")
	handshakeFailed  = counter("tls_failed_handshakes", "TLS handshakes that failed, by the cause.", "side", "name", "cause")
	handshakeFull    = counter("tls_deferred_accepts", "Times that accepting was put off by max_handshakes.", "side", "name")
	handshakeChecked = counter("tls_rechecked", "Connections that a reload of certificates or CRLs ended.", "side", "name")
	handshakeReload  = counter("tls_failed_reloads", "Changed files that could not be used.", "side", "name")

	ticketChains = gauge("tls_ticket_chains", "Chains of DTLS clients that are kept for their tickets.", "side", "name")
	ticketBytes  = gauge("tls_ticket_chain_bytes", "Memory of these chains.", "side", "name")
	ticketEvents = counter("tls_ticket_chain_events", "Chains given up for want of room (displaced), that were gone when their ticket came (missed), too long to be kept (too_long).", "side", "name", "event")

	clientRequests = counter("client_requests", "Good requests of a client, duplicates too.", "clients", "client")
	clientCopies   = counter("client_duplicates", "Copies of requests of a client.", "clients", "client")
	clientOutcomes = counter("client_outcomes", "How requests of a client ended.", "clients", "client", "outcome")
	clientRefused  = counter("client_refused_connections", "Connections of a client that were closed because of its max_connections.", "clients", "client")
	clientDropped  = counter("client_dropped", "Packets of a client that were dropped, by what was wrong with them.", "clients", "client", "reason")

	clientLatency = prometheus.NewDesc("frio_client_latency_seconds", "From a request of a client to its answer.", []string{"clients", "client"}, nil)

	portState    = gauge("home_server_state", "1 for the state that a port of a home server is in.", "home_server", "port", "state")
	portAnswers  = counter("home_server_answers", "Good replies, to checks too.", "home_server", "port")
	portTimeouts = counter("home_server_timeouts", "Requests that were not answered in response_window.", "home_server", "port")
	portFailed   = counter("home_server_failed", "Requests that could not be sent, or whose connection failed.", "home_server", "port")
	portRejected = counter("home_server_unusable_replies", "Replies that could not be relayed.", "home_server", "port")
	portBad      = counter("home_server_bad_replies", "Replies that were dropped, by what was wrong with them.", "home_server", "port", "reason")
	portChecks   = counter("home_server_checks", "Checks sent.", "home_server", "port")
	portDeaths   = counter("home_server_deaths", "Times that it was taken for dead.", "home_server", "port")
	portLatency  = prometheus.NewDesc("frio_home_server_latency_seconds", "From a request to its reply.", []string{"home_server", "port"}, nil)

	peerRequests  = counter("home_server_requests", "Requests and checks sent, each counted once.", "home_server", "port")
	peerResent    = counter("home_server_retransmits", "Requests sent again.", "home_server", "port")
	peerUnmatched = counter("home_server_unmatched", "Replies to nothing that was under way.", "home_server", "port")
	peerFaults    = counter("home_server_errors", "Errors that cost a datagram.", "home_server", "port")
	peerOpened    = counter("home_server_connections", "Connections, or sockets, that were begun.", "home_server", "port")
	peerFailed    = counter("home_server_failed_connections", "Connections that were lost, or never up.", "home_server", "port")
	peerOpen      = gauge("home_server_open_connections", "Connections, or sockets, those on their way too.", "home_server", "port")
	peerUnderWay  = gauge("home_server_outstanding", "Requests under way.", "home_server", "port")

	poolDown = gauge("home_server_pool_down", "Whether it was found that no home server of a pool lives, of one kind of ports at least.", "home_server_pool")
)

// Describe says nothing: which listens, clients and home servers there are changes with the configuration.
func (w *watch) Describe(chan<- *prometheus.Desc) {}

// Collect reads what was counted. Values of labels are names from the configuration, and words of this program.
func (w *watch) Collect(to chan<- prometheus.Metric) {
	c := collector{to}
	c.put(buildInfo, 1, w.server.opt.Version, runtime.Version())
	c.put(readiness, truth(w.at() == stageReady))
	if w.server.opt.Output != nil {
		c.put(lostLines, w.server.opt.Output.Dropped())
	}
	if pool := w.server.running.Load(); pool != nil {
		c.threads(pool)
	}
	now := w.shown.Load()
	if now == nil {
		return
	}
	for i := range now.listens {
		c.listen(&now.listens[i])
	}
	if g := now.gateway; g != nil {
		c.gateway(g)
	}
}

type collector struct{ to chan<- prometheus.Metric }

// put gives one value, a number of any type.
func (c collector) put(f family, value any, labels ...string) {
	var v float64
	switch n := value.(type) {
	case uint64:
		v = float64(n)
	case int64:
		v = float64(n)
	case int:
		v = float64(n)
	}
	c.to <- prometheus.MustNewConstMetric(f.desc, f.kind, v, labels...)
}

// histogram gives the times that were counted.
func (c collector) histogram(desc *prometheus.Desc, h *gateway.Histogram, labels ...string) {
	at, count, seconds := h.Cumulative()
	c.to <- prometheus.MustNewConstHistogram(desc, count, seconds, at, labels...)
}

func truth(is bool) int {
	if is {
		return 1
	}
	return 0
}

// label makes a label's value of a word: "timed out" is timed_out.
func label(word string) string { return strings.ReplaceAll(word, " ", "_") }

func (c collector) threads(pool *thread.Pool) {
	for _, list := range [][]*thread.Thread{pool.Threads(), pool.Workers()} {
		for _, t := range list {
			s, name := t.Stats(), label(t.Name())
			c.put(threadGauge, s.Members, name)
			c.put(threadQueue, s.Waiting, name)
			c.put(threadSent, s.Sent, name)
			c.put(threadFull, s.Refused, name)
			c.put(threadIn, s.Arrived, name)
			c.put(threadOut, s.Left, name)
			c.put(threadWakes, s.Wakes, name)
		}
	}
}

func (c collector) listen(l *shownListen) {
	if g := l.gateway; g != nil {
		n := &g.Counts
		c.put(listenOpen, n.Open.Load(), l.name)
		c.put(listenBegun, n.Connections.Load(), l.name)
		c.put(listenFailed, n.Failed.Load(), l.name)
		c.put(listenLost, n.Lost.Load(), l.name)
		c.put(listenRequests, n.Requests.Load(), l.name)
		c.put(listenAnswers, n.Answers.Load(), l.name)
		c.put(listenCopies, n.Duplicates.Load(), l.name)
		c.put(listenStrangers, n.UnknownClient.Load(), l.name)
		c.put(listenFaults, n.Accept.Load(), l.name, label(faultAccept.String()))
		c.put(listenFaults, n.Faults.Load(), l.name, label(faultDatagram.String()))
		for r := range radius.ReasonCount {
			c.put(listenDropped, n.Dropped[r].Load(), l.name, r.String())
		}
		c.histogram(listenLatency, &n.Latency, l.name)
	} else {
		n := l.counts
		c.put(listenOpen, n.Open.Load(), l.name)
		c.put(listenBegun, n.Sessions.Load(), l.name)
		c.put(listenBytes, n.BytesIn.Load(), l.name, "in")
		c.put(listenBytes, n.BytesOut.Load(), l.name, "out")
		c.put(listenMessages, n.In.Load(), l.name, "in")
		c.put(listenMessages, n.Out.Load(), l.name, "out")
		c.put(listenMessages, n.Dropped.Load(), l.name, "dropped")
		for f := range faultCount {
			c.put(listenFaults, n.Faults[f].Load(), l.name, label(f.String()))
		}
	}
	c.sockets(l)
	if l.tls != nil {
		c.tls(l.tls.Counts(), "listen", l.name)
		c.tickets(l.tls, "listen", l.name)
	}
}

// sockets gives the sum of all sockets of a listen.
func (c collector) sockets(l *shownListen) {
	sum := map[string]uint64{}
	for _, n := range l.streams {
		sum["accepted"] += n.Accepted.Load()
		sum["denied"] += n.Denied.Load()
		sum["per_source"] += n.PerSource.Load()
		sum["aborted"] += n.Aborted.Load()
		sum["exhausted"] += n.Exhausted.Load()
		sum["full"] += n.Full.Load()
		sum["timeout"] += n.Timeouts.Load()
	}
	for event, n := range sum {
		c.put(socketEvents, n, l.name, event)
	}
	clear(sum)
	for _, n := range l.udp {
		sum["in"] += n.In.Load()
		sum["out"] += n.Out.Load()
		sum["empty"] += n.Empty.Load()
		sum["too_long"] += n.TooLong.Load()
		sum["denied"] += n.Denied.Load()
		sum["gate"] += n.Gate.Load()
		sum["gate_reply"] += n.Replies.Load()
		sum["full"] += n.Full.Load()
		sum["held"] += n.Held.Load()
		sum["inbox"] += n.Inbox.Load()
		sum["accepted"] += n.Accepted.Load()
		sum["timeout"] += n.Timeouts.Load()
	}
	for event, n := range sum {
		c.put(datagramEvents, n, l.name, event)
	}
	if n := l.haproxy; n != nil {
		c.put(proxyHeaders, n.Headers.Load(), l.name)
		for r := range n.Refused {
			c.put(proxyRefused, n.Refused[r].Load(), l.name, label(haproxy.Refusal(r).String()))
		}
	}
}

func (c collector) tls(n *tls.Counts, side, name string) {
	c.put(handshakes, n.Handshakes.Load(), side, name)
	c.put(handshakeResumed, n.Resumed.Load(), side, name)
	c.put(handshakeFull, n.Full.Load(), side, name)
	c.put(handshakeChecked, n.Rechecked.Load(), side, name)
	c.put(handshakeReload, n.BadReloads.Load(), side, name)
	for _, cause := range tls.Causes() {
		c.put(handshakeFailed, n.Failed(cause), side, name, label(cause.String()))
	}
}

// tickets gives what a listen keeps for tickets, if it keeps anything.
func (c collector) tickets(l *tls.Listener, side, name string) {
	n, ok := l.TicketCounts()
	if !ok {
		return
	}
	c.put(ticketChains, n.Chains, side, name)
	c.put(ticketBytes, n.Bytes, side, name)
	c.put(ticketEvents, n.Displaced, side, name, "displaced")
	c.put(ticketEvents, n.Missed, side, name, "missed")
	c.put(ticketEvents, n.TooLong, side, name, "too_long")
}

func (c collector) gateway(g *gateway.Gateway) {
	for _, one := range g.Clients() {
		c.put(clientRequests, one.Requests.Load(), one.List, one.Name)
		c.put(clientCopies, one.Duplicates.Load(), one.List, one.Name)
		c.put(clientRefused, one.Refused.Load(), one.List, one.Name)
		for o := range gateway.OutcomeCount {
			c.put(clientOutcomes, one.Outcomes[o].Load(), one.List, one.Name, o.String())
		}
		for r := range radius.ReasonCount {
			c.put(clientDropped, one.Dropped[r].Load(), one.List, one.Name, r.String())
		}
		c.histogram(clientLatency, &one.Latency, one.List, one.Name)
	}
	for _, h := range g.Homes() {
		c.homeServer(&h)
	}
	for _, p := range g.Pools() {
		c.put(poolDown, truth(p.Down), p.Name)
	}
}

func (c collector) homeServer(h *gateway.HomeView) {
	for i := range h.Ports {
		c.port(&h.Ports[i], h.Name)
	}
	if h.TLS != nil {
		c.tls(h.TLS, "home_server", h.Name)
	}
}

func (c collector) port(p *gateway.PortView, server string) {
	for _, state := range gateway.Lives() {
		c.put(portState, truth(state == p.Life), server, p.Name, state)
	}
	n := p.Counts
	c.put(portAnswers, n.Answers.Load(), server, p.Name)
	c.put(portTimeouts, n.Timeouts.Load(), server, p.Name)
	c.put(portFailed, n.Failed.Load(), server, p.Name)
	c.put(portRejected, n.Rejected.Load(), server, p.Name)
	c.put(portChecks, n.Checks.Load(), server, p.Name)
	c.put(portDeaths, n.Deaths.Load(), server, p.Name)
	for r := range radius.ReasonCount {
		c.put(portBad, n.Bad[r].Load(), server, p.Name, r.String())
	}
	c.histogram(portLatency, &n.Latency, server, p.Name)
	c.peer(p.Peer, server, p.Name)
}

func (c collector) peer(p *transport.Peer, server, port string) {
	n := &p.Counts
	c.put(peerRequests, n.Requests.Load(), server, port)
	c.put(peerResent, n.Resent.Load(), server, port)
	c.put(peerUnmatched, n.Unmatched.Load(), server, port)
	c.put(peerFaults, n.Faults.Load(), server, port)
	c.put(peerOpened, n.Opened.Load(), server, port)
	c.put(peerFailed, n.Failed.Load(), server, port)
	c.put(peerOpen, p.Connections(), server, port)
	c.put(peerUnderWay, p.Outstanding(), server, port)
}
