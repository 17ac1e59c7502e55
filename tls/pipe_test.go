package tls_test

import (
	"errors"
	"io"
	"net"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// The method pipe is a stream in memory, between a listener and a client that are parsed one after the other. A test decides by
// its ends how many bytes each call moves.
func init() {
	frio.Register(frio.Method{Name: "pipe", Parse: func(_ *talloc.Context, cs *conf.Section, role frio.Role, _ frio.IO) (frio.IO, error) {
		if _, err := cs.TakeSection("pipe"); err != nil {
			return nil, err
		}
		if role == frio.Server {
			thePipe = &pipeListener{}
			return thePipe, nil
		}
		a, b := &pipeEnd{}, &pipeEnd{}
		a.peer, b.peer = b, a
		thePipe.waiting = append(thePipe.waiting, b)
		return a, nil
	}})
}

var thePipe *pipeListener

type pipeListener struct {
	pipeEnd
	waiting []*pipeEnd
}

func (l *pipeListener) Open() error { return nil }

func (l *pipeListener) Accept(*talloc.Context) (frio.IO, error) {
	if len(l.waiting) == 0 {
		return nil, frio.ErrAgain
	}
	c := l.waiting[0]
	l.waiting = l.waiting[1:]
	return c, nil
}

// pipeEnd has no loop: each call is one step.
type pipeEnd struct {
	peer   *pipeEnd
	in     []byte // to be read
	ended  bool   // the peer has ended its direction
	lost   error  // Read and Write fail
	closed bool

	take func(n int) int // how many of n bytes a Read or Write moves; nil: all; 0 is ErrAgain
	dam  bool            // Write takes nothing
}

func (p *pipeEnd) Describe() string                        { return "pipe" }
func (p *pipeEnd) Kind() frio.Kind                         { return frio.Stream }
func (p *pipeEnd) Open() error                             { return errors.ErrUnsupported }
func (p *pipeEnd) Connect() error                          { return nil }
func (p *pipeEnd) Accept(*talloc.Context) (frio.IO, error) { return nil, errors.ErrUnsupported }
func (p *pipeEnd) Event(*event.Loop, func(), func()) error { return nil }
func (p *pipeEnd) Debug(w io.Writer)                       { io.WriteString(w, "pipe\n") }
func (p *pipeEnd) CloseWrite() error                       { p.peer.ended = true; return nil }
func (p *pipeEnd) some(n int) int {
	if p.take != nil && n > 0 {
		n = p.take(n)
	}
	return n
}

func (p *pipeEnd) Close() error {
	if !p.closed {
		p.closed = true
		if p.peer != nil {
			p.peer.ended = true
		}
	}
	return nil
}

func (p *pipeEnd) Read(b []byte) (int, error) {
	switch {
	case p.closed:
		return 0, net.ErrClosed
	case p.lost != nil:
		return 0, p.lost
	case len(p.in) == 0 && p.ended:
		return 0, io.EOF
	}
	n := p.some(min(len(b), len(p.in)))
	if n == 0 {
		return 0, frio.ErrAgain
	}
	copy(b, p.in[:n])
	p.in = p.in[n:]
	return n, nil
}

func (p *pipeEnd) Write(b []byte) (int, error) {
	switch {
	case p.closed:
		return 0, net.ErrClosed
	case p.lost != nil:
		return 0, p.lost
	}
	n := p.some(len(b))
	if n == 0 || p.dam {
		return 0, frio.ErrAgain
	}
	p.peer.in = append(p.peer.in, b[:n]...)
	return n, nil
}
