package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/server"
	"github.com/frio-io/frio/talloc"
)

const runUsage = `usage: frio run [-X] [-pidfile PATH] [-certs DIR] [FILE]

Runs the servers of FILE until SIGTERM or SIGINT, which let sessions end in order for a few seconds; a second one ends
at once. SIGHUP reads FILE again without losing a connection. When every listener is open it prints "ready" on standard output, and tells systemd. The log is on standard error.
Without FILE it relays RADIUS on all stacks of loopback to a small home server of its own, and prints how to try it.
`

func run(args []string, std streams) int {
	fs := flags("run", runUsage, std)
	verbose := fs.Bool("X", false, "print the configuration and a line for each event on standard error")
	pidfile := fs.String("pidfile", "", "while it is ready, the number of the process is in the file at `PATH`")
	certs := fs.String("certs", "", "without FILE: keep the certificates in `DIR` (default: a directory that goes when it ends)")
	rest, code, ok := parse(fs, args, std)
	if !ok {
		return code
	}
	if len(rest) > 0 && *certs != "" {
		return misuse(fs, std, "-certs has no effect with a FILE")
	}
	if len(rest) > 1 {
		return misuse(fs, std, "it takes one FILE, not %d", len(rest))
	}
	// From here on a signal is not lost, whenever it comes: what asks for the end has a channel of its own, and one reload that waits reads
	// what several SIGHUPs are about.
	signals, hangups := make(chan os.Signal, 4), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	// Who reads the log may go: that costs lines, and not the program, which Go would end.
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	defer signal.Stop(pipes)

	output := server.NewOutput(std.err, *verbose)
	defer output.Close()
	d := &daemon{std: std, output: output, log: output.Logger(), debug: *verbose, signals: signals, hangups: hangups, pidfile: *pidfile, certs: *certs}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	root := talloc.Root("main")
	defer root.Free()
	return d.run(root, rest)
}

// garbagePercent is how much garbage there may be beside what is in use, before it is collected. Relaying makes none, and a handshake some 30 KiB:
// with Go's 100 an idle TLS client would cost 19 KB, and with this it costs 11, for a tenth of a millisecond of each handshake.
const garbagePercent = 15

// daemon is one run of the program.
type daemon struct {
	std     streams
	output  *server.Output
	log     *slog.Logger
	debug   bool
	signals chan os.Signal // SIGTERM, SIGINT
	hangups chan os.Signal // SIGHUP
	pidfile string         // where the number of the process goes; "": nowhere
	certs   string         // where the certificates of the built-in configuration go; "": into a directory of their own
	hint    string         // what the built-in configuration says of itself
	remove  func()         // takes that directory away
	forget  func()         // takes the file with the number of the process away
}

func (d *daemon) run(root *talloc.Context, file []string) int {
	d.remove, d.forget = func() {}, func() {}
	defer d.clear()
	s, err := d.load(root, file)
	var mistakes conf.Errors
	switch {
	case errors.As(err, &mistakes):
		fmt.Fprintln(d.std.err, err)
		return exitUsage
	case err != nil:
		return d.fail(err)
	}
	for _, n := range s.Notes() {
		fmt.Fprintln(d.std.err, n)
	}
	if d.debug {
		s.Debug(d.std.err)
	}
	if err := s.Start(func(err error) { d.log.Warn("close", "error", err) }); err != nil {
		return d.fail(err)
	}
	if len(file) == 0 {
		fmt.Fprint(d.std.err, d.hint)
	}
	// Only who has the ports is who the file is about.
	if d.forget, err = writePID(d.pidfile); err != nil {
		_, _ = s.Shutdown() // nobody is served yet
		return d.fail(err)
	}
	fmt.Fprintln(d.std.out, "ready")
	d.notify("READY=1")
	ended := make(chan struct{})
	d.watch(s, file, ended)
	cut, err := s.Shutdown()
	close(ended)
	if err != nil {
		return d.fail(err)
	}
	if !cut.None() {
		d.log.Warn("stop", "cut", cut.String())
	}
	return exitDone
}

// clear takes away what the program has put into the file system for as long as it runs.
func (d *daemon) clear() {
	d.forget()
	d.remove()
}

func (d *daemon) load(root *talloc.Context, file []string) (*server.Server, error) {
	opt := server.Options{Logger: d.log, Output: d.output, Trace: d.debug, Version: version()}
	if len(file) == 0 {
		return d.loadBuiltin(root, opt)
	}
	return server.LoadFile(root, file[0], opt)
}

// loadBuiltin makes certificates and what runs without a file.
func (d *daemon) loadBuiltin(root *talloc.Context, opt server.Options) (*server.Server, error) {
	files, err := makeCertificates(time.Now())
	if err != nil {
		return nil, err
	}
	dir, remove, err := certificatesIn(d.certs, files)
	d.remove = remove
	if err != nil {
		return nil, err
	}
	text, hint, err := builtinConfig(dir, func(note string) { fmt.Fprintln(d.std.err, note) })
	if err != nil {
		return nil, err
	}
	d.hint = hint
	return server.LoadString(root, "built-in", text, opt)
}

func (d *daemon) fail(err error) int {
	d.output.Close() // what was logged before comes first
	fmt.Fprintln(d.std.err, "frio:", err)
	return exitFailed
}

// watch does what signals ask for, until one of them asks for the end. ended is closed when the servers have ended.
func (d *daemon) watch(s *server.Server, file []string, ended <-chan struct{}) {
	for {
		select {
		case <-d.hangups:
			reloaded := make(chan struct{})
			go func() {
				defer close(reloaded)
				d.reload(s, file)
			}()
			select {
			case <-reloaded:
				d.notify("READY=1")
			case sig := <-d.signals:
				d.stops(sig, ended)
				s.Hasten()
				<-reloaded
				return
			}
		case sig := <-d.signals:
			d.stops(sig, ended)
			return
		}
	}
}

// stops begins the end; another signal hurries it from then on.
func (d *daemon) stops(sig os.Signal, ended <-chan struct{}) {
	d.log.Info("stops", "signal", sig.String())
	d.notify("STOPPING=1")
	go d.hurry(ended)
}

// reload reads the file again. With a mistake in it the old configuration goes on. What there is to say goes into the log, a line for each: standard
// error may be nowhere by then.
func (d *daemon) reload(s *server.Server, file []string) {
	if len(file) == 0 {
		d.log.Warn("SIGHUP: there is no file to read again")
		return
	}
	d.notify(reloading())
	err := s.ReloadFile(file[0])
	var late *server.LateError
	switch {
	case err == nil || errors.As(err, &late):
		for _, n := range s.Notes() {
			d.log.Warn("reload", "note", n)
		}
		if late == nil {
			d.log.Info("reloaded", "file", file[0])
		} else {
			d.log.Error("reloaded, except", "file", file[0], "error", late)
		}
	default:
		for line := range strings.Lines(err.Error()) {
			d.log.Error("reload", "error", strings.TrimSpace(line))
		}
		d.log.Error("reload: the configuration before goes on", "file", file[0])
	}
}

// hurry ends the program at a second signal, until the servers have ended. Thread: its own.
func (d *daemon) hurry(ended <-chan struct{}) {
	select {
	case <-ended:
	case sig := <-d.signals:
		d.log.Warn("ends at once", "signal", sig.String())
		d.output.Close()
		d.clear()
		os.Exit(exitFailed)
	}
}

func (d *daemon) notify(state string) {
	if err := notify(os.Getenv("NOTIFY_SOCKET"), state); err != nil {
		d.log.Warn("systemd", "error", err)
	}
}
