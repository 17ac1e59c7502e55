package gateway

import (
	"fmt"
	"io"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/radius"
)

// Debug writes what the configuration comes to, nested, defaults included. Secrets are <hidden>.
func (c *Config) Debug(w io.Writer) {
	p := printer{w, c}
	for _, name := range namesOf(c.Clients) {
		list := c.Clients[name]
		if name == "" {
			p.clients(list)
			continue
		}
		p.section("clients "+name, func(p printer) { p.clients(list) })
	}
	for _, h := range c.Homes {
		p.section("home_server "+h.Name, func(p printer) { p.home(h) })
	}
	for _, pool := range c.Pools {
		p.section("home_server_pool "+pool.Name, func(p printer) { p.pool(pool) })
	}
	for _, m := range c.Realms.All {
		p.section("realm "+m.Name, func(p printer) { p.realm(m) })
	}
	for _, w := range c.rewrites {
		p.section("rewrite "+w.name, func(p printer) {
			for _, line := range w.lines {
				fmt.Fprintln(p.w, line)
			}
		})
	}
	p.section("proxy", func(p printer) {
		p.key("default_fallback", yesNo(c.DefaultFallback))
		p.key("realm_delimiters", fmt.Sprintf("%q", c.Realms.Delimiters))
	})
}

// printer writes sections as they could stand in a file.
type printer struct {
	w   io.Writer
	cfg *Config
}

func (p printer) section(title string, body func(printer)) {
	fmt.Fprintf(p.w, "%s {\n", title)
	body(printer{frio.Indent(p.w), p.cfg})
	fmt.Fprintln(p.w, "}")
}

func (p printer) key(name string, value any) { fmt.Fprintf(p.w, "%s = %v\n", name, value) }

// text is key for what need not be there.
func (p printer) text(name, value string) {
	if value != "" {
		p.key(name, fmt.Sprintf("%q", value))
	}
}

func (p printer) duration(name string, d time.Duration) {
	if d == 0 {
		p.key(name, "never")
		return
	}
	p.key(name, d)
}

func (p printer) count(name string, n int) {
	if n == 0 {
		p.key(name, "unlimited")
		return
	}
	p.key(name, n)
}

func (p printer) rewrites(in, out *radius.Rewrite) {
	for _, one := range []struct {
		key string
		r   *radius.Rewrite
	}{{"rewrite_in", in}, {"rewrite_out", out}} {
		if one.r != nil {
			for _, w := range p.cfg.rewrites {
				if w.compiled == one.r {
					p.key(one.key, w.name)
				}
			}
		}
	}
}

func (p printer) addTTL(n uint8) {
	if n != 0 {
		p.key("add_ttl", n)
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func (p printer) clients(list *ClientList) {
	for _, c := range list.All {
		p.section("client "+c.Name, func(p printer) { p.client(c) })
	}
}

func (p printer) client(c *Client) {
	for _, prefix := range c.Prefixes {
		if prefix.IsSingleIP() {
			p.key("ipaddr", prefix.Addr())
		} else {
			p.key("ipaddr", prefix)
		}
	}
	p.key("proto", c.Proto)
	p.key("secret", c.Secret)
	if m := c.Certificate; m != nil {
		for _, lines := range m.Text() {
			p.section("certificate", func(p printer) {
				for _, line := range lines {
					fmt.Fprintln(p.w, line)
				}
			})
		}
	}
	p.key("require_message_authenticator", c.RequireMessageAuthenticator)
	p.key("limit_proxy_state", c.LimitProxyState)
	if c.ResponseWindow != 0 {
		p.key("response_window", c.ResponseWindow)
	}
	p.key("cleanup_delay", c.Dedup)
	p.text("coa_server", c.CoAServer)
	for _, a := range c.NAS.Addrs {
		if a.Is4() {
			p.key("nas_ip_address", a)
		} else {
			p.key("nas_ipv6_address", a)
		}
	}
	p.text("nas_identifier", c.NAS.Identifier)
	p.rewrites(c.In, c.Out)
	if m := c.UserName; m != nil {
		p.text("rewrite_user_name", fmt.Sprintf("/%v/%s/", m.Pattern, m.Replacement))
	}
	p.addTTL(c.AddTTL)
	if c.VisCountry != "" {
		p.text("fticks_viscountry", c.VisCountry)
		p.text("fticks_visinst", c.VisInst)
	}
	p.section("limit", func(p printer) {
		p.count("max_connections", c.Limit.MaxConnections)
		p.duration("lifetime", c.Limit.Lifetime)
		p.duration("idle_timeout", c.Limit.IdleTimeout)
	})
}

func (p printer) home(h *Home) {
	p.key("type", h.Type)
	p.key("protocol", h.Stack)
	for _, one := range []struct {
		title string
		io    frio.IO
	}{{"io", h.IO}, {"io of accounting", h.AcctIO}} {
		if one.io != nil {
			p.section(one.title, func(p printer) { one.io.Debug(p.w) })
		}
	}
	p.key("secret", h.Secret)
	p.key("require_message_authenticator", h.RequireMessageAuthenticator)
	p.key("response_window", h.ResponseWindow)
	p.key("zombie_period", h.ZombiePeriod)
	p.key("status_check", h.StatusCheck)
	if h.ReviveInterval != 0 {
		p.key("revive_interval", h.ReviveInterval)
	}
	p.text("username", h.CheckUser)
	if h.CheckPassword != nil {
		p.key("password", h.CheckPassword)
	}
	p.key("check_interval", h.CheckInterval)
	p.key("check_timeout", h.CheckTimeout)
	p.key("num_answers_to_alive", h.NumAnswersToAlive)
	p.count("max_outstanding", h.MaxOutstanding)
	p.rewrites(h.In, h.Out)
	p.addTTL(h.AddTTL)
	p.key("loop_prevention", h.LoopPrevention)
	p.section("retransmit", func(p printer) {
		p.key("irt", h.Retransmit.Initial)
		p.duration("mrt", h.Retransmit.Max)
		p.count("mrc", h.Retransmit.Count)
		p.key("mrd", h.Retransmit.Duration)
	})
	if h.Datagram && !h.Secure {
		return
	}
	p.section("limit", func(p printer) {
		p.count("max_connections", h.Limit.MaxConnections)
		p.count("max_requests", h.Limit.MaxRequests)
		p.duration("lifetime", h.Limit.Lifetime)
		p.duration("idle_timeout", h.Limit.IdleTimeout)
		p.key("start", h.Limit.Start)
		p.key("min", h.Limit.Min)
		p.key("connecting", h.Limit.Connecting)
		p.key("open_delay", h.Limit.OpenDelay)
		p.key("close_delay", h.Limit.CloseDelay)
	})
}

func (p printer) pool(pool *HomePool) {
	p.key("type", pool.Balance)
	for _, h := range pool.Homes {
		p.key("home_server", h.Name)
	}
	if pool.Balance == KeyedBalance {
		p.key("key", pool.Key)
	}
	if h := pool.FallbackHome; h != nil {
		p.key("fallback", h.Name)
		return
	}
	p.key("fallback", pool.Fallback)
}

func (p printer) realm(m *Realm) {
	for _, one := range []struct {
		key  string
		pool *HomePool
	}{{"auth_pool", m.Auth}, {"acct_pool", m.Acct}, {"coa_pool", m.CoA}} {
		if one.pool != nil {
			p.key(one.key, one.pool.Name)
		}
	}
	p.key("strip", yesNo(m.Strip))
	p.text("reject_message", m.RejectMessage)
	p.key("accounting_response", yesNo(m.AccountingResponse))
	p.key("accounting_log", yesNo(m.AccountingLog))
}
