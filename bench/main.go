//go:build linux

// The command bench measures what the gateway costs, and radsecproxy beside it: the processor time of a relayed request, the memory
// of an idle client, and whether millions of requests leave anything behind. README.md beside it says how to run it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

const usage = `usage: go run ./bench [speed|memory|soak] [FLAGS]

  speed   processor time per relayed request, the programs in turn (the default)
  memory  memory per idle TLS and DTLS client
  soak    millions of requests while home servers are killed, connections cut and the configuration reloaded

go run ./bench COMMAND -h lists the flags of a command.
`

func main() {
	name, args := "speed", os.Args[1:]
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		name, args = args[0], args[1:]
	}
	if err := command(name, args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command runs one command in a folder of its own, which is removed.
func command(name string, args []string) error {
	commands := map[string]func(dir string, args []string) error{"speed": speedCommand, "memory": memoryCommand, "soak": soakCommand}
	run, ok := commands[name]
	if !ok {
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("there is no command %q", name)
	}
	dir, err := os.MkdirTemp("", "bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := raiseDescriptors(); err != nil {
		return err
	}
	return run(dir, args)
}

// flagSet has the flags that all commands share.
func flagSet(name string, only *string) *flag.FlagSet {
	fs := flag.NewFlagSet("bench "+name, flag.ContinueOnError)
	fs.StringVar(only, "only", "", "measure only `frio|radsecproxy`")
	fs.StringVar(&frioPath, "frio", "", "the `binary` of frio; empty: built from this module")
	return fs
}

// programsOf returns what -only leaves.
func programsOf(only string) ([]program, error) {
	all := []program{programFrio, programRadsecproxy}
	if only == "" {
		return all, nil
	}
	if !slices.Contains(all, program(only)) {
		return nil, fmt.Errorf("only: %q is neither frio nor radsecproxy", only)
	}
	return []program{program(only)}, nil
}

// pin puts the bench on its processor and says so if it cannot.
func pin() error {
	pinned, err := pinSelf()
	if err == nil && !pinned {
		fmt.Fprintln(os.Stderr, "bench: one processor only: the bench disturbs what it measures")
	}
	return err
}

func speedCommand(dir string, args []string) error {
	o := &options{dir: dir, out: os.Stdout, log: os.Stderr}
	var only, pairs string
	fs := flagSet("speed", &only)
	fs.StringVar(&pairs, "pairs", "", "the `transports` of client and home server: udp-udp,udp-tls,tls-udp,udp-dtls,dtls-udp; also tcp")
	fs.IntVar(&o.rounds, "rounds", 3, "rounds; the median counts")
	fs.IntVar(&o.tries, "tries", 1, "of a measurement during which others used the gateway's processor; the quietest counts")
	fs.DurationVar(&o.patience, "patience", 0, "how long to wait before each measurement for idle processors")
	fs.IntVar(&o.count, "count", 200_000, "requests of a measurement with a window")
	fs.IntVar(&o.seconds, "seconds", 5, "length of a measurement at the steady rate")
	fs.IntVar(&o.window, "window", windowDefault, "requests in flight")
	fs.IntVar(&o.rate, "rate", rateDefault, "requests a second of the steady rate")
	fs.BoolVar(&o.atOnce, "at-once", true, "measure the steady rate once more, with frio's thread { coalesce = 0 }")
	fs.BoolVar(&o.accounting, "accounting", false, "Accounting-Requests instead of Access-Requests")
	fs.BoolVar(&o.json, "json", false, "print JSON, with the figures of each round")
	if err := fs.Parse(args); err != nil {
		return err
	}
	for _, bound := range []struct {
		name             string
		value, low, high int
	}{{"rounds", o.rounds, 1, 100}, {"tries", o.tries, 1, 20}, {"count", o.count, 1000, 100_000_000}, {"seconds", o.seconds, 1, 3600}, {"window", o.window, 1, 100_000}, {"rate", o.rate, 10, 1_000_000}} {
		if bound.value < bound.low || bound.value > bound.high {
			return fmt.Errorf("%s: %d is not between %d and %d", bound.name, bound.value, bound.low, bound.high)
		}
	}
	if o.patience < 0 || o.patience > time.Hour {
		return fmt.Errorf("patience: %v is not between 0 and an hour", o.patience)
	}
	var err error
	if o.pairs, err = parsePairs(pairs); err != nil {
		return err
	}
	if o.programs, err = programsOf(only); err != nil {
		return err
	}
	if err := pin(); err != nil {
		return err
	}
	results, err := measure(o)
	if err != nil {
		return err
	}
	return table(o, results)
}
