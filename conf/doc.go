// Package conf reads configuration in the syntax of FreeRADIUS 3. Every node knows its file, line and column; typed
// decoding marks what it took, and what nobody took is reported.
//
//	root, err := conf.ParseFile("frio.conf", conf.Options{})
//	var log struct {
//		Level string `conf:"level,enum=debug|info|warn|error"`
//	}
//	sub, err := root.TakeSection("log")
//	err = sub.Decode(&log)
//	errs := root.Unknown()
//
// All of these return as many mistakes as there are; a program shows those of all steps together (Errors.Sorted), each as
// "file:line:column: what, hint". A pair whose text is wrong counts as given, and Pair.Errorf returns its first mistake, so
// that one mistake is shown once.
//
// # Syntax
//
//	# a comment
//	name = value                    a pair; also := += -= == != < <= > >= =~ !~ =* !* ^= ++
//	name name2 {                    a section; the brace is on the same line
//		a = bare, b = "double"      a comma separates statements on one line
//		c = 'single'                the only escape is \'; ${x} stays as it is
//		d = "a long \
//			value"                  a backslash at the end continues a line, a comment's too
//		e = "${x} $ENV{HOME}"       references, in all but single quotes
//	}
//	$INCLUDE file                   relative to the directory of this file
//	$INCLUDE dir/                   its files by name; not .hidden, not names like x~ or x.bak,v
//	$-INCLUDE file                  if it exists
//	$template name                  what templates { name { } } has and this section has not
//
// In double and back quotes \n, \r, \t and three octal digits are characters, \", \\ and \$ are what stands behind the
// backslash, and any other backslash stays; so "\.org" has it, and \${x} is no reference. FreeRADIUS 3.2 knows
// \" only and leaves all others as they stand. A bare value ends at a space or comma only: braces and # belong to it. The line's
// continuation after "\ (a quote and a backslash) drops the spaces that the next lines begin with.
//
// A reference is ${x} (here, else at the root), ${.x} (here), ${..x} (one section further out, and so on), ${a.b.x} (from the
// root), ${a[b].x} (through a b { }), ${.:name} and ${.:instance} (names of a section), ${ENV.X} and $ENV{X}. Of several
// pairs with one name the first counts. A value is looked at where it stands, and again when all is read, so it may refer to what
// follows. x = ${a} where a is a section puts a copy of the section in the place of the pair. confdir is the directory of
// the first file, unless a file says otherwise. What cannot be found is an error, an environment variable that is not set too;
// FreeRADIUS takes that for empty.
//
// Policy (if, elsif, else, switch, case, foreach, while, update, map, load-balance, redundant, redundant-load-balance, names
// of modules, expansions) is parsed as far as to know where it ends, and kept for Format. Sections and Pairs do not show it;
// Decode reports it, as Unknown does.
//
// # Decoding
//
// The type of a field and the options in its tag say how a value is read:
//
//	string               as it is; enum=a|b|c one of these; file, dir: must be there and readable; path: need not.
//	                     A relative path is relative to the directory of the file that the line stands in.
//	Secret               never printed, and never part of an error
//	bool                 yes, no, true, false, on, off, upper or lower case
//	int..., uint...      decimal or 0x; min=, max=, else the range of the type. unlimited: the word is 0, and a bare 0 is an error.
//	                     size: bytes, with k, M, G, T (powers of 1024; KiB and KB are k). port, port=tcp, port=udp: a number or
//	                     the name of a service. mode: octal. user, group: a number or a name.
//	time.Duration        seconds, or a number with us, ms, s, m, h, d or w; fractions; min=, max=, else from 0.
//	                     never: the word is 0, and a bare 0 is an error.
//	netip.Addr           an address; * is 0.0.0.0; ipv4, ipv6: of that family, and * is its any address
//	netip.Prefix         an address with /bits or alone, 10/8, * is everything; bits behind the prefix are cleared
//	a Decoder            decodes itself
//	*Pair, *Section      the node itself
//	a struct             a sub-section
//	a slice of these     one for each repetition; the operator += is possible here only
//	a pointer to these   nil if not given
//
// The option required makes a missing one an error; zero allows a bare 0 where never, unlimited or min= forbid it. An embedded struct
// without tag is part of the one around it. A field without tag is left alone.
package conf
