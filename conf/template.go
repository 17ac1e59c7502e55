package conf

import "fmt"

// copyInto puts a copy of the section that pair refers to in the place of pair: `tls = ${..tls}`.
func (p *parser) copyInto(pair *Pair, one part, sec *Section) *Error {
	for s := pair.parent; s != nil; s = s.parent {
		if s.origin() == sec.origin() {
			return p.failAt(one.pos, "`${%s}`: is a section around this line", one.text)
		}
	}
	if sec.parent == pair.parent {
		return p.failAt(one.pos, "`${%s}`: is a section next to this line", one.text)
	}
	made, err := p.copySection(one.pos, sec, pair.parent)
	if err != nil {
		return err
	}
	pair.parent.replace(pair, made)
	return nil
}

// origin is the section that s was copied from, s if it was not.
func (s *Section) origin() *Section {
	if s.from != nil {
		return s.from
	}
	return s
}

// copySection copies sec for parent. Values that wait keep the place where they were written as their scope.
func (p *parser) copySection(pos Pos, sec, parent *Section) (*Section, *Error) {
	if err := p.charge(pos, nodeBytes+len(sec.Name)+len(sec.Name2)); err != nil {
		return nil, err
	}
	made := &Section{Name: sec.Name, Name2: sec.Name2, Pos: sec.Pos, parent: parent, from: sec.origin(),
		nameAs: sec.nameAs, name2As: sec.name2As, isPolicy: sec.isPolicy, depth: parent.depth + 1}
	if made.depth > maxNesting {
		return nil, p.failAt(pos, "sections are nested deeper than %d", maxNesting)
	}
	for _, it := range sec.items {
		if it.sec != nil {
			sub, err := p.copySection(pos, it.sec, made)
			if err != nil {
				return nil, err
			}
			made.add(item{sec: sub})
		} else if err := p.copyPair(pos, it.pair, made); err != nil {
			return nil, err
		}
	}
	return made, nil
}

func (p *parser) copyPair(pos Pos, pair *Pair, parent *Section) *Error {
	if err := p.charge(pos, nodeBytes+len(pair.Name)+len(pair.Value)); err != nil {
		return err
	}
	made := *pair
	made.parent, made.taken = parent, false
	made.at = len(parent.items)
	if made.state != done {
		made.state = waiting
		p.pending = append(p.pending, &made)
	}
	parent.add(item{pair: &made})
	return nil
}

// templateLine parses `$template name`. The template is merged when the section ends.
func (p *parser) templateLine(l *line, pos Pos, name word, off int) (next int, ok bool) {
	arg, next, ok := p.argument(l, name, off)
	if !ok {
		return next, false
	}
	at := l.pos(off)
	switch templates := p.root.find('s', "templates", "").sec; {
	case p.opt.Raw:
		p.addDirective(pos, at, name, arg)
	case p.cur == p.root:
		p.failAt(pos, "`$template` outside of a section")
	case p.cur.template != nil:
		p.failAt(pos, "the section has a template already")
	case templates == nil:
		p.failAt(at, "no template `%s`: there is no section `templates` before", arg.text)
	default:
		found := templates.find('s', arg.text, "").sec
		if found == nil || found.holds(p.cur) {
			var names []string
			for _, s := range templates.Sections("") {
				names = append(names, s.Name)
			}
			p.fail(&Error{at, fmt.Sprintf("no template `%s` before this line", arg.text), DidYouMean(arg.text, names)})
			break
		}
		p.cur.template, p.cur.templatePos = found, at
	}
	return next, true
}

// mergeTemplate adds to s what the template has and s has not; sub-sections that both have are merged.
func (p *parser) mergeTemplate(pos Pos, s, template *Section) {
	if p.charge(pos, nodeBytes*len(s.items)) != nil {
		return
	}
	own := map[itemKey]*Section{} // what s has before
	for _, it := range s.items {
		if it.sec != nil {
			own[itemKey{'2', it.sec.Name, it.sec.Name2}] = it.sec
		} else {
			own[itemKey{'p', it.pair.Name, ""}] = nil
		}
	}
	for _, it := range template.items {
		p.steps++
		if it.pair != nil {
			if _, has := own[itemKey{'p', it.pair.Name, ""}]; !has && p.copyPair(pos, it.pair, s) != nil {
				return
			}
			continue
		}
		if sub, has := own[itemKey{'2', it.sec.Name, it.sec.Name2}]; has {
			p.mergeTemplate(pos, sub, it.sec)
			continue
		}
		sub, err := p.copySection(pos, it.sec, s)
		if err != nil {
			return
		}
		s.add(item{sec: sub})
	}
}
