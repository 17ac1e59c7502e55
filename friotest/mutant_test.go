package friotest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// mutation is what a mutant does wrong.
type mutation string

const (
	honest       mutation = "nothing"
	dropsByte    mutation = "drops a byte"
	doublesWrite mutation = "writes twice"
	holdsByte    mutation = "keeps the last byte that was written"
	resetIsEOF   mutation = "reports a reset as an end"
	endsOnce     mutation = "reports an end only once"
	wrapsAgain   mutation = "wraps ErrAgain"
	countAndErr  mutation = "returns bytes and an error"
	callsInside  mutation = "calls back inside a call"
	callsClosed  mutation = "calls back after Close"
	callsOnce    mutation = "calls back once for all that comes"
	callsGone    mutation = "calls back after the wish was removed"
	spins        mutation = "asks for what nobody wants"
	losesOnMove  mutation = "loses what is unread when it leaves a loop"
	leavesOpen   mutation = "leaves its lower open"
	noTimeout    mutation = "reports a time-out as an end"
	lateOpen     mutation = "answers after Close"
	hidesPanic   mutation = "takes callbacks without a loop"
	mixesUp      mutation = "changes a bit of what it reads"
	failsOnBad   mutation = "fails for good at a bad datagram"
	cutsLong     mutation = "cuts a datagram that is too long"
	givesEmpty   mutation = "reads an empty datagram as nothing"
	skipsTwo     mutation = "skips the datagram after a bad one"
	setsErr      mutation = "sets Err when it writes"
)

// mutating is what mutants that are parsed do wrong.
var mutating = honest

func init() {
	frio.Register(frio.Method{Name: "mutant", Layer: true, Parse: func(_ *talloc.Context, _ *conf.Section, _ frio.Role, lower frio.IO) (frio.IO, error) {
		return newMutant(lower), nil
	}})
}

// mutant is a layer that hands everything on, but for its mutation. Honest, it passes the suite.
type mutant struct {
	lower  frio.IO
	wrong  mutation
	loop   *event.Loop
	task   event.Task
	read   func()
	closed bool
	ended  bool
	called bool
	count  int
	held   []byte
}

var _ frio.IO = (*mutant)(nil)

func newMutant(lower frio.IO) *mutant {
	m := &mutant{lower: lower, wrong: mutating}
	m.task.Init(m)
	return m
}

// RunTask is the callback that must not come.
func (m *mutant) RunTask() {
	if m.read != nil {
		m.read()
	}
}

func (m *mutant) Describe() string           { return "mutant+" + m.lower.Describe() }
func (m *mutant) Open() error                { return m.lower.Open() }
func (m *mutant) Connect() error             { return m.lower.Connect() }
func (m *mutant) Kind() frio.Kind            { return m.lower.Kind() }
func (m *mutant) Lower() frio.IO             { return m.lower }
func (m *mutant) State() frio.State          { return m.lower.(frio.Stater).State() }
func (m *mutant) base() frio.Parent          { p, _ := m.lower.(frio.Parent); return p }
func (m *mutant) a() frio.Addresser          { return m.lower.(frio.Addresser) }
func (m *mutant) LocalAddr() netip.AddrPort  { return m.a().LocalAddr() }
func (m *mutant) RemoteAddr() netip.AddrPort { return m.a().RemoteAddr() }

func (m *mutant) CloseWrite() error {
	if c, ok := m.lower.(frio.CloseWriter); ok {
		return c.CloseWrite()
	}
	return m.unsupported()
}

// SetLink and ID are the lower's; only children are asked.
func (m *mutant) SetLink(l frio.Link) { m.lower.(frio.Linked).SetLink(l) }
func (m *mutant) ID() uint64          { return m.lower.(frio.Identified).ID() }

// Children are the lower's.
func (m *mutant) Children(visit func(frio.Handle) bool) {
	if p := m.base(); p != nil {
		p.Children(visit)
	}
}

func (m *mutant) Debug(w io.Writer) {
	fmt.Fprintf(w, "mutant %v\n", m.State())
	m.lower.Debug(frio.Indent(w))
}

func (m *mutant) Accept(ctx *talloc.Context) (frio.IO, error) {
	child, err := m.lower.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return newMutant(child), nil
}

func (m *mutant) Close() error {
	if m.wrong == callsClosed && !m.closed && m.loop != nil && m.read != nil {
		m.loop.Defer(&m.task)
	}
	m.closed = true
	if m.wrong == leavesOpen {
		return m.lower.Event(nil, nil, nil)
	}
	return m.lower.Close()
}

func (m *mutant) Read(p []byte) (int, error) {
	if m.wrong == lateOpen && m.closed {
		return 0, frio.ErrAgain
	}
	if (m.wrong == cutsLong || m.wrong == givesEmpty) && len(p) > 0 {
		return m.readPacket(p)
	}
	n, err := m.lower.Read(p)
	if m.wrong == failsOnBad && isBad(err) {
		err = errors.Unwrap(err)
	}
	if n > 0 {
		m.called = false
	}
	m.count += n
	switch {
	case m.wrong == dropsByte && n > 1 && m.count >= 5:
		m.count = -1 << 40
		copy(p, p[1:n])
		n--
	case m.wrong == mixesUp && n > 0:
		p[n-1] ^= 1
	case m.wrong == countAndErr && n > 0:
		err = frio.ErrAgain
	case m.wrong == resetIsEOF && errors.Is(err, frio.ErrReset), m.wrong == noTimeout && errors.Is(err, frio.ErrTimeout):
		err = io.EOF
	case m.wrong == endsOnce && err == io.EOF && m.ended, m.wrong == endsOnce && n == 0 && err == nil && m.ended:
		err = frio.ErrAgain
	case m.wrong == wrapsAgain && err == frio.ErrAgain:
		err = fmt.Errorf("read: %w", err)
	}
	m.ended = m.ended || err == io.EOF
	return n, err
}

// readPacket is Read for mutations of datagrams.
func (m *mutant) readPacket(p []byte) (int, error) {
	packets := []frio.Packet{{Data: make([]byte, 0, max(len(p), 2048))}}
	if m.wrong == givesEmpty {
		packets[0].Data = p[:0]
	}
	if _, err := m.ReadPackets(packets); err != nil {
		return 0, err
	}
	return copy(p, packets[0].Data), packets[0].Err
}

// ReadPackets and WritePackets are the lower's.
func (m *mutant) ReadPackets(packets []frio.Packet) (int, error) {
	if io, ok := m.lower.(frio.PacketIO); ok {
		return io.ReadPackets(packets)
	}
	return 0, m.unsupported()
}

func (m *mutant) WritePackets(packets []frio.Packet) (int, error) {
	io, ok := m.lower.(frio.PacketIO)
	if !ok {
		return 0, m.unsupported()
	}
	if m.wrong == skipsTwo && m.count == 1 {
		m.count = 0
		return 1, nil
	}
	n, err := io.WritePackets(packets)
	switch {
	case m.wrong == skipsTwo && isBad(err):
		m.count = 1
	case m.wrong == setsErr && len(packets) > 0:
		packets[0].Err = err
	}
	return n, err
}

func isBad(err error) bool {
	var bad *frio.PacketError
	return errors.As(err, &bad)
}

func (m *mutant) unsupported() error {
	if _, err := m.lower.Read(nil); errors.Is(err, net.ErrClosed) {
		return err
	}
	return errors.ErrUnsupported
}

func (m *mutant) Write(p []byte) (int, error) {
	if m.wrong == holdsByte && len(p) > 1 {
		if len(m.held) > 0 {
			if _, err := m.lower.Write(m.held); err != nil {
				return 0, err
			}
			m.held = nil
		}
		n, err := m.lower.Write(p[:len(p)-1])
		if n == len(p)-1 {
			m.held = []byte{p[n]}
			n++
		}
		return n, err
	}
	n, err := m.lower.Write(p)
	if m.wrong == doublesWrite && n > 0 {
		m.lower.Write(p[:n])
	}
	if m.wrong == callsInside && m.read != nil {
		m.read()
	}
	return n, err
}

func (m *mutant) Event(loop *event.Loop, read, write func()) error {
	if loop == nil && m.loop != nil && m.wrong == losesOnMove {
		var lost [4096]byte
		m.lower.Read(lost[:])
	}
	if m.wrong == hidesPanic && loop == nil {
		read, write = nil, nil
	}
	kept := m.read
	lowerRead, lowerWrite := read, write
	switch m.wrong {
	case spins:
		if lowerRead == nil && loop != nil {
			lowerRead = func() {}
		}
	case callsGone:
		if read == nil && kept != nil && loop != nil {
			lowerRead, read = kept, kept
		}
	case callsOnce:
		if read != nil {
			lowerRead = func() {
				if !m.called {
					m.called = true
					read()
				}
			}
		}
	}
	if err := m.lower.Event(loop, lowerRead, lowerWrite); err != nil {
		return err
	}
	m.loop = loop
	if read != nil || m.wrong != callsClosed {
		m.read = read
	}
	return nil
}
