package conf

import (
	"fmt"
	"maps"
	"slices"
)

// known is what readers of a section take by a name.
type known uint8

const (
	knownKey known = 1 << iota
	knownSection
)

const (
	hintMax     = 128 // names that a hint is chosen from
	hintLongest = 32  // letters of a name that has a hint
)

// TakeSections returns the sub-sections called name and marks them as taken (what is in them is not).
func (s *Section) TakeSections(name string) []*Section {
	s.know(name, knownSection)
	list := s.Sections(name)
	for _, sub := range list {
		sub.taken = true
	}
	return list
}

// TakeSection returns the one sub-section called name, marked; nil if there is none; more than one is an error at the second that
// names the first. The first is returned all the same, so that what is in it can be checked as well.
func (s *Section) TakeSection(name string) (*Section, error) {
	list := s.TakeSections(name)
	if len(list) == 0 {
		return nil, nil
	}
	return list[0], againErrors(list).Err()
}

// againErrors reports all of list but the first.
func againErrors(list []*Section) Errors {
	var errs Errors
	for _, again := range list[1:] {
		errs = append(errs, again.Errorf("%s: given already at %v", again.Name, list[0].Pos))
		again.takeAll()
	}
	return errs
}

// takeAll marks a section that is reported as a whole.
func (s *Section) takeAll() {
	s.taken = true
	for _, it := range s.items {
		if it.sec != nil {
			it.sec.takeAll()
		} else {
			it.pair.taken = true
		}
	}
}

// Take returns the pairs called name and marks them.
func (s *Section) Take(name string) []*Pair {
	s.know(name, knownKey)
	list := s.Pairs(name)
	for _, p := range list {
		p.taken = true
	}
	return list
}

// Knows adds names that some reader of s could take, for hints.
func (s *Section) Knows(names ...string) {
	for _, name := range names {
		s.know(name, 0)
	}
}

func (s *Section) know(name string, what known) {
	if name == "" {
		return // all were taken
	}
	if s.known == nil {
		s.known = map[string]known{}
	}
	s.known[name] |= what
}

// Unknown returns an error for each pair, section and policy statement at or below s that nobody took. Within a section that nobody took, only
// the section itself is reported; within one whose closing brace is missing no section is, because that was. s itself counts as
// taken. What a `${reference}` names has an effect and is not reported, nor are templates.
func (s *Section) Unknown() Errors { return s.unknown(nil).Sorted() }

func (s *Section) unknown(errs Errors) Errors {
	for _, it := range s.items {
		switch {
		case it.pair != nil:
			if !it.pair.taken {
				errs = append(errs, s.unknownPair(it.pair))
			}
		case s.parent == nil && it.sec.Name == "templates":
		case it.sec.taken:
			errs = it.sec.unknown(errs)
		case s.unclosed:
		default:
			errs = append(errs, s.unknownSection(it.sec))
		}
	}
	return errs
}

func (s *Section) unknownPair(p *Pair) *Error {
	e := &Error{Pos: p.Pos}
	what, isKnown := s.known[p.Name]
	switch {
	case p.err != nil:
		return p.err
	case p.kind != keyPair && isKnown && what&knownKey != 0:
		e.Msg = fmt.Sprintf("`%s` has no value", p.Name)
	case p.kind != keyPair && isKnown && what == knownSection:
		e.Msg = fmt.Sprintf("`%s` is a section: write `%s { ... }`", p.Name, p.Name)
	case p.after != nil && !isKnown:
		return p.after.cut(p.Pos)
	case p.kind != keyPair:
		e.Msg, e.Hint = fmt.Sprintf("policy statement `%s` is not possible here", p.Name), s.hint(p.Name)
	case isKnown && what == knownSection:
		e.Msg = fmt.Sprintf("`%s` is a section: write `%s { ... }`", p.Name, p.Name)
	case isKnown:
		e.Msg = fmt.Sprintf("`%s` has no effect here", p.Name)
	default:
		e.Msg, e.Hint = fmt.Sprintf("unknown key `%s`", p.Name), s.hint(p.Name)
	}
	return e
}

func (s *Section) unknownSection(sub *Section) *Error {
	e := &Error{Pos: sub.Pos}
	what, isKnown := s.known[sub.Name]
	switch {
	case sub.isPolicy:
		e.Msg = fmt.Sprintf("policy statement `%s` is not possible here", sub.Name)
	case isKnown && what == knownKey:
		e.Msg = fmt.Sprintf("`%s` is a key: write `%s = ...`", sub.Name, sub.Name)
	case isKnown:
		e.Msg = fmt.Sprintf("section `%s` has no effect here", sub.Name)
	default:
		e.Msg, e.Hint = fmt.Sprintf("unknown section `%s`", sub.Name), s.hint(sub.Name)
	}
	return e
}

// refusePolicy reports the policy statements of s, once however many readers it has.
func (s *Section) refusePolicy(errs *Errors) {
	for _, it := range s.items {
		switch {
		case it.sec != nil && it.sec.isPolicy && !it.sec.taken:
			*errs = append(*errs, s.unknownSection(it.sec))
			it.sec.takeAll()
		case it.pair != nil && it.pair.kind != keyPair && !it.pair.taken:
			*errs = append(*errs, s.unknownPair(it.pair))
			it.pair.taken = true
		}
	}
}

// hint names what name was probably meant to be, of the names that readers of s know.
func (s *Section) hint(name string) string {
	return DidYouMean(name, slices.Sorted(maps.Keys(s.known)))
}

// Nearest returns the one of names that name was probably meant to be, "" if none is near: a third of its letters may be
// wrong, but not all. Thread: any.
func Nearest(name string, names []string) string {
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, candidate := range names[:min(len(names), hintMax)] {
		if d := distance(name, candidate, bestDistance); d < min(bestDistance, len(name)) && candidate != name {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// DidYouMean is an Error's hint at the nearest of names, "" if none is near. Thread: any.
func DidYouMean(name string, names []string) string {
	best := Nearest(name, names)
	if best == "" {
		return ""
	}
	return "did you mean `" + best + "`?"
}

// distance counts the letters to insert, delete, change or swap with their neighbour to get from a to b (optimal string alignment).
// It is limit, or more, where it does not matter how far.
func distance(a, b string, limit int) int {
	if len(a) > hintLongest || len(b) > hintLongest || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
