package main

import (
	"fmt"

	"github.com/frio-io/frio/server"
	"github.com/frio-io/frio/talloc"
)

const checkUsage = `usage: frio check FILE

Reads FILE and what it includes, and prints what each listen and home_server comes to; nothing is opened. What is wrong
is on standard error, a line for each mistake: file:line:column: message. Exit code 0, or 2 if something is wrong; a line
that begins with "note: " or "warning: " after its position is not.
`

func check(args []string, std streams) int {
	fs := flags("check", checkUsage, std)
	rest, code, ok := parse(fs, args, std)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return misuse(fs, std, "it takes one FILE, not %d", len(rest))
	}
	root := talloc.Root("check")
	defer root.Free()
	s, err := server.LoadFile(root, rest[0], server.Options{})
	if err != nil {
		fmt.Fprintln(std.err, err)
		return exitUsage
	}
	for _, n := range s.Notes() {
		fmt.Fprintln(std.err, n)
	}
	s.Debug(std.out)
	return exitDone
}
