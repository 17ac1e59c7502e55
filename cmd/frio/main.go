// The command frio runs a configuration, checks one, and connects standard input and output to any stack.
// `frio help` says how.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	_ "github.com/frio-io/frio/all"
)

// What the program exits with.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage, or a wrong configuration
)

const usage = `usage: frio COMMAND [FLAGS] [ARGUMENTS]

  frio run [-X] [FILE]            run FILE; without one, a RADIUS gateway on loopback to try
  frio check FILE                 read FILE, print what it comes to, open nothing
  frio cat [FLAGS] STACK ADDRESS  standard input and output over a stack: frio cat tcp 127.0.0.1:7007
  frio radclient [FLAGS] STACK ADDRESS SECRET
                                  send RADIUS requests, read as lines of attributes, over a stack
  frio version                    print the version
  frio help                       print this

Flags may stand before or after the arguments; frio COMMAND -h lists those of a command.
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration; of radclient also 3, not answered.
`

// streams are the program's standard input and outputs.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	os.Exit(command(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// command runs the command that args name and returns the exit code.
func command(args []string, std streams) int {
	if len(args) == 0 {
		fmt.Fprint(std.err, usage)
		return exitUsage
	}
	switch name, rest := args[0], args[1:]; name {
	case "run":
		return run(rest, std)
	case "check":
		return check(rest, std)
	case "cat":
		return cat(rest, std)
	case "radclient":
		return radclient(rest, std)
	case "version", "-version", "--version":
		fmt.Fprintln(std.out, "frio", version())
		return exitDone
	case "help", "-h", "-help", "--help":
		fmt.Fprint(std.out, usage)
		return exitDone
	default:
		fmt.Fprintf(std.err, "frio: there is no command %q\n%s", name, usage)
		return exitUsage
	}
}

// version is that of the module, as the toolchain recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// flags makes the flag set of a command; what it prints for -h begins with head.
func flags(name, head string, std streams) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(std.err)
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), head)
		fs.PrintDefaults()
	}
	return fs
}

// parse takes flags from anywhere among args and returns the other arguments; all that follows `--` are such. Where it returns
// false the program is to exit with code.
func parse(fs *flag.FlagSet, args []string, std streams) (rest []string, code int, ok bool) {
	for len(args) > 0 {
		err := fs.Parse(args)
		switch {
		case err == flag.ErrHelp:
			return nil, exitDone, false
		case err != nil:
			return nil, exitUsage, false
		}
		left := fs.Args()
		if taken := len(args) - len(left); taken > 0 && args[taken-1] == "--" {
			return append(rest, left...), exitDone, true
		}
		if len(left) == 0 {
			break
		}
		rest, args = append(rest, left[0]), left[1:]
	}
	return rest, exitDone, true
}

// misuse prints what is wrong with the usage of a command.
func misuse(fs *flag.FlagSet, std streams, format string, args ...any) int {
	fmt.Fprintf(std.err, "frio %s: %s\n", fs.Name(), fmt.Sprintf(format, args...))
	fs.Usage()
	return exitUsage
}
