package gateway

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/dict"
)

type ruleKeys struct {
	Remove     []*conf.Pair `conf:"remove"`
	Whitelist  []*conf.Pair `conf:"whitelist"`
	Modify     []*conf.Pair `conf:"modify"`
	Supplement []*conf.Pair `conf:"supplement"`
	Add        []*conf.Pair `conf:"add"`
}

// rewrite is one `rewrite NAME { }`.
type rewrite struct {
	name     string
	compiled *radius.Rewrite
	lines    []string // for Debug
	print    string   // of its section
}

// rules returns the compiled rules; nil for none.
func (w *rewrite) rules() *radius.Rewrite {
	if w == nil {
		return nil
	}
	return w.compiled
}

func (r *reader) readRewrites(root *conf.Section) {
	for _, cs := range r.named(root, "rewrite") {
		w := &rewrite{name: cs.Name2, compiled: r.rewrite(cs), print: printOf(cs)}
		for _, p := range cs.Pairs("") {
			w.lines = append(w.lines, ruleText(p))
		}
		r.cfg.rewrites = append(r.cfg.rewrites, w)
		if _, taken := r.rewrites[w.name]; !taken {
			r.rewrites[w.name] = w
		}
	}
}

// printOfRules is the same for two sets of rules that say the same.
func (r *reader) printOfRules(rules *radius.Rewrite) string {
	for _, w := range r.cfg.rewrites {
		if w.compiled == rules {
			return w.print
		}
	}
	return ""
}

// ruleText is a rule for Debug, without a value that is secret.
func ruleText(p *conf.Pair) string {
	pairs, err := dict.Parse(p.Value)
	if (p.Name == "add" || p.Name == "supplement") && err == nil && len(pairs) == 1 && pairs[0].Attr.Secret {
		return fmt.Sprintf("%s = \"%s = <hidden>\"", p.Name, pairs[0].Attr.Name)
	}
	return fmt.Sprintf("%s = %q", p.Name, p.Value)
}

// rewrite compiles the rules of one section. With mistakes they do nothing.
func (r *reader) rewrite(cs *conf.Section) *radius.Rewrite {
	var k ruleKeys
	r.add(cs, cs.Decode(&k))
	var rules radius.Rules
	for _, p := range k.Remove {
		if a, ok := r.rule(p); ok {
			keep(a, &rules.Remove, &rules.RemoveVendor)
		}
	}
	rules.Whitelist = len(k.Whitelist) > 0
	for _, p := range k.Whitelist {
		if strings.EqualFold(p.Value, "none") {
			if len(k.Whitelist) > 1 {
				r.fail(p, "none keeps nothing: it stands alone")
			}
			continue
		}
		if a, ok := r.rule(p); ok {
			keep(a, &rules.Keep, &rules.KeepVendor)
		}
	}
	for _, p := range k.Modify {
		if m, ok := r.modify(p); ok && r.possible(p, radius.Rules{Modify: []radius.Modify{m}}) {
			rules.Modify = append(rules.Modify, m)
		}
	}
	for _, p := range k.Supplement {
		if v, ok := r.value(p); ok && r.possible(p, radius.Rules{Supplement: []radius.Value{v}}) {
			rules.Supplement = append(rules.Supplement, v)
		}
	}
	for _, p := range k.Add {
		if v, ok := r.value(p); ok && r.possible(p, radius.Rules{Add: []radius.Value{v}}) {
			rules.Add = append(rules.Add, v)
		}
	}
	if len(cs.Pairs("")) == 0 {
		r.failSection(cs, "it says nothing (remove, whitelist, modify, supplement, add)")
	}
	compiled, err := radius.NewRewrite(rules)
	if err != nil {
		r.failSection(cs, "%v", err)
		return new(radius.Rewrite)
	}
	return compiled
}

// possible tells whether a rule is one that packets can be treated by; the reason why not stands at its line.
func (r *reader) possible(p *conf.Pair, one radius.Rules) bool {
	if _, err := radius.NewRewrite(one); err != nil {
		r.fail(p, "%v", err)
		return false
	}
	return true
}

// rule reads what is removed or kept.
func (r *reader) rule(p *conf.Pair) (attribute, bool) {
	a, mistake := parseAttribute(p.Value)
	if mistake != "" {
		r.fail(p, "%s", mistake)
		return a, false
	}
	var one radius.Rules
	keep(a, &one.Remove, &one.RemoveVendor)
	return a, r.possible(p, one)
}

func keep(a attribute, ids *[]radius.ID, vendors *[]uint32) {
	if a.all {
		*vendors = append(*vendors, a.Vendor)
		return
	}
	*ids = append(*ids, a.ID)
}

// modify reads 'User-Name:/regex/replacement/'.
func (r *reader) modify(p *conf.Pair) (m radius.Modify, ok bool) {
	name, rest, found := strings.Cut(p.Value, ":/")
	parts := splitSlashes(rest)
	if !found || len(parts) != 3 || parts[2] != "" {
		r.fail(p, "`%s` is not an attribute and what becomes of it, as in 'User-Name:/^(.*)@old$/\\1@new/'", p.Value)
		return m, false
	}
	if m.ID, ok = r.one(p, name); !ok {
		return m, false
	}
	pattern, err := regexp.Compile("(?i:" + parts[0] + ")")
	if err != nil {
		r.fail(p, "%s", regexpMistake(parts[0], err))
		return m, false
	}
	if n := highestGroup(parts[1]); n > pattern.NumSubexp() {
		r.fail(p, "the replacement wants group \\%d, and the expression has %d", n, pattern.NumSubexp())
		return m, false
	}
	m.Pattern, m.Replacement = pattern, parts[1]
	return m, true
}

// highestGroup is the highest of \1 to \9 in a replacement; 0: none.
func highestGroup(replacement string) (highest int) {
	for i := 0; i+1 < len(replacement); i++ {
		if replacement[i] != '\\' {
			continue
		}
		i++
		if c := replacement[i]; c >= '1' && c <= '9' {
			highest = max(highest, int(c-'0'))
		}
	}
	return highest
}

// userName reads rewrite_user_name = '/regex/replacement/'.
func (r *reader) userName(p *conf.Pair) *radius.Modify {
	if p == nil {
		return nil
	}
	if !strings.HasPrefix(p.Value, "/") {
		r.fail(p, "`%s` is not an expression and what becomes of it, as in '/^(.*)@old$/\\1@new/'", p.Value)
		return nil
	}
	m, ok := r.modify(conf.NewPair(p.Name, "User-Name:"+p.Value, p.ValuePos))
	if !ok {
		return nil
	}
	return &m
}

// splitSlashes splits at slashes; \/ is one that does not divide.
func splitSlashes(text string) []string {
	parts := []string{""}
	for i := 0; i < len(text); i++ {
		last := &parts[len(parts)-1]
		switch {
		case text[i] == '/':
			parts = append(parts, "")
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '/':
			*last += "/"
			i++
		case text[i] == '\\' && i+1 < len(text):
			*last += text[i : i+2]
			i++
		default:
			*last += text[i : i+1]
		}
	}
	return parts
}
