package gateway

import (
	"fmt"
	"io"
	"strings"

	"github.com/frio-io/frio/conf"
)

// defaultPrefix is what lines begin with: what the operators of eduroam collect.
const defaultPrefix = "F-TICKS/eduroam/1.0"

// FTicksConfig is `fticks { }` in `log { }`.
type FTicksConfig struct {
	FTicks          // its Write is for whoever has the file
	Filename string // where lines go; "": into the log
}

type fticksKeys struct {
	Reporting string     `conf:"reporting,enum=basic|full"`
	Prefix    *conf.Pair `conf:"prefix"`
	Filename  string     `conf:"filename,path"`
}

// ParseFTicks reads cs.
func ParseFTicks(cs *conf.Section) (*FTicksConfig, conf.Errors) {
	r := &reader{}
	k := fticksKeys{Reporting: "basic"}
	r.add(cs, cs.Decode(&k))
	f := &FTicksConfig{FTicks: FTicks{Prefix: defaultPrefix, Full: k.Reporting == "full"}, Filename: k.Filename}
	if p := k.Prefix; p != nil {
		f.Prefix = p.Value
		if fault := fieldFault(p.Value); fault != "" {
			r.fail(p, "%s", fault)
		}
	}
	f.Stations = r.stations(cs)
	return f, r.errs.Sorted()
}

type stationKeys struct {
	MAC MACForm      `conf:"mac"`
	Key *conf.Secret `conf:"key"`
}

// stations reads mac and key of cs.
func (r *reader) stations(cs *conf.Section) Stations {
	var k stationKeys
	err := cs.Decode(&k)
	r.add(cs, err)
	keyed := k.MAC == MACVendorKeyHashed || k.MAC == MACFullyKeyHashed
	given := cs.Pairs("key")
	switch {
	case keyed && len(given) == 0:
		r.failSection(cs, "key is missing: mac = %v hashes with one", k.MAC)
	case !keyed && len(given) > 0 && err == nil:
		r.fail(given[0], "has no effect with mac = %v", k.MAC)
	}
	s := Stations{MAC: k.MAC}
	if k.Key != nil {
		s.Key = &Secret{*k.Key}
	}
	return s
}

// ParseStations takes mac and key of cs, `log { }`; nil without mac.
func ParseStations(cs *conf.Section) (*Stations, conf.Errors) {
	r := &reader{}
	if len(cs.Pairs("mac")) == 0 {
		cs.Knows("mac")
		for _, p := range cs.Take("key") {
			r.fail(p, "has no effect without mac")
		}
		return nil, r.errs
	}
	s := r.stations(cs)
	return &s, r.errs.Sorted()
}

// fieldFault tells why text cannot stand in a line of F-Ticks; "" if it can.
func fieldFault(text string) string {
	switch {
	case text == "":
		return "is empty"
	case text != field([]byte(text)):
		return fmt.Sprintf("`%s` has a space, a # or a control character: it would end a field", text)
	}
	return ""
}

// Debug writes the section as it could stand in a file.
func (f *FTicksConfig) Debug(w io.Writer) {
	p := printer{w: w}
	p.section("fticks", func(p printer) {
		reporting := "basic"
		if f.Full {
			reporting = "full"
		}
		p.key("reporting", reporting)
		p.key("mac", f.MAC)
		if f.Key != nil {
			p.key("key", f.Key)
		}
		p.key("prefix", f.Prefix)
		p.text("filename", f.Filename)
	})
}

var macWords = []string{"vendor-key-hashed", "vendor-hashed", "fully-key-hashed", "fully-hashed", "original", "static"}

// DecodeConf takes the words, also as radsecproxy writes them: VendorKeyHashed.
func (m *MACForm) DecodeConf(p *conf.Pair) error {
	for i, w := range macWords {
		if strings.EqualFold(strings.ReplaceAll(w, "-", ""), p.Value) {
			*m = MACForm(i)
			return nil
		}
	}
	i, err := word(p, macWords)
	*m = MACForm(i)
	return err
}

// String returns the word for it.
func (m MACForm) String() string { return nameOf(macWords, int(m)) }

var userNameWords = []string{"full", "realm"}

// DecodeConf takes full and realm.
func (u *UserNames) DecodeConf(p *conf.Pair) error {
	i, err := word(p, userNameWords)
	*u = UserNames(i)
	return err
}

// String returns the word for it.
func (u UserNames) String() string { return nameOf(userNameWords, int(u)) }
