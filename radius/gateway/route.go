package gateway

import (
	"errors"
	"net/netip"

	"github.com/frio-io/frio/radius"
)

// route finds out where a request goes, and sends it there or answers it.
func (r *request) route() {
	switch r.code {
	case radius.StatusServer:
		r.status()
		return
	case radius.CoARequest, radius.DisconnectRequest:
		r.routeCoA()
		return
	}
	if s := r.source.listen.cfg.Load().Server; s != nil && s.VerifyEAP && r.code == radius.AccessRequest && !r.packet.IsEAP() {
		l := r.source.listen
		l.lines.packet(l.log, r.began, errEAP.Error(), "rejected", r.client, r.peer(), errEAP)
		r.reject(OutcomeFailed, "")
		return
	}
	cfg := r.branch.gateway.current.Load()
	user, err := r.newName()
	if err != nil {
		r.reject(OutcomeFailed, "")
		return
	}
	realm, at := cfg.Realms.Find(user)
	r.realm = realm
	if realm == nil {
		r.reject(OutcomeNoHome, "")
		return
	}
	if realm.Strip {
		r.userName = user[:at]
	}
	r.pool = realm.Auth
	if r.code == radius.AccountingRequest {
		r.pool = realm.Acct
		if realm.AccountingLog {
			r.branch.logAccounting(r)
		}
	}
	if r.pool == nil {
		r.local()
		return
	}
	r.ask()
}

// newName is User-Name as the client's rules leave it, by which the realm is found. Where rewrite_user_name has changed it, that is noted.
func (r *request) newName() ([]byte, error) {
	r.userName, r.restores = nil, false
	user, ok := r.packet.Find(radius.UserName)
	if !ok {
		return nil, nil
	}
	if in := r.client.In; in != nil {
		var err error
		if user, err = in.Value(radius.ID{Type: uint8(radius.UserName)}, user); err != nil {
			return nil, err
		}
	}
	if m := r.client.UserName; m != nil && user != nil && m.Pattern.Match(user) {
		if user = m.Replace(user); len(user) > radius.MaxValue {
			return nil, radius.ErrRewrite
		}
		r.userName, r.restores = user, true
	}
	return user, nil
}

var errEAP = errors.New("EAP-Message is not as long as its header says (RFC 3748, Section 4)")

// local answers in the place of a realm without home servers.
func (r *request) local() {
	switch {
	case r.code == radius.AccountingRequest && r.realm.AccountingResponse:
		r.answer(radius.AccountingResponse, OutcomeLocal, nil)
	case r.code == radius.AccountingRequest:
		r.finish(OutcomeNoHome)
	default:
		r.reject(OutcomeLocal, r.realm.RejectMessage)
	}
}

// status answers a Status-Server (RFC 5997, Section 4.2).
func (r *request) status() {
	code := radius.AccessAccept
	if accepts := r.source.listen.cfg.Load().Accepts; accepts != nil && !accepts(radius.AccessRequest) && accepts(radius.AccountingRequest) {
		code = radius.AccountingResponse
	}
	r.answer(code, OutcomeLocal, nil)
}

// routeCoA finds who speaks to the NAS: the realm's coa_pool, else the coa_server of the client that the packet names, else, where it names no user,
// the coa_pool of realm NULL or DEFAULT.
func (r *request) routeCoA() {
	cfg := r.branch.gateway.current.Load()
	user, err := r.newName()
	if err != nil {
		r.reject(OutcomeFailed, "")
		return
	}
	if user != nil {
		r.coaRealm(cfg, user)
	}
	if r.pool == nil {
		if nas := cfg.nasOf(r.packet); nas != nil {
			r.pool = nas.CoAPool
		}
	}
	if r.pool == nil && user == nil {
		// What names a session by other attributes is of the realm that other packets without User-Name are of, but its NAS is the
		// better word.
		r.coaRealm(cfg, nil)
	}
	if r.pool == nil {
		r.reject(OutcomeNoHome, "")
		return
	}
	r.ask()
}

// coaRealm takes the coa_pool of the user's realm, where there is one.
func (r *request) coaRealm(cfg *snapshot, user []byte) {
	realm, at := cfg.Realms.Find(user)
	if realm == nil || realm.CoA == nil {
		return
	}
	r.realm, r.pool = realm, realm.CoA
	if realm.Strip {
		r.userName = user[:at]
	}
}

// nasOf is the client that is the NAS which a packet names, and has a coa_server; nil if there is none (RFC 5176, Section 3).
func (s *snapshot) nasOf(p radius.Packet) *Client {
	for _, t := range []radius.Type{radius.NASIPAddress, radius.NASIPv6Address} {
		if v, ok := p.Find(t); ok {
			if addr, good := netip.AddrFromSlice(v); good && s.nas[addr] != nil {
				return s.nas[addr]
			}
		}
	}
	if v, ok := p.Find(radius.NASIdentifier); ok {
		return s.nas[string(v)]
	}
	return nil
}

// ask sends the request to a home server, or answers that there is none.
func (r *request) ask() {
	if !r.proceed() && !r.waiting() && !r.hold() {
		r.nobody()
	}
}

// waiting tells whether an answer may still come.
func (r *request) waiting() bool {
	for i := range r.calls[:r.sent] {
		if r.calls[i].active() {
			return true
		}
	}
	return false
}

// nobody ends a request that no home server takes or answers.
func (r *request) nobody() {
	if r.broken != nil {
		// It is wrong in a way that only shows here, and would be wrong everywhere.
		r.source.dropped(r.client, r.branch.now(), r.peer(), r.broken)
		r.finish(OutcomeFailed)
		return
	}
	if r.unfit {
		// Who was accepted, by a reply that could not be relayed, is not to be rejected.
		r.finish(OutcomeFailed)
		return
	}
	outcome := OutcomeNoHome
	for i := range r.calls[:r.sent] {
		if c := &r.calls[i]; c.wire || c.far != nil || c == r.again {
			outcome = OutcomeNoAnswer
		}
	}
	drops := r.pool.Fallback == FallbackDrop
	if outcome == OutcomeNoHome || !r.pool.lives(r.code) {
		silent := drops || r.pool.split && r.code == radius.AccountingRequest // as reject has it
		r.branch.gateway.allDown(r.pool, r.code, map[bool]string{false: "reject", true: "silence"}[silent])
	}
	if drops {
		r.finish(outcome)
		return
	}
	r.reject(outcome, "")
}
