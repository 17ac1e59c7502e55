package gateway

import (
	"maps"
	"slices"

	"github.com/frio-io/frio/conf"
)

// foreign is a key or section of FreeRADIUS 3 that is not honoured here. Without refused it is noted and does no harm. With it the
// key asks for something that would silently not happen, and is an error that says what to do.
type foreign struct {
	name    string
	refused string
}

// The tables of what FreeRADIUS 3 has besides the keys that are honoured, for each section that people bring from there.
var (
	foreignClient = []foreign{
		{name: "nas_type"}, {name: "nastype"}, {name: "login"}, {name: "password"}, {name: "virtual_server"}, {name: "server"},
		{name: "src_ipaddr"}, {name: "rate_limit"}, {name: "lifetime"},
		{name: "dynamic_clients", refused: "clients are not made while running; write a client for the network"},
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

// foreign takes what FreeRADIUS has in cs and this has not.
func (r *reader) foreign(cs *conf.Section, table []foreign) {
	for _, f := range table {
		for _, p := range append(cs.Take(f.name), cs.TakeFlag(f.name)...) {
			r.foreignAt(p.Pos, f)
		}
		for _, sub := range cs.TakeSections(f.name) {
			sub.TakeAll()
			r.foreignAt(sub.Pos, f)
		}
	}
}

func (r *reader) foreignAt(at conf.Pos, f foreign) {
	if f.refused == "" {
		r.note(at, "%s has no effect here", f.name)
		return
	}
	r.errs = append(r.errs, &conf.Error{Pos: at, Msg: f.name + ": " + f.refused})
}

func namesOf[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
