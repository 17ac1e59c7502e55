package conf

import (
	"fmt"
	"reflect"
)

// Decoder is implemented by types that decode themselves. p has a value, and an operator that a key may have. An error
// that is neither an *Error nor Errors becomes one at the value's position, after the key's name.
type Decoder interface{ DecodeConf(p *Pair) error }

// Decode fills the struct that dst points to from s, by the tags of its fields, marks what it took, and remembers the
// names it knows for Unknown's hints. It returns Errors: every bad value, not only the first. Fields of missing keys keep their values,
// so defaults are set before.
//
//	Port uint16 `conf:"port,required,min=1"`
//
// The package's documentation lists the types and options. A tag that makes no sense panics. Policy statements in
// s are errors.
func (s *Section) Decode(dst any) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic("conf: Decode needs a pointer to a struct")
	}
	return s.decode(v.Elem()).Err()
}

func (s *Section) decode(v reflect.Value) Errors {
	var errs Errors
	s.decodeFields(v, &errs)
	s.refusePolicy(&errs)
	return errs
}

func (s *Section) decodeFields(v reflect.Value, errs *Errors) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		text, tagged := sf.Tag.Lookup("conf")
		switch {
		case tagged && !sf.IsExported():
			panic("conf: field " + sf.Name + " has a tag but is not exported")
		case tagged:
			s.decodeField(v.Field(i), parseTag(v.Type(), sf.Name, text), errs)
		case sf.Anonymous && sf.Type.Kind() == reflect.Struct:
			s.decodeFields(v.Field(i), errs)
		}
	}
}

var (
	decoderType = reflect.TypeFor[Decoder]()
	pairType    = reflect.TypeFor[*Pair]()
	sectionType = reflect.TypeFor[*Section]()
)

// isSection tells whether a field of type t is filled from a section.
func isSection(t reflect.Type) bool {
	if t == sectionType {
		return true
	}
	if t == pairType {
		return false
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && !isValue(t)
}

func (s *Section) decodeField(field reflect.Value, tag *tag, errs *Errors) {
	t := field.Type()
	list := t.Kind() == reflect.Slice && !decodes(t)
	if list {
		t = t.Elem()
	}
	if isSection(t) {
		s.decodeSections(field, tag, list, errs)
		return
	}
	pairs := s.Take(tag.name)
	if len(pairs) == 0 && tag.required {
		*errs = append(*errs, s.missing(tag.name, ""))
	}
	if !list && len(pairs) > 1 {
		for _, again := range pairs[1:] {
			*errs = append(*errs, again.Errorf("%s: given already at %v", again.Name, pairs[0].Pos))
		}
		pairs = pairs[:1]
	}
	if list && len(pairs) > 0 {
		field.Set(reflect.MakeSlice(field.Type(), 0, len(pairs)))
	}
	for _, p := range pairs {
		value := reflect.New(t).Elem()
		if err := p.decode(value, tag, list); err != nil {
			errs.add(err, p.Errorf, p.Name)
			continue
		}
		if list {
			field.Set(reflect.Append(field, value))
		} else {
			field.Set(value)
		}
	}
}

// missing makes the error for something required. A root has no name to call it by.
func (s *Section) missing(name, braces string) *Error {
	if s.parent == nil {
		return s.Errorf("%s%s is missing", name, braces)
	}
	return s.Errorf("%s: %s%s is missing", s.Name, name, braces)
}

func (s *Section) decodeSections(field reflect.Value, tag *tag, list bool, errs *Errors) {
	found := s.TakeSections(tag.name)
	if len(found) == 0 {
		if tag.required {
			*errs = append(*errs, s.missing(tag.name, " { }"))
		}
		return
	}
	if !list {
		*errs = append(*errs, againErrors(found)...)
		found[0].decodeInto(field, errs)
		return
	}
	all := reflect.MakeSlice(field.Type(), len(found), len(found))
	for i, sub := range found {
		sub.decodeInto(all.Index(i), errs)
	}
	field.Set(all)
}

// decodeInto decodes s into a struct, or a pointer to one, which keeps what it has if it is set.
func (s *Section) decodeInto(v reflect.Value, errs *Errors) {
	switch {
	case v.Type() == sectionType:
		v.Set(reflect.ValueOf(s))
		return
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	*errs = append(*errs, s.decode(v)...)
}

// decode decodes the pair's value into v.
func (p *Pair) decode(v reflect.Value, tag *tag, list bool) error {
	switch {
	case p.err != nil:
		return p.err
	case p.Op != "=" && p.Op != ":=" && !(list && p.Op == "+="):
		return &Error{Pos: p.opPos, Msg: fmt.Sprintf("%s: operator %s is not possible here", p.Name, p.Op), Hint: "write ="}
	case v.Type() == pairType:
		v.Set(reflect.ValueOf(p))
		return nil
	case p.valueAs.empty():
		return p.Errorf("%s: has no value", p.Name)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if d, ok := v.Addr().Interface().(Decoder); ok {
		return d.DecodeConf(p)
	}
	if msg, hint := p.set(v, tag); msg != "" {
		e := p.Errorf("%s: %s", p.Name, msg)
		e.Hint = hint
		return e
	}
	return nil
}

// decodes tells whether a *t is a Decoder.
func decodes(t reflect.Type) bool { return reflect.PointerTo(t).Implements(decoderType) }
