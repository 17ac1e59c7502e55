package transport

import (
	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

// pieces is a layer that takes a few bytes at a time, notes each Write, and breaks when told. It cannot take a tail.
type pieces struct {
	frio.IO
	most     int // of a Write; 0: all
	again    bool
	broken   error
	writes   []int // what was offered
	corked   bool
	uncorked int
}

func (p *pieces) Lower() frio.IO    { return p.IO }
func (p *pieces) State() frio.State { return stateOf(p.IO) }
func (p *pieces) Cork()             { p.corked = true }

func (p *pieces) Uncork() error {
	p.corked = false
	p.uncorked++
	return nil
}

func (p *pieces) Write(b []byte) (int, error) {
	if p.broken != nil {
		return 0, p.broken
	}
	p.again = !p.again
	if p.most > 0 && !p.again {
		return 0, frio.ErrAgain
	}
	p.writes = append(p.writes, len(b))
	if p.most > 0 {
		b = b[:min(len(b), p.most)]
	}
	return p.IO.Write(b)
}

// layered connects through pieces to an echo, and returns both ends.
func layered(b *bench, p *pieces, cfg Config) (near, far *recorder) {
	b.Helper()
	s := &service{cfg: Config{Frame: frame, MessageMax: 4096}, make: func() *recorder { return new(recorder).echo() }}
	port := b.serve(inet("listen", "tcp", "tcp", 0, ""), s)
	client := b.ParseText(nil, "connecting", inet("home_server", "tcp", "tcp", at(port).Port(), ""))
	near = new(recorder)
	_, err := Dial(b.lane, client.Ctx, "connection", func(ctx *talloc.Context) (_ frio.IO, err error) {
		p.IO, err = client.IO.(frio.Copier).Copy(ctx)
		return p, err
	}, cfg, near)
	b.must(err)
	b.Until("it is up", func() bool { return near.ups == 1 && len(s.users) == 1 })
	return near, s.users[0]
}
