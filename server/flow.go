package server

import (
	"errors"
	"io"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

const (
	// readsMax and batchesMax bound what one callback moves, so that one busy session does not hold up the others of its
	// loop: four reads of 64 KiB, four batches of 32 datagrams.
	readsMax   = 4
	batchesMax = 4
)

var (
	errEmpty = errors.New("an empty datagram cannot be sent")
	// errEcho is for what an echo must not answer. One datagram with a forged sender would keep two of them busy for ever, or one
	// with itself (CERT Advisory CA-1996-01): the other end of such a loop has our port, and few honest clients do.
	errEcho = &frio.PacketError{Op: "echo", Err: errors.New("the sender has the port of an echo itself")}
)

// flow carries what is read from one end to another. Two of them are a relay; one whose ends are the same is an echo; one
// without a second end discards.
type flow struct {
	from, to *end
	// What was read and not yet taken. There is memory only while there is such, and then nothing more is read: at most
	// one read of 64 KiB.
	memory talloc.Buffer
	held   []byte
	ended  bool // from has ended in order
	done   bool // nothing more is carried: from has ended and to was told, or to is lost
}

// stream carries bytes until there are no more, or the other end takes no more. An error is of one of the ends and final: lost tells
// which.
func (f *flow) stream(s *session) (lost *end, err error) {
	for range readsMax {
		if f.done {
			return nil, nil
		}
		if err := f.flush(); err != nil {
			return f.blocked(err)
		}
		p := s.lane.loop.Scratch()
		n, err := f.from.io.Read(p)
		switch {
		case err == frio.ErrAgain:
			return nil, nil
		case err == io.EOF:
			f.ended = true
			return f.finish()
		case err != nil:
			return f.from, err
		}
		f.from.got(n, 0)
		s.moved = s.lane.loop.Now()
		if f.to == nil {
			continue
		}
		if err := f.send(&s.ctx, p[:n]); err != nil {
			return f.blocked(err)
		}
	}
	return nil, nil
}

// blocked is the end of stream where flush or send met err.
func (f *flow) blocked(err error) (*end, error) {
	switch {
	case err == frio.ErrAgain:
		return nil, nil
	case errors.Is(err, talloc.ErrLimit):
		return f.from, err // what it sent cannot be kept
	}
	return f.to, err
}

// send writes p, and keeps what is not taken; then it returns ErrAgain.
func (f *flow) send(ctx *talloc.Context, p []byte) error {
	p, err := f.write(p)
	if err != frio.ErrAgain {
		return err
	}
	memory, full := ctx.Alloc(len(p))
	if full != nil {
		return full
	}
	f.memory, f.held = memory, memory.Bytes()
	copy(f.held, p)
	return err
}

// flush writes what is kept; ErrAgain while some is left.
func (f *flow) flush() (err error) {
	if len(f.held) == 0 {
		return nil
	}
	if f.held, err = f.write(f.held); err == nil {
		f.forget()
	}
	return err
}

// write writes until all of p is taken, or no more is: it returns the rest.
func (f *flow) write(p []byte) ([]byte, error) {
	for len(p) > 0 {
		n, err := f.to.io.Write(p)
		if err != nil {
			return p, err
		}
		f.to.sent(n, 0)
		p = p[n:]
	}
	return nil, nil
}

// forget lets go of what is kept.
func (f *flow) forget() {
	f.memory.Free()
	f.memory, f.held = talloc.Buffer{}, nil
}

// finish passes on that from has ended in order, after all that it sent.
func (f *flow) finish() (*end, error) {
	f.done = true
	if f.to == nil || f.to == f.from {
		return nil, nil // the session closes the peer
	}
	half, ok := f.to.io.(frio.CloseWriter)
	if !ok {
		return f.to, errors.ErrUnsupported
	}
	return f.to, half.CloseWrite()
}

// datagrams carries the datagrams that wait. What is the matter with one of them is told to failed; an error is final.
func (f *flow) datagrams(lane *lane, failed func(error)) error {
	for range batchesMax {
		batch := lane.batch()
		count, err := f.from.readSome(batch)
		if count == 0 {
			if one, ok := err.(*frio.PacketError); ok {
				failed(one)
				continue
			}
			if err == frio.ErrAgain {
				return nil
			}
			return err
		}
		good, n := batch[:0], 0
		for i := range batch[:count] {
			p := batch[i]
			if p.Err != nil {
				failed(p.Err)
				continue
			}
			if f.to == f.from && p.Remote.IsValid() && p.Remote.Port() == p.Local.Port() {
				failed(errEcho)
				continue
			}
			n += len(p.Data)
			if f.to != f.from {
				// Its addresses are those of the end that it came by.
				p = frio.Packet{Data: p.Data}
			}
			good = append(good, p)
		}
		f.from.got(n, len(good))
		if f.to == nil {
			continue
		}
		dropped, err := f.to.sendPackets(good, failed)
		if dropped > 0 {
			f.dropped(dropped)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dropped counts datagrams that the other end had no room for.
func (f *flow) dropped(count int) {
	for _, e := range []*end{f.from, f.to} {
		if e.counts != nil {
			e.counts.Dropped.Add(uint64(count))
			return
		}
	}
}
