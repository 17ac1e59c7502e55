package server

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/netconn"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

const (
	// controlConnections are at a time: people and a few scripts. For one more, who has been idle longest goes.
	controlConnections = 16
	// controlIdle is how long one waits for its next command.
	controlIdle = 5 * time.Minute
	// controlLineMax is the longest command in bytes.
	controlLineMax = 256
	// controlWrite is for an answer that is not read.
	controlWrite = 10 * time.Second
)

// controlConfig is `control { }` at the top level.
type controlConfig struct {
	section *conf.Section // to know whether another says the same
	path    string
	ctx     *talloc.Context
	io      frio.IO // as parsed; nil once it is the controlServer's, or needed no more. Guarded by watch.mu
}

// control reads `control { }`: a listen on a Unix socket in fewer words.
func (l *loader) control(root *conf.Section) *controlConfig {
	cs, err := root.TakeSection("control")
	l.add(root, err)
	if cs == nil {
		return nil
	}
	cfg := &controlConfig{section: cs}
	var nodes []conf.Node
	for _, name := range []string{"filename", "mode", "uid", "gid"} {
		cs.Knows(name)
		for _, p := range cs.Take(name) {
			nodes = append(nodes, p)
		}
	}
	names := cs.Pairs("filename")
	if len(names) == 0 {
		l.errs = append(l.errs, cs.Errorf("control: filename is missing"))
		for _, sub := range cs.TakeSections("peercred") {
			sub.TakeAll()
		}
		return nil
	}
	cfg.path = names[0].Value
	allowed := cs.TakeSections("peercred")
	for _, sub := range allowed {
		nodes = append(nodes, sub)
	}
	if len(allowed) == 0 {
		nodes = append(nodes, ownPeers(cs))
	}
	listen := cs.Compose("listen", "control", conf.NewPair("protocol", "unix", cs.Pos), cs.Compose("unix", "", nodes...),
		cs.Compose("limit", "", conf.NewPair("max_connections", strconv.Itoa(controlConnections+1), cs.Pos)))
	if cfg.ctx, err = l.server.ctx.New("control"); err == nil {
		cfg.io, err = frio.ParseServer(cfg.ctx, listen)
	}
	l.add(cs, err)
	return cfg
}

// ownPeers lets in root and the user that the process has.
func ownPeers(cs *conf.Section) conf.Node {
	users := []conf.Node{conf.NewPair("uid", "0", cs.Pos)}
	if own := os.Geteuid(); own != 0 {
		users = append(users, conf.NewPair("uid", strconv.Itoa(own), cs.Pos))
	}
	return cs.Compose("peercred", "", users...)
}

func (cfg *controlConfig) debug(w io.Writer) {
	fmt.Fprintln(w, "control")
	if cfg.io == nil {
		fmt.Fprintf(frio.Indent(w), "unix %s\n", cfg.path)
		return
	}
	cfg.io.Debug(frio.Indent(w))
}

// drop frees what is not needed: the control socket that is there goes on.
func (cfg *controlConfig) drop() {
	if cfg.io != nil {
		cfg.io = nil
		cfg.ctx.Free()
	}
}

// controlServer answers commands. It has a thread of its own, so that it answers also when the others do not.
type controlServer struct {
	section  *conf.Section
	watch    *watch
	pool     *thread.Pool
	listener net.Listener
	ended    sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // guarded by mu: at most controlConnections, who has been idle longest first
}

// change returns the server that cfg asks for, open: c if it is that, which ends if it is not; nil for none. If it cannot be opened there is
// none: the file of the present one may be in the way, so that goes first.
func (c *controlServer) change(w *watch, cfg *controlConfig) (*controlServer, error) {
	if c != nil && cfg != nil && c.section.Equal(cfg.section) {
		cfg.drop()
		return c, nil
	}
	c.close()
	if cfg == nil {
		return nil, nil
	}
	next := &controlServer{section: cfg.section, watch: w}
	if err := next.open(cfg); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return next, nil
}

func (c *controlServer) open(cfg *controlConfig) error {
	log := c.watch.server.opt.Logger.With("control", cfg.path)
	pool, err := thread.New(thread.Config{Network: 1, Kernel: c.watch.server.kernel,
		OnError: func(_ *thread.Thread, err error) { log.Warn("control", "error", err) }})
	if err != nil {
		return err
	}
	pool.Start()
	cfg.ctx.Detach()
	one := cfg.io
	cfg.io = nil
	if c.listener, err = netconn.Listen(pool.Threads()[0], cfg.ctx, one); err != nil {
		_, _ = pool.Stop(0)
		return err
	}
	c.pool = pool
	log.Info("open")
	c.ended.Go(func() { c.accept(log) })
	return nil
}

func (c *controlServer) accept(log *slog.Logger) {
	for {
		one, err := c.listener.Accept()
		if err != nil {
			if c.watch.at() != stageDraining {
				log.Debug("closed", "error", err)
			}
			return
		}
		c.enter(one)
		c.ended.Go(func() { c.serve(one) })
	}
}

// enter makes one known, in the place of who has been idle longest if there are as many as may be.
func (c *controlServer) enter(one net.Conn) {
	var idlest net.Conn
	c.mu.Lock()
	if len(c.conns) == controlConnections {
		idlest = c.conns[0]
		c.conns = slices.Delete(c.conns, 0, 1)
	}
	c.conns = append(c.conns, one)
	c.mu.Unlock()
	if idlest != nil {
		_ = idlest.Close()
	}
}

// hears notes that one has said something.
func (c *controlServer) hears(one net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removeLocked(one) {
		c.conns = append(c.conns, one)
	}
}

// leave closes a connection.
func (c *controlServer) leave(one net.Conn) {
	c.mu.Lock()
	c.removeLocked(one)
	c.mu.Unlock()
	_ = one.Close()
}

// removeLocked is false where one had to go already.
func (c *controlServer) removeLocked(one net.Conn) bool {
	i := slices.Index(c.conns, one)
	if i >= 0 {
		c.conns = slices.Delete(c.conns, i, i+1)
	}
	return i >= 0
}

// serve answers a connection's commands, a line each, until it ends. An answer ends with an empty line.
func (c *controlServer) serve(one net.Conn) {
	defer c.leave(one)
	in := bufio.NewScanner(one)
	in.Buffer(make([]byte, 0, controlLineMax), controlLineMax)
	for {
		if one.SetReadDeadline(time.Now().Add(controlIdle)) != nil || !in.Scan() {
			return
		}
		c.hears(one)
		answer := append(c.watch.answer(in.Text()), '\n')
		if one.SetWriteDeadline(time.Now().Add(controlWrite)) != nil {
			return
		}
		if _, err := one.Write(answer); err != nil {
			return
		}
	}
}

// close ends the server, if there is one, and its connections.
func (c *controlServer) close() {
	if c == nil {
		return
	}
	_ = c.listener.Close()
	_, _ = c.pool.Stop(0) // connections are cut: a command changes nothing
	c.ended.Wait()
}
