package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/frio-io/frio/conf"
)

// word finds a pair's value among words, upper or lower case; with a mistake it names them all.
func word(p *conf.Pair, words []string) (int, error) {
	for i, w := range words {
		if strings.EqualFold(w, p.Value) {
			return i, nil
		}
	}
	e := p.Errorf("%s: `%s` is none of %s", p.Name, p.Value, strings.Join(words, ", "))
	e.Hint = conf.DidYouMean(p.Value, words)
	return 0, e
}

// nameOf prints a value of one of the types below.
func nameOf(words []string, i int) string {
	if i >= len(words) {
		return fmt.Sprint(i)
	}
	return words[i]
}

// DecodeConf takes yes, no and auto.
func (d *Demand) DecodeConf(p *conf.Pair) error {
	switch strings.ToLower(p.Value) {
	case "auto":
		*d = DemandAuto
	case "yes", "true", "on":
		*d = DemandYes
	case "no", "false", "off":
		*d = DemandNo
	default:
		return p.Errorf("%s: `%s` is neither yes, no nor auto", p.Name, p.Value)
	}
	return nil
}

// String returns auto, yes or no.
func (d Demand) String() string { return nameOf([]string{"auto", "yes", "no"}, int(d)) }

var statusWords = []string{"auto", "none", "status-server", "request"}

// DecodeConf takes auto, none, status-server and request.
func (s *StatusCheck) DecodeConf(p *conf.Pair) error {
	i, err := word(p, statusWords)
	*s = StatusCheck(i)
	return err
}

// String returns the word for it.
func (s StatusCheck) String() string { return nameOf(statusWords, int(s)) }

var balanceWords = []string{"fail-over", "load-balance", "client-balance", "client-port-balance", "keyed-balance"}

// DecodeConf takes the types of a pool; round-robin is FreeRADIUS 1's name for load-balance.
func (b *Balance) DecodeConf(p *conf.Pair) error {
	if strings.EqualFold(p.Value, "round-robin") {
		*b = LoadBalance
		return nil
	}
	i, err := word(p, balanceWords)
	*b = Balance(i)
	return err
}

// String returns the word for it.
func (b Balance) String() string { return nameOf(balanceWords, int(b)) }

var homeTypeWords = []string{"auth", "acct", "coa"}

// DecodeConf takes auth, acct and coa, joined by +.
func (t *HomeType) DecodeConf(p *conf.Pair) error {
	set, err := bits(p, homeTypeWords)
	*t = HomeType(set)
	return err
}

// String returns "auth+acct".
func (t HomeType) String() string { return setOf(homeTypeWords, uint8(t)) }

var protoWords = []string{"udp", "tcp", "tls", "dtls"}

// DecodeConf takes udp, tcp, tls and dtls, joined by +, and * for all of them.
func (o *Proto) DecodeConf(p *conf.Pair) error {
	if p.Value == "*" {
		*o = ProtoAny
		return nil
	}
	set, err := bits(p, protoWords)
	*o = Proto(set)
	return err
}

// String returns "tls+dtls", or * for all.
func (o Proto) String() string {
	if o == ProtoAny {
		return "*"
	}
	return setOf(protoWords, uint8(o))
}

// bits reads words that are joined by +.
func bits(p *conf.Pair, words []string) (set uint8, err error) {
	for _, part := range strings.Split(p.Value, "+") {
		i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, part) })
		if i < 0 {
			e := p.Errorf("%s: `%s` is none of %s", p.Name, part, strings.Join(words, ", "))
			e.Hint = conf.DidYouMean(part, words)
			return 0, e
		}
		set |= 1 << i
	}
	return set, nil
}

// setOf prints the words whose bits are set.
func setOf(words []string, set uint8) string {
	var list []string
	for i, w := range words {
		if set&(1<<i) != 0 {
			list = append(list, w)
		}
	}
	return strings.Join(list, "+")
}

// String returns default, reject or drop.
func (f Fallback) String() string { return nameOf([]string{"default", "reject", "drop"}, int(f)) }
