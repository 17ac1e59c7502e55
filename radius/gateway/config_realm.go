package gateway

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/frio-io/frio/conf"
)

// realmMax is the longest realm: User-Name has at most 253 bytes (RFC 2865, Section 5.1).
const realmMax = 253

type proxyKeys struct {
	DefaultFallback bool   `conf:"default_fallback"`
	Delimiters      string `conf:"realm_delimiters"`
}

// readProxy reads `proxy { }`, which FreeRADIUS calls `proxy server { }`.
func (r *reader) readProxy(root *conf.Section) {
	k := proxyKeys{Delimiters: "@"}
	var first *conf.Section
	for _, cs := range root.TakeSections("proxy") {
		if first != nil {
			r.failSection(cs, "given already at %v", first.Pos)
			cs.TakeAll()
			continue
		}
		first = cs
		r.foreign(cs, foreignProxy)
		r.add(cs, cs.Decode(&k))
		if p := cs.Pairs("realm_delimiters"); len(p) > 0 && k.Delimiters == "" {
			r.fail(p[0], "is empty")
		}
	}
	if p := root.Sections("proxy"); k.DefaultFallback && !slices.ContainsFunc(root.Sections("realm"), func(cs *conf.Section) bool { return strings.EqualFold(cs.Name2, "DEFAULT") }) {
		r.note(p[0].Pairs("default_fallback")[0].Pos, "default_fallback has no effect here: there is no realm DEFAULT")
	}
	r.cfg.DefaultFallback = k.DefaultFallback
	r.cfg.Realms = &Realms{Delimiters: k.Delimiters, Exact: map[string]*Realm{}}
}

type realmKeys struct {
	Pool               *conf.Pair `conf:"pool"`
	AuthPool           *conf.Pair `conf:"auth_pool"`
	AcctPool           *conf.Pair `conf:"acct_pool"`
	CoAPool            *conf.Pair `conf:"coa_pool"`
	AuthHost           *conf.Pair `conf:"authhost"`
	AcctHost           *conf.Pair `conf:"accthost"`
	Secret             *conf.Pair `conf:"secret"`
	NoStrip            *bool      `conf:"nostrip"`
	Strip              *bool      `conf:"strip"`
	RejectMessage      string     `conf:"reject_message"`
	AccountingResponse bool       `conf:"accounting_response"`
	AccountingLog      bool       `conf:"accounting_log"`
}

func (r *reader) readRealms(root *conf.Section) {
	for _, cs := range root.TakeSections("realm") {
		m := r.realm(cs)
		r.place(cs, m)
		r.cfg.Realms.All = append(r.cfg.Realms.All, m)
	}
}

// realm reads one realm.
func (r *reader) realm(cs *conf.Section) *Realm {
	m := &Realm{Name: cs.Name2, At: cs.Pos}
	var k realmKeys
	flags := cs.TakeFlag("nostrip")
	r.foreign(cs, foreignRealm)
	r.add(cs, cs.Decode(&k))
	m.RejectMessage, m.AccountingResponse, m.AccountingLog = k.RejectMessage, k.AccountingResponse, k.AccountingLog
	noStrip := len(flags) > 0 || k.NoStrip != nil && *k.NoStrip
	m.Strip = k.Strip != nil && *k.Strip
	if m.Strip && noStrip {
		r.fail(cs.Pairs("strip")[0], "yes and nostrip exclude each other")
	}
	r.realmPools(cs, m, &k)
	r.oldRealm(cs, m, &k)
	m.Reject = m.Auth == nil
	m.Local = m.Auth == nil && m.Acct == nil && m.CoA == nil && m.RejectMessage == ""
	if p := cs.Pairs("reject_message"); len(p) > 0 {
		switch {
		case m.Auth != nil:
			r.fail(p[0], "has no effect: Access-Requests go to pool %s", m.Auth.Name)
		case len(m.RejectMessage) > 253:
			r.fail(p[0], "%d bytes are above 253, the longest Reply-Message", len(m.RejectMessage))
		}
	}
	if p := cs.Pairs("accounting_response"); len(p) > 0 && m.AccountingResponse && m.Acct != nil {
		r.fail(p[0], "has no effect: Accounting-Requests go to pool %s", m.Acct.Name)
	}
	return m
}

// realmPools finds the pools that a realm names.
func (r *reader) realmPools(cs *conf.Section, m *Realm, k *realmKeys) {
	for _, one := range []struct {
		p    *conf.Pair
		want HomeType
		into []**HomePool
	}{
		{k.Pool, HomeAuth | HomeAcct, []**HomePool{&m.Auth, &m.Acct}},
		{k.AuthPool, HomeAuth, []**HomePool{&m.Auth}},
		{k.AcctPool, HomeAcct, []**HomePool{&m.Acct}},
		{k.CoAPool, HomeCoA, []**HomePool{&m.CoA}},
	} {
		if one.p == nil {
			continue
		}
		pool := pick(r, one.p, r.pools, "home_server_pool")
		if one.p == k.Pool && pool != nil {
			one.want, one.into = r.onlyOf(m, pool, one.p, one.want, one.into)
		}
		for _, into := range one.into {
			if *into != nil {
				r.fail(one.p, "pool is given already at %v", k.Pool.Pos)
				break
			}
			*into = pool
		}
		r.takes(one.p, pool, one.want)
	}
}

// onlyOf is what a pool of home servers that all take requests of one kind only, or of both, is for.
func (r *reader) onlyOf(m *Realm, pool *HomePool, p *conf.Pair, want HomeType, into []**HomePool) (HomeType, []**HomePool) {
	var some HomeType
	for _, h := range pool.Homes {
		some |= h.Type & want
	}
	switch some {
	case HomeAuth:
		r.note(p.Pos, "pool has no effect here on Accounting-Requests: the home_servers of %s take auth only (acct_pool is for those)", pool.Name)
		return some, []**HomePool{&m.Auth}
	case HomeAcct:
		r.note(p.Pos, "pool has no effect here on Access-Requests: the home_servers of %s take acct only (auth_pool is for those)", pool.Name)
		return some, []**HomePool{&m.Acct}
	}
	return want, into
}

// oldRealm reads authhost and accthost, as FreeRADIUS 1 had them: a home server and a pool for each, made of them.
func (r *reader) oldRealm(cs *conf.Section, m *Realm, k *realmKeys) {
	used := false
	for _, one := range []struct {
		p    *conf.Pair
		t    HomeType
		pool **HomePool
	}{{k.AuthHost, HomeAuth, &m.Auth}, {k.AcctHost, HomeAcct, &m.Acct}} {
		switch {
		case one.p == nil:
		case strings.EqualFold(one.p.Value, "LOCAL"):
		case *one.pool != nil:
			r.fail(one.p, "a pool is given as well")
		default:
			used = true
			*one.pool = r.oldHost(cs, one.p, one.t, k.Secret)
		}
	}
	if k.Secret != nil && !used {
		r.fail(k.Secret, "has no effect here: a home_server has the secret")
	}
}

// oldHost makes a home server of `authhost = host:port` and a pool of it. Realms that say the same share them.
func (r *reader) oldHost(cs *conf.Section, p *conf.Pair, t HomeType, secret *conf.Pair) *HomePool {
	if secret == nil {
		r.fail(p, "needs a secret in this realm (better: a home_server, a home_server_pool, and `auth_pool = ...` here)")
		return nil
	}
	host, port, err := net.SplitHostPort(p.Value)
	if err != nil {
		host, port = strings.Trim(p.Value, "[]"), strconv.Itoa(defaultPort(t, "udp"))
	}
	name := fmt.Sprintf("%s %s", p.Value, t)
	if pool := r.pools[name]; pool != nil {
		if pool.Homes[0].Secret == r.secret(secret.Value) {
			return pool
		}
		name += " " + cs.Name2
	}
	h := r.home(cs.Compose("home_server", name,
		conf.NewPair("type", t.String(), p.Pos), conf.NewPair("ipaddr", host, p.ValuePos), conf.NewPair("port", port, p.ValuePos), secret))
	pool := &HomePool{Name: name, At: p.Pos, Key: defaultKey, Homes: []*Home{h}}
	r.cfg.Homes = append(r.cfg.Homes, h)
	r.cfg.Pools = append(r.cfg.Pools, pool)
	r.pools[name] = pool
	return pool
}

// place puts a realm where Find looks for it.
func (r *reader) place(cs *conf.Section, m *Realm) {
	all := r.cfg.Realms
	again := func(before *Realm) bool {
		if before != nil {
			r.failSection(cs, "defined already at %v", before.At)
		}
		return before != nil
	}
	name := cs.Name2
	switch {
	case name == "":
		r.failSection(cs, "it needs a name, as in `realm example.org { ... }`")
	case name == "*":
		r.failSection(cs, "write realm DEFAULT { ... }")
	case strings.EqualFold(name, "DEFAULT"):
		if !again(all.Default) {
			all.Default = m
		}
	case strings.EqualFold(name, "NULL"):
		if !again(all.Null) {
			all.Null = m
		}
	case name == "~", name == "//":
		r.failSection(cs, "the expression is empty: write realm DEFAULT { ... }")
	case name[0] == '/' && (len(name) < 2 || name[len(name)-1] != '/'):
		r.failSection(cs, "a regular expression ends with / as well")
	case name[0] == '~', len(name) > 2 && name[0] == '/' && name[len(name)-1] == '/':
		r.pattern(cs, m)
	case len(name) > realmMax:
		r.failSection(cs, "%d bytes are above %d, the longest User-Name", len(name), realmMax)
	default:
		if i := strings.IndexAny(name, all.Delimiters); i >= 0 {
			r.failSection(cs, "%q divides user and realm: it cannot be in a realm", name[i])
			return
		}
		if strings.Contains(name, "*") {
			r.warn(cs.Pos, "realm %s: the * is one of the name; for all names that end so write realm '~\\.example\\.org$' { ... }", name)
		}
		if key := strings.ToLower(name); !again(all.Exact[key]) {
			all.Exact[key] = m
		}
	}
}

// pattern compiles the regular expression of `realm "~regex"` or `realm /regex/`.
func (r *reader) pattern(cs *conf.Section, m *Realm) {
	text := strings.TrimPrefix(m.Name, "~")
	if text == m.Name {
		text = text[1 : len(text)-1]
	}
	var err error
	if m.Pattern, err = regexp.Compile("(?i:" + text + ")"); err != nil {
		r.failSection(cs, "%v", regexpMistake(text, err))
		return
	}
	for _, before := range r.cfg.Realms.Patterns {
		if before.Pattern.String() == m.Pattern.String() {
			r.failSection(cs, "defined already at %v", before.At)
			return
		}
	}
	r.cfg.Realms.Patterns = append(r.cfg.Realms.Patterns, m)
}

// regexpMistake says what is wrong with an expression, as it stands in the file.
func regexpMistake(text string, err error) string {
	if _, own := regexp.Compile(text); own != nil {
		err = own
	}
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}
