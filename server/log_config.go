package server

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius/gateway"
)

// logConfig is `log { }` at the top level. Its zero value is what holds without one.
type logConfig struct {
	level    slog.Level
	json     bool
	filename string // destination; "": standard error
	requests bool
	username gateway.UserNames
	stations *gateway.Stations // nil: not given
	ticks    *gateway.FTicksConfig
}

type logKeys struct {
	Level       string            `conf:"level,enum=debug|info|warn|error"`
	Format      string            `conf:"format,enum=text|json"`
	Destination *conf.Pair        `conf:"destination"`
	Requests    bool              `conf:"requests"`
	UserName    gateway.UserNames `conf:"username"`
	FTicks      *conf.Section     `conf:"fticks"`
}

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "": slog.LevelInfo, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// log reads `log { }`. What it says of requests has an effect with a gateway only.
func (l *loader) log(root *conf.Section, gatewayRuns bool) (cfg logConfig) {
	cs, err := root.TakeSection("log")
	l.add(root, err)
	if cs == nil {
		return cfg
	}
	var k logKeys
	l.add(cs, cs.Decode(&k))
	cfg = logConfig{level: levels[k.Level], json: k.Format == "json", requests: k.Requests, username: k.UserName}
	if p := k.Destination; p != nil {
		switch p.Value {
		case "":
			l.errs = append(l.errs, p.Errorf("destination: is empty"))
		case "stderr":
		case "stdout", "files", "syslog", "null": // of FreeRADIUS
			l.errs = append(l.errs, p.Errorf("destination: `%s` is neither stderr nor the path of a file, like ./%[1]s", p.Value))
		default:
			if strings.Contains(p.Value, "://") { // of radsecproxy: file:///path, x-syslog:///facility
				l.errs = append(l.errs, p.Errorf("destination: `%s` is an address: write stderr or the path of a file", p.Value))
			}
			cfg.filename = p.Path(p.Value)
		}
	}
	var errs conf.Errors
	cfg.stations, errs = gateway.ParseStations(cs)
	l.errs = append(l.errs, errs...)
	if k.FTicks != nil {
		var errs conf.Errors
		cfg.ticks, errs = gateway.ParseFTicks(k.FTicks)
		l.errs = append(l.errs, errs...)
		if !gatewayRuns {
			l.errs = append(l.errs, k.FTicks.Errorf("fticks has no effect: there is no server of namespace radius"))
		}
	}
	for _, name := range []string{"requests", "username", "mac"} {
		for _, p := range cs.Pairs(name) {
			if !gatewayRuns {
				e := p.Errorf("%s has no effect: there is no server of namespace radius", name)
				e.Pos = p.Pos
				l.errs = append(l.errs, e)
			}
		}
	}
	return cfg
}

// handler writes lines as cfg says.
func (cfg *logConfig) handler(w io.Writer) slog.Handler {
	opt := &slog.HandlerOptions{Level: cfg.level}
	if cfg.json {
		return slog.NewJSONHandler(w, opt)
	}
	return slog.NewTextHandler(w, opt)
}

// gatewayLog is what the gateway is told of it.
func (s *Server) gatewayLog(cfg *logConfig) gateway.Log {
	l := gateway.Log{Requests: cfg.requests, UserName: cfg.username, Stations: cfg.stations, Trace: s.opt.Trace || cfg.level == slog.LevelDebug}
	if cfg.ticks != nil {
		ticks := cfg.ticks.FTicks
		ticks.Write = s.tick
		l.FTicks = &ticks
	}
	return l
}

// tick writes a line of F-Ticks. Thread: any.
func (s *Server) tick(line string) {
	if s.opt.Output == nil || !s.opt.Output.tick(line) {
		s.opt.Logger.Info(line)
	}
}

func (cfg *logConfig) debug(w io.Writer) {
	fmt.Fprintln(w, "log")
	in := frio.Indent(w)
	format, to := "text", "standard error"
	if cfg.json {
		format = "json"
	}
	if cfg.filename != "" {
		to = cfg.filename
	}
	fmt.Fprintf(in, "%s from level %v on, to %s\n", format, cfg.level, to)
	if cfg.requests {
		fmt.Fprintf(in, "a line for each request, user names: %v\n", cfg.username)
	}
	if cfg.stations != nil {
		fmt.Fprintf(in, "stations: %v\n", cfg.stations.MAC)
	}
	if cfg.ticks != nil {
		cfg.ticks.Debug(in)
	}
}
