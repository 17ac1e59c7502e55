package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// exitUnanswered is what radclient exits with when a request had no answer.
const exitUnanswered = 3

const radclientUsage = `usage: frio radclient [FLAGS] STACK ADDRESS SECRET

Sends RADIUS requests to ADDRESS over STACK, for example udp, tcp, tls+tcp or tls+udp, and prints the replies. ADDRESS is
host[:port], [IPv6]:port, or for unix a path or @name; without a port it is 2083 under tls, 1813 with -code acct, 3799 with -code coa or
disconnect, and else 1812. SECRET is the shared secret, @FILE for the first line of a file, or - for the first line of
standard input; as an argument it shows in the list of processes.

Attributes are lines of the form Name = value in standard input, or in the file of -f, with an empty line between requests:

	User-Name = "bob"
	User-Password = "hello"

CHAP-Password, MS-CHAP-Password and MS-CHAP2-Password are passwords in the clear: what is sent is made from them. Packet-Type is no attribute
but the kind of its request, as in Packet-Type = Accounting-Request.

A reply counts if its authenticators are right. What is secret in requests and replies is shown by its length only.
Exit codes: 0 every request was accepted, or answered where there is nothing to accept; 1 one was rejected or challenged; 2 wrong usage
or input; 3 one was not answered.

`

// Bounds of what radclient keeps.
const (
	identifiers = 256 // of one connection (RFC 2865, Section 3)
	// parallelMax is 256 connections.
	parallelMax = 256 * identifiers
)

// radclientFlags are the flags of radclient.
type radclientFlags struct {
	target
	file                  string
	code                  radius.Code // 0: by what the request holds
	count, parallel       int
	tries                 int
	timeout               time.Duration
	rate                  float64 // requests a second; 0: as they are answered
	strict                bool    // replies must have a Message-Authenticator
	trace, quiet, summary bool
}

func radclient(args []string, std streams) int {
	var f radclientFlags
	var four, six bool
	code := "auto"
	f.timeout = 3 * time.Second
	fs := flags("radclient", radclientUsage, std)
	fs.StringVar(&f.file, "f", "", "read attributes from `FILE` instead of standard input")
	fs.StringVar(&code, "code", code, "what to send: auth, acct, status, coa, disconnect, or auto: by Packet-Type,\n"+
		"else accounting where there is an Acct-Status-Type, else authentication")
	fs.IntVar(&f.count, "c", 1, "send each request `count` times")
	fs.IntVar(&f.parallel, "p", 0, "how many requests may wait for an answer at once (default 1; 256 with -n)")
	fs.IntVar(&f.tries, "r", 3, "over datagrams, how `often` a request is sent at most; over streams it is sent once")
	fs.Func("t", "how long to wait for an answer before the next try, in `seconds` or as 500ms (default 3)", func(s string) error {
		d, err := seconds(s)
		f.timeout = d
		return err
	})
	fs.Float64Var(&f.rate, "n", 0, "begin that many requests a `second`, evenly spaced")
	fs.BoolVar(&f.strict, "b", false, "drop replies to an Access-Request that have no Message-Authenticator")
	fs.BoolVar(&f.trace, "x", false, "print what is sent, and what else happens, on standard error")
	fs.BoolVar(&f.quiet, "q", false, "print neither replies nor which request had none")
	fs.BoolVar(&f.summary, "s", false, "print a summary")
	fs.BoolVar(&four, "4", false, "IPv4 only")
	fs.BoolVar(&six, "6", false, "IPv6 only")
	fs.StringVar(&f.kind, "type", "", "stream or datagram, of a unix socket")
	f.flags(fs)
	rest, status, ok := parse(fs, args, std)
	if !ok {
		return status
	}
	if len(rest) != 3 {
		return misuse(fs, std, "it takes STACK, ADDRESS and SECRET, not %d arguments", len(rest))
	}
	if err := f.check(fs, code, four, six, rest[0]); err != nil {
		return misuse(fs, std, "%v", err)
	}
	text, err := f.section(rest[0], rest[1])
	if err != nil {
		return misuse(fs, std, "%v", err)
	}
	keys, requests, err := f.input(rest[2], std)
	if err != nil {
		fmt.Fprintln(std.err, "frio radclient:", err)
		return exitUsage
	}

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	root := talloc.Root("radclient")
	defer root.Free()
	one, mistakes := f.parse(root, text)
	if mistakes != nil {
		tell(std.err, "radclient", mistakes)
		return exitUsage
	}
	loop, err := event.New(root, sock.System, event.Config{Name: "radclient"})
	if err != nil {
		fmt.Fprintln(std.err, "frio radclient:", err)
		return exitFailed
	}
	defer loop.Close()
	s := newSender(f, std, loop, root, keys, requests, one)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-ended:
		case sig := <-signals:
			loop.Post(func() { s.interrupt(sig) })
		}
	}()
	s.begin()
	if err := loop.Run(); err != nil {
		fmt.Fprintln(std.err, "frio radclient:", err)
		return exitFailed
	}
	return s.exitCode()
}

// check takes what flags say together.
func (f *radclientFlags) check(fs *flag.FlagSet, code string, four, six bool, stack string) error {
	codes := map[string]radius.Code{"auto": 0, "auth": radius.AccessRequest, "acct": radius.AccountingRequest, "status": radius.StatusServer,
		"coa": radius.CoARequest, "disconnect": radius.DisconnectRequest}
	var ok bool
	f.code, ok = codes[code]
	given := map[string]bool{}
	fs.Visit(func(one *flag.Flag) { given[one.Name] = true })
	if !given["p"] {
		f.parallel = 1
		if f.rate > 0 {
			f.parallel = identifiers
		}
	}
	switch {
	case !ok:
		return fmt.Errorf("-code %s: it is auth, acct, status, coa, disconnect or auto", code)
	case f.count < 1:
		return errors.New("-c must be at least 1")
	case f.tries < 1:
		return errors.New("-r must be at least 1")
	case f.parallel < 1 || f.parallel > parallelMax:
		return fmt.Errorf("-p must be from 1 to %d", parallelMax)
	case f.timeout <= 0:
		return errors.New("-t must be above 0")
	case given["n"] && !(f.rate > 0 && f.rate <= 1e6): // also what is no number
		return errors.New("-n must be above 0, and at most 1000000")
	case four && six:
		return errors.New("-4 and -6 exclude each other")
	case (four || six) && strings.HasSuffix(stack, "unix"):
		return errors.New("-4 and -6 have no effect on unix")
	case four:
		f.family = "ipv4addr"
	case six:
		f.family = "ipv6addr"
	}
	f.port = "1812"
	switch {
	case strings.HasPrefix(stack, "tls"):
		f.port = "2083"
	case f.code == radius.AccountingRequest:
		f.port = "1813"
	case f.code == radius.CoARequest, f.code == radius.DisconnectRequest:
		f.port = "3799"
	}
	return nil
}

// seconds reads a time as radclient takes it, in seconds, or with a unit.
func seconds(s string) (time.Duration, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		if !(n > 0 && n <= 86400) {
			return 0, errors.New("it is from above 0 to 86400 seconds")
		}
		return max(time.Duration(n*float64(time.Second)), 1), nil
	}
	return time.ParseDuration(s)
}

// input reads the secret and the requests.
func (f *radclientFlags) input(secret string, std streams) (*radius.Keys, []*request, error) {
	in := bufio.NewReader(std.in)
	value, err := readSecret(secret, in)
	if err != nil {
		return nil, nil, err
	}
	keys := radius.NewKeys(value)
	name, from := "standard input", io.Reader(in)
	switch {
	case f.file != "":
		file, err := os.Open(f.file)
		if err != nil {
			return nil, nil, err
		}
		defer file.Close()
		name, from = f.file, file
	case f.code == radius.StatusServer && secret != "-" && isTerminal(std.in):
		from = strings.NewReader("") // it needs no attributes: nobody is to be waited for
	}
	requests, err := readRequests(name, from, f.code)
	if err != nil {
		return nil, nil, err
	}
	if len(requests) == 0 {
		if f.code != radius.StatusServer {
			return nil, nil, fmt.Errorf("%s: there are no attributes", name)
		}
		requests = []*request{{code: f.code, line: 1}}
	}
	for _, r := range requests {
		if _, err := r.build(nil, keys, 0); err != nil {
			return nil, nil, fmt.Errorf("%s:%d: %w", name, r.line, err)
		}
	}
	return keys, requests, nil
}

func isTerminal(in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// readSecret returns what an argument means as a secret.
func readSecret(arg string, in *bufio.Reader) ([]byte, error) {
	secret := arg
	switch path, isFile := strings.CutPrefix(arg, "@"); {
	case arg == "-":
		line, err := in.ReadString('\n')
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		secret = line
	case isFile:
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		secret, _, _ = strings.Cut(string(data), "\n")
	}
	if arg != secret {
		secret = strings.TrimRight(secret, "\r\n")
	}
	if secret == "" {
		return nil, errors.New("the secret is empty")
	}
	return []byte(secret), nil
}
