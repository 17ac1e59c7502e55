package gateway

import (
	"time"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
)

// Defaults of a home_server. The times are shorter than FreeRADIUS's, so that requests move within 5 seconds.
const (
	defaultResponseWindow = 3 * time.Second
	defaultZombiePeriod   = 10 * time.Second
	defaultCheckInterval  = 10 * time.Second
	defaultCheckTimeout   = 2 * time.Second
	defaultAnswersToAlive = 3
	defaultMaxOutstanding = 65536
	defaultMaxConnections = 16
	defaultConnecting     = 2
	defaultOpenDelay      = 200 * time.Millisecond
	defaultCloseDelay     = 10 * time.Second
)

// The secrets that RFC 6614, Section 2.3, and RFC 7360, Section 2.1, fix.
const (
	radsecSecret = "radsec"
	dtlsSecret   = "radius/dtls"
)

// homeKeys are the keys of a home_server that its stack does not take.
type homeKeys struct {
	Type              HomeType      `conf:"type"`
	Secret            *conf.Secret  `conf:"secret"`
	AcctPort          *conf.Pair    `conf:"acct_port"`
	RequireMA         Demand        `conf:"require_message_authenticator"`
	ResponseWindow    time.Duration `conf:"response_window,min=1ms,max=2m"`
	ZombiePeriod      time.Duration `conf:"zombie_period,min=1s,max=10m"`
	ReviveInterval    time.Duration `conf:"revive_interval,min=1s,max=1d"`
	StatusCheck       StatusCheck   `conf:"status_check"`
	CheckInterval     time.Duration `conf:"check_interval,min=1s,max=1h"`
	CheckTimeout      time.Duration `conf:"check_timeout,min=100ms,max=1m"`
	NumAnswersToAlive int           `conf:"num_answers_to_alive,min=1,max=100"`
	Username          string        `conf:"username"`
	Password          *conf.Secret  `conf:"password"`
	MaxOutstanding    int           `conf:"max_outstanding,min=0,max=1048576,unlimited,zero"`
	Limit             homeLimitKeys `conf:"limit"`
	LoopPrevention    Demand        `conf:"loop_prevention"`
	AddTTL            uint8         `conf:"add_ttl,min=1"`
	rewriteKeys
}

// oldHomeKeys are names that FreeRADIUS has besides.
type oldHomeKeys struct {
	PingCheck          *StatusCheck   `conf:"ping_check"`
	PingInterval       *time.Duration `conf:"ping_interval,min=1s,max=1h"`
	StatusCheckTimeout *time.Duration `conf:"status_check_timeout,min=100ms,max=1m"`
}

// homeLimitKeys are `limit { }` of a home_server. FreeRADIUS writes 0 for unlimited and never.
type homeLimitKeys struct {
	limitKeys
	MaxRequests int           `conf:"max_requests,min=0,max=1000000000,unlimited,zero"`
	Start       int           `conf:"start,min=0,max=1024"`
	Min         int           `conf:"min,min=0,max=1024"`
	Connecting  int           `conf:"connecting,min=1,max=1024"`
	OpenDelay   time.Duration `conf:"open_delay,max=1m"`
	CloseDelay  time.Duration `conf:"close_delay,max=1h"`
}

// limitKeys are those that a client's `limit { }` has as well.
type limitKeys struct {
	MaxConnections int           `conf:"max_connections,min=0,max=65536,unlimited,zero"`
	Lifetime       time.Duration `conf:"lifetime,min=1s,max=8760h,never,zero"`
	IdleTimeout    time.Duration `conf:"idle_timeout,min=1s,max=8760h,never,zero"`
}

func (k *limitKeys) limit() ConnLimit {
	return ConnLimit{MaxConnections: k.MaxConnections, Lifetime: k.Lifetime, IdleTimeout: k.IdleTimeout}
}

// rewriteKeys are those by which a client or home_server names its rewrites.
type rewriteKeys struct {
	RewriteIn  *conf.Pair `conf:"rewrite_in"`
	RewriteOut *conf.Pair `conf:"rewrite_out"`
}

func (r *reader) rewritesOf(k *rewriteKeys) (in, out *radius.Rewrite) {
	if k.RewriteIn != nil {
		in = pick(r, k.RewriteIn, r.rewrites, "rewrite").rules()
	}
	if k.RewriteOut != nil {
		out = pick(r, k.RewriteOut, r.rewrites, "rewrite").rules()
	}
	return in, out
}

func (r *reader) readHomes(root *conf.Section, others map[string]bool) {
	for _, cs := range r.named(root, "home_server") {
		if others[cs.Name2] {
			continue
		}
		h := r.home(cs)
		r.cfg.Homes = append(r.cfg.Homes, h)
		if _, taken := r.homes[h.Name]; !taken {
			r.homes[h.Name] = h
		}
	}
}

// home reads one home_server.
func (r *reader) home(cs *conf.Section) *Home {
	h := &Home{Name: cs.Name2, At: cs.Pos}
	k := homeKeys{
		Type:           HomeAuth | HomeAcct,
		ResponseWindow: defaultResponseWindow, ZombiePeriod: defaultZombiePeriod,
		CheckInterval: defaultCheckInterval, CheckTimeout: defaultCheckTimeout,
		NumAnswersToAlive: defaultAnswersToAlive, MaxOutstanding: defaultMaxOutstanding,
		Limit: homeLimitKeys{limitKeys: limitKeys{MaxConnections: defaultMaxConnections},
			Connecting: defaultConnecting, OpenDelay: defaultOpenDelay, CloseDelay: defaultCloseDelay},
	}
	r.foreign(cs, foreignHome)
	r.add(cs, cs.Decode(&k))
	r.oldHome(cs, &k)
	h.Type, h.RequireMessageAuthenticator, h.LoopPrevention = k.Type, k.RequireMA, k.LoopPrevention
	h.ResponseWindow, h.ZombiePeriod, h.ReviveInterval = k.ResponseWindow, k.ZombiePeriod, k.ReviveInterval
	h.StatusCheck, h.CheckInterval, h.CheckTimeout, h.NumAnswersToAlive = k.StatusCheck, k.CheckInterval, k.CheckTimeout, k.NumAnswersToAlive
	h.MaxOutstanding = k.MaxOutstanding
	h.Limit = r.homeLimit(cs, &k.Limit)
	h.Retransmit = r.retransmit(cs, h.Type)
	h.In, h.Out = r.rewritesOf(&k.rewriteKeys)
	h.Text = printOf(cs, r.printOfRules(h.In), r.printOfRules(h.Out))
	h.AddTTL = k.AddTTL
	r.checks(cs, h, &k)
	r.stack(cs, h, &k)
	r.sockets(cs, h)
	r.homeSecret(cs, h, &k)
	return h
}

// oldHome reads keys by their old names.
func (r *reader) oldHome(cs *conf.Section, k *homeKeys) {
	var old oldHomeKeys
	r.add(cs, cs.Decode(&old))
	for _, one := range []struct {
		name, old string
		given     bool
		use       func()
	}{
		{"status_check", "ping_check", old.PingCheck != nil, func() { k.StatusCheck = *old.PingCheck }},
		{"check_interval", "ping_interval", old.PingInterval != nil, func() { k.CheckInterval = *old.PingInterval }},
		{"check_timeout", "status_check_timeout", old.StatusCheckTimeout != nil, func() { k.CheckTimeout = *old.StatusCheckTimeout }},
	} {
		if !one.given {
			continue
		}
		if p := cs.Pairs(one.name); len(p) > 0 {
			r.fail(cs.Pairs(one.old)[0], "the same as %s, which is given at %v", one.name, p[0].Pos)
			continue
		}
		one.use()
	}
}

func (r *reader) homeLimit(cs *conf.Section, k *homeLimitKeys) ConnLimit {
	l := k.limit()
	l.MaxRequests, l.Start, l.Min, l.Connecting = k.MaxRequests, k.Start, k.Min, k.Connecting
	l.OpenDelay, l.CloseDelay = k.OpenDelay, k.CloseDelay
	for _, sub := range cs.Sections("limit") {
		for _, name := range []string{"start", "min"} {
			count := map[string]int{"start": l.Start, "min": l.Min}[name]
			if p := sub.Pairs(name); len(p) > 0 && l.MaxConnections > 0 && count > l.MaxConnections {
				r.fail(p[0], "%d is above max_connections, %d", count, l.MaxConnections)
			}
		}
	}
	return l
}

// socketsMax are the sockets of a home server over UDP, which has no connections: 256 requests each, so that max_outstanding is reached.
const socketsMax = 256

// sockets: as in FreeRADIUS, limit { } is about connections. UDP has none, only as many sockets as the requests need.
func (r *reader) sockets(cs *conf.Section, h *Home) {
	if !h.Datagram || h.Secure {
		return
	}
	if list := cs.Sections("limit"); len(list) > 0 {
		r.note(list[0].Pos, "limit has no effect here: %s has no connections (max_outstanding limits the requests)", h.Stack)
	}
	h.Limit = ConnLimit{MaxConnections: socketsMax, Connecting: h.Limit.Connecting, CloseDelay: h.Limit.CloseDelay}
}

// retransmitKeys are those of RFC 5080, Section 2.2.1.
type retransmitKeys struct {
	Initial  time.Duration `conf:"irt,min=100ms,max=30s"`
	Max      time.Duration `conf:"mrt,min=100ms,max=2m,never,zero"`
	Count    int           `conf:"mrc,min=0,max=20,unlimited,zero"`
	Duration time.Duration `conf:"mrd,min=1s,max=5m"`
}

// retransmit reads `retransmit { }`, or what FreeRADIUS calls coa and uses for type coa only.
func (r *reader) retransmit(cs *conf.Section, t HomeType) Retransmit {
	k := retransmitKeys{Initial: 2 * time.Second, Max: 16 * time.Second, Count: 5, Duration: 30 * time.Second}
	own, err := cs.TakeSection("retransmit")
	r.add(cs, err)
	coa, err := cs.TakeSection("coa")
	r.add(cs, err)
	switch {
	case coa != nil && own != nil:
		r.failSection(coa, "the same as retransmit, which is given at %v", own.Pos)
	case coa != nil && t != HomeCoA:
		r.note(coa.Pos, "coa has no effect here: type is %v (retransmit { } is for all types)", t)
	}
	if own != nil {
		r.add(own, own.Decode(&k))
	}
	if coa != nil {
		into := &k
		if t != HomeCoA || own != nil {
			into = new(retransmitKeys) // its mistakes are reported, and that is all
		}
		r.add(coa, coa.Decode(into))
	}
	return Retransmit(k)
}

// checks looks at what belongs to status_check.
func (r *reader) checks(cs *conf.Section, h *Home, k *homeKeys) {
	h.CheckUser = k.Username
	if k.Password != nil {
		h.CheckPassword = r.secret(k.Password.Reveal())
	}
	given := func(name string) *conf.Pair {
		if p := cs.Pairs(name); len(p) > 0 {
			return p[0]
		}
		return nil
	}
	if h.StatusCheck != CheckRequest {
		for _, name := range []string{"username", "password"} {
			if p := given(name); p != nil {
				r.note(p.Pos, "%s has no effect here: status_check is %v", name, h.StatusCheck)
			}
		}
	} else {
		if h.CheckUser == "" && given("username") == nil {
			r.failSection(cs, "status_check = request needs a username")
		}
		if h.Type&HomeAuth != 0 && given("password") == nil {
			r.failSection(cs, "status_check = request needs a password for type %v", h.Type)
		}
		if len(h.CheckUser) > radius.MaxValue {
			r.fail(given("username"), "longer than %d bytes (RFC 2865, Section 5.1)", radius.MaxValue)
		}
		if k.Password != nil && len(k.Password.Reveal()) > radius.MaxPassword {
			r.fail(given("password"), "longer than %d bytes (RFC 2865, Section 5.2)", radius.MaxPassword)
		}
		if h.Type == HomeCoA {
			r.failSection(cs, "status_check = request is not possible for type coa: there is no request that does no harm")
		}
	}
	if p := given("revive_interval"); p != nil && h.StatusCheck != CheckNone {
		r.note(p.Pos, "revive_interval has no effect here: status_check is %v", h.StatusCheck)
	}
}

func (r *reader) homeSecret(cs *conf.Section, h *Home, k *homeKeys) {
	switch {
	case k.Secret != nil:
		h.Secret = r.secret(k.Secret.Reveal())
	case len(cs.Pairs("secret")) > 0: // reported already
	case h.Secure && h.Datagram:
		h.Secret = r.secret(dtlsSecret)
	case h.Secure:
		h.Secret = r.secret(radsecSecret)
	case h.Stack != "":
		r.failSection(cs, "secret is missing")
	}
}
