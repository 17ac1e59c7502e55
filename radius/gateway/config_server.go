package gateway

import (
	"strings"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
)

// ServerConfig is what a `server NAME { namespace = radius }` says besides its listens.
type ServerConfig struct {
	LoopPrevention bool       // loop_prevention: a client's requests do not go to a home server of its name
	VerifyEAP      bool       // verify_eap: an Access-Request whose EAP-Message is not as long as it says is rejected
	TTL            radius.TTL // ttl_attribute, add_ttl: what is counted down, and what packets without it get where neither client nor home server has its own
}

// defaultTTL is the attribute that radsecproxy counts down.
var defaultTTL = radius.ID{Vendor: 27262, Type: 1}

type serverKeys struct {
	LoopPrevention bool       `conf:"loop_prevention"`
	TTLAttribute   *conf.Pair `conf:"ttl_attribute"`
	AddTTL         uint8      `conf:"add_ttl,min=1"`
	VerifyEAP      bool       `conf:"verify_eap"`
}

// ParseServerConfig takes the gateway's keys of cs, a server.
func ParseServerConfig(cs *conf.Section) (*ServerConfig, conf.Errors) {
	var k serverKeys
	r := &reader{}
	r.add(cs, cs.Decode(&k))
	s := &ServerConfig{LoopPrevention: k.LoopPrevention, VerifyEAP: k.VerifyEAP, TTL: radius.TTL{ID: defaultTTL, Start: uint32(k.AddTTL)}}
	if k.TTLAttribute != nil {
		if id, ok := r.one(k.TTLAttribute, k.TTLAttribute.Value); ok {
			s.TTL.ID = id
		}
	}
	return s, r.errs.Sorted()
}

// ProtoOf returns the way that packets come to a listen with this stack: "tls+tcp" is ProtoTLS. datagram tells what its IO offers.
func ProtoOf(stack string, datagram bool) Proto {
	switch secure := isSecure(stack); {
	case secure && datagram:
		return ProtoDTLS
	case secure:
		return ProtoTLS
	case datagram:
		return ProtoUDP
	}
	return ProtoTCP
}

// CheckListen tells why ls, a listen of namespace radius whose packets come by proto, is not safe: over TLS clients have to show a
// certificate, unless each that could come has a secret of its own. Call it after the listen was parsed.
func CheckListen(ls *conf.Section, clients *ClientList, proto Proto) conf.Errors {
	var errs conf.Errors
	if len(clients.All) == 0 {
		return append(errs, ls.Errorf("%s: nobody could send to it: there is no client", title(ls)))
	}
	tls := ls.Sections("tls")
	if proto&(ProtoTLS|ProtoDTLS) == 0 || len(tls) == 0 {
		return nil
	}
	required := tls[0].Pairs("require_client_cert")
	if len(required) == 0 {
		if len(tls[0].Pairs("ca_file"))+len(tls[0].Pairs("ca_path")) == 0 {
			errs = append(errs, tls[0].Errorf("tls: ca_file is missing: clients have to show a certificate, and it is checked by that CA (or require_client_cert = no)"))
		}
		return errs // yes, because there is a CA
	}
	if requiresCert(ls) {
		return nil
	}
	for _, c := range clients.All {
		if c.Proto&proto == 0 || c.OwnSecret {
			continue
		}
		errs = append(errs, required[0].Errorf("require_client_cert: %s is not possible: client %s at %v has no secret of its own, so everybody could be it",
			required[0].Value, c.Name, c.At))
	}
	return errs
}

// requiresCert tells whether a listen with tls has every client show a certificate, which is the default.
func requiresCert(ls *conf.Section) bool {
	for _, sub := range ls.Sections("tls") {
		for _, p := range sub.Pairs("require_client_cert") {
			switch strings.ToLower(p.Value) {
			case "yes", "true", "on":
			default:
				return false
			}
		}
	}
	return true
}

// ListenNotes warns of the clients of a listen that anybody with a certificate of the CA could be. Of those that come over TLS only
// ParseConfig warns.
func ListenNotes(ls *conf.Section, clients *ClientList, proto Proto) conf.Errors {
	const secure = ProtoTLS | ProtoDTLS
	if proto&secure == 0 || !requiresCert(ls) {
		return nil
	}
	var first *Client
	count := 0
	for _, c := range clients.All {
		if c.Proto&proto != 0 && c.Certificate == nil && c.Proto&^secure != 0 {
			if count++; first == nil {
				first = c
			}
		}
	}
	if first == nil {
		return nil
	}
	return conf.Errors{ls.Errorf("warning: %s: every certificate of the CA is as good as another for the %d clients without certificate { } that may come here, as client %s at %v (certificate { }, or proto = udp, keeps them apart)",
		title(ls), count, first.Name, first.At)}
}
