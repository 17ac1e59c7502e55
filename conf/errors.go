package conf

import (
	"cmp"
	"slices"
	"strings"
)

// Error is one mistake: "frio.conf:41:9: port: 70000 is above 65535".
type Error struct {
	Pos  Pos
	Msg  string
	Hint string // "did you mean `ipaddr`?"
}

// Error returns "file:line:column: what[, hint]".
func (e *Error) Error() string {
	if e.Hint != "" {
		return e.Pos.String() + ": " + e.Msg + ", " + e.Hint
	}
	return e.Pos.String() + ": " + e.Msg
}

// As lets errors.As find Errors in a single Error, so that readers of either need to know one only.
func (e *Error) As(target any) bool {
	list, ok := target.(*Errors)
	if ok {
		*list = Errors{e}
	}
	return ok
}

// Errors are mistakes. Those of Err, and so all that this package returns as an error, are in order of position
// within each file, the files in the order of their first mistake, and none twice.
type Errors []*Error

// Error returns one line for each mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the single mistakes.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, one := range e {
		list[i] = one
	}
	return list
}

// Err returns e as an error, in order and without repeats; nil if it is empty.
func (e Errors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e.Sorted()
}

// Sorted returns a copy of e in order of position within each file, without repeats. It is for those who collect the
// mistakes of several readers.
func (e Errors) Sorted() Errors {
	rank := map[string]int{}
	for _, one := range e {
		if _, ok := rank[one.Pos.File]; !ok {
			rank[one.Pos.File] = len(rank)
		}
	}
	list := slices.Clone(e)
	slices.SortStableFunc(list, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(rank[a.Pos.File], rank[b.Pos.File]),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	seen := map[Error]bool{}
	return slices.DeleteFunc(list, func(one *Error) bool {
		again := seen[*one]
		seen[*one] = true
		return again
	})
}

// add appends err, whatever kind of mistake it is; other errors become one at pos.
func (e *Errors) add(err error, at func(format string, args ...any) *Error, what string) {
	switch err := err.(type) {
	case nil:
	case *Error:
		*e = append(*e, err)
	case Errors:
		*e = append(*e, err...)
	default:
		*e = append(*e, at("%s: %v", what, err))
	}
}
