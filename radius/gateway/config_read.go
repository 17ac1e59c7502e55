package gateway

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
)

// ParseConfig reads the sections of the gateway in root, the whole of a file: client, clients, home_server, home_server_pool, realm,
// rewrite and proxy; others are names of home_servers that are somebody else's. It opens and resolves nothing. The home servers' IOs belong to ctx. The Errors are all mistakes, in
// order; with any of them the Config is not to be used. What is noted is in Notes.
func ParseConfig(ctx *talloc.Context, root *conf.Section, others map[string]bool) (*Config, conf.Errors) {
	r := &reader{
		ctx:      ctx,
		cfg:      &Config{Clients: map[string]*ClientList{}},
		secrets:  map[string]*Secret{},
		homes:    map[string]*Home{},
		pools:    map[string]*HomePool{},
		rewrites: map[string]*rewrite{},
		clients:  map[*conf.Section]*Client{},
	}
	r.readProxy(root)
	r.readRewrites(root)
	r.readHomes(root, others)
	r.readPools(root)
	r.readRealms(root)
	r.readClients(root)
	r.readNAS(root)
	r.cfg.Notes = r.notes.Sorted()
	if err := r.errs.Err(); err != nil {
		return r.cfg, r.errs.Sorted()
	}
	return r.cfg, nil
}

// reader is a Config in the making. What refers to another section is read after that.
type reader struct {
	ctx      *talloc.Context
	cfg      *Config
	errs     conf.Errors
	notes    conf.Errors
	secrets  map[string]*Secret
	homes    map[string]*Home
	pools    map[string]*HomePool
	rewrites map[string]*rewrite
	clients  map[*conf.Section]*Client
}

// add notes the mistakes in err, those without a position at cs.
func (r *reader) add(cs *conf.Section, err error) {
	var found conf.Errors
	switch {
	case err == nil:
	case errors.As(err, &found):
		r.errs = append(r.errs, found...)
	default:
		r.errs = append(r.errs, cs.Errorf("%s: %v", cs.Name, err))
	}
}

// fail reports a mistake in the value of a key.
func (r *reader) fail(p *conf.Pair, format string, args ...any) *conf.Error {
	e := p.Errorf("%s: %s", p.Name, fmt.Sprintf(format, args...))
	r.errs = append(r.errs, e)
	return e
}

func (r *reader) failSection(cs *conf.Section, format string, args ...any) {
	r.errs = append(r.errs, cs.Errorf("%s: %s", title(cs), fmt.Sprintf(format, args...)))
}

// warn is for what works, but is probably not what was meant.
func (r *reader) warn(at conf.Pos, format string, args ...any) {
	r.notes = append(r.notes, &conf.Error{Pos: at, Msg: "warning: " + fmt.Sprintf(format, args...)})
}

func (r *reader) note(at conf.Pos, format string, args ...any) {
	r.notes = append(r.notes, &conf.Error{Pos: at, Msg: "note: " + fmt.Sprintf(format, args...)})
}

// title is "client campus", or "proxy".
func title(cs *conf.Section) string {
	if cs.Name2 == "" {
		return cs.Name
	}
	return cs.Name + " " + cs.Name2
}

// named takes the sections called name in parent and checks that each has a name of its own.
func (r *reader) named(parent *conf.Section, name string) []*conf.Section {
	list := parent.TakeSections(name)
	first := map[string]*conf.Section{}
	for _, cs := range list {
		switch before := first[cs.Name2]; {
		case cs.Name2 == "":
			r.failSection(cs, "it needs a name, as in `%s one { ... }`", name)
		case before != nil:
			r.failSection(cs, "defined already at %v", before.Pos)
		default:
			first[cs.Name2] = cs
		}
	}
	return list
}

// pick finds what p names in all, the sections called what.
func pick[T any](r *reader, p *conf.Pair, all map[string]T, what string) (found T) {
	found, ok := all[p.Value]
	if ok {
		return found
	}
	e := r.fail(p, "no %s `%s`", what, p.Value)
	e.Hint = conf.DidYouMean(p.Value, namesOf(all))
	return found
}

// secret returns the one Secret with this value.
func (r *reader) secret(value string) *Secret {
	s := r.secrets[value]
	if s == nil {
		s = &Secret{conf.NewSecret(value)}
		r.secrets[value] = s
	}
	return s
}

// printKey makes the prints of sections worthless to whoever gets to see one.
var printKey = func() []byte {
	key := make([]byte, sha256.Size)
	rand.Read(key)
	return key
}()

// printOf is the same for two sections that say the same, within this process. also stands for what is not in the section.
func printOf(cs *conf.Section, also ...string) string {
	mac := hmac.New(sha256.New, printKey)
	cs.Format(mac) // a hash takes everything
	for _, text := range also {
		fmt.Fprintf(mac, "\n%d %s", len(text), text)
	}
	return hex.EncodeToString(mac.Sum(nil))
}
