package conf

// Node is what a Section holds: a *Pair or a *Section.
type Node interface{ node() item }

func (p *Pair) node() item    { return item{pair: p} }
func (s *Section) node() item { return item{sec: s} }

// NewPair makes a pair that no file has, `name = value`, for Compose. Mistakes in it are reported at that place.
func NewPair(name, value string, at Pos) *Pair {
	return &Pair{Name: name, Op: "=", Value: value, Pos: at, ValuePos: at, opPos: at, nameAs: spellName(name, 0), valueAs: spellValue(value, 0)}
}

// Compose returns a section at the position of s, and within it, that holds nodes. s does not hold it, and the nodes stay
// where they are as well: what its reader takes is taken there too. So a reader that expects keys in a section of their own can be
// given such as a file has elsewhere, and mistakes are still reported where they stand.
func (s *Section) Compose(name, name2 string, nodes ...Node) *Section {
	made := &Section{Name: name, Name2: name2, Pos: s.Pos, parent: s, taken: true, depth: s.depth + 1,
		nameAs: spellName(name, 0), name2As: spellName(name2, 0)}
	if name2 == "" {
		made.name2As = spelling{}
	}
	for _, n := range nodes {
		made.add(n.node())
	}
	return made
}

// TakeFlag returns the statements that are name alone, without operator and value, and marks them. FreeRADIUS has such keys: `nostrip`.
func (s *Section) TakeFlag(name string) []*Pair {
	s.know(name, knownKey)
	var list []*Pair
	for _, it := range s.items {
		if it.pair != nil && it.pair.kind == callPair && it.pair.Name == name {
			it.pair.taken = true
			list = append(list, it.pair)
		}
	}
	return list
}

// TakeAll marks all that s holds, at any depth, for readers that speak of a section as a whole.
func (s *Section) TakeAll() { s.takeAll() }

// Default adds name = value, as if it stood at the beginning of s, where s has no pair of that name: what a program has by default for
// a reader that has another one.
func (s *Section) Default(name, value string) {
	if len(s.Pairs(name)) == 0 {
		s.add(NewPair(name, value, s.Pos).node())
	}
}

// Sub returns the first section called name within s, which is made where there is none.
func (s *Section) Sub(name string) *Section {
	if list := s.Sections(name); len(list) > 0 {
		return list[0]
	}
	made := s.Compose(name, "")
	made.taken = false
	s.add(made.node())
	return made
}
