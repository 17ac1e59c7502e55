package gateway

import (
	"maps"
	"slices"
	"strings"

	"github.com/frio-io/frio/conf"
)

// foreign is a key or section of FreeRADIUS 3 that is not honoured here. Without refused it is noted and does no harm; why may say more. With
// it the key, unless its value is one of harmless, asks for something that would silently not happen, and is an error that says what to do.
type foreign struct {
	name     string
	refused  string
	harmless []string
	why      string
}

// later is a key for RADIUS/1.1, which cannot be demanded.
var later = foreign{name: "radiusv1_1", refused: "RADIUS/1.1 comes later, so it cannot be required", harmless: []string{"forbid", "allow"}, why: "RADIUS/1.1 comes later"}

// The tables of what FreeRADIUS 3 has besides the keys that are honoured, for each section that people bring from there.
var (
	foreignClient = []foreign{
		{name: "nas_type"}, {name: "nastype"}, {name: "login"}, {name: "password"}, {name: "virtual_server"}, {name: "server"},
		{name: "src_ipaddr"}, {name: "rate_limit"}, {name: "lifetime"}, {name: "directory"},
		{name: "gss_acceptor_host_name"}, {name: "gss_acceptor_realm_name"}, {name: "trust_router_coi"}, // of ABFAB
		{name: "dynamic_clients", refused: "clients are not made while running; write a client for the network"},
		later,
	}
	// Those of `tls { }` in a client.
	foreignClientTLS = []foreign{
		{name: "psk_identity", why: pskLater}, {name: "psk_hexphrase", why: pskLater}, {name: "psk_query", why: pskLater}, later,
	}
	foreignHome = []foreign{
		{name: "virtual_server"}, {name: "response_timeouts"}, {name: "historic_average_window"}, {name: "no_response_fail"},
		{name: "nonblock"}, {name: "hostname"}, {name: "recv_coa"},
	}
	foreignPool = []foreign{
		{name: "virtual_server"},
	}
	foreignRealm = []foreign{
		{name: "virtual_server"}, {name: "ldflag"}, {name: "hints"}, {name: "notrealm"}, {name: "nosuffix"},
	}
	foreignProxy = []foreign{
		{name: "dynamic"}, {name: "directory"}, {name: "synchronous"}, {name: "retry_delay"}, {name: "retry_count"},
		{name: "dead_time"}, {name: "post_proxy_authorize"}, {name: "wake_all_if_all_dead"}, {name: "servers_per_realm"},
		{name: "proxy_dedup_window"},
	}
)

const pskLater = "pre-shared keys come later; there are only certificates"

// clientTLS takes `tls { }` of a client, which has nothing that is honoured.
func (r *reader) clientTLS(cs *conf.Section) {
	for _, sub := range cs.TakeSections("tls") {
		r.foreign(sub, foreignClientTLS)
	}
}

// foreign takes what FreeRADIUS has in cs and this has not.
func (r *reader) foreign(cs *conf.Section, table []foreign) {
	for _, f := range table {
		for _, p := range append(cs.Take(f.name), cs.TakeFlag(f.name)...) {
			r.foreignAt(p.Pos, f, slices.Contains(f.harmless, strings.ToLower(p.Value)))
		}
		for _, sub := range cs.TakeSections(f.name) {
			sub.TakeAll()
			r.foreignAt(sub.Pos, f, false)
		}
	}
}

func (r *reader) foreignAt(at conf.Pos, f foreign, harmless bool) {
	switch {
	case f.refused != "" && !harmless:
	case f.why != "":
		r.note(at, "%s has no effect here: %s", f.name, f.why)
		return
	default:
		r.note(at, "%s has no effect here", f.name)
		return
	}
	r.errs = append(r.errs, &conf.Error{Pos: at, Msg: f.name + ": " + f.refused})
}

func namesOf[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
