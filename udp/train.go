package udp

import (
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

// train is what is left of datagrams that the kernel has joined (GRO) when its reader's packets were full: at most 64 KiB.
type train struct {
	buf     talloc.Buffer
	rest    []byte // in buf
	segment int
	of      frio.Packet // what is known of all of them
	err     error       // came when there was something to return before it
}

// pending tells whether there is something that the poller does not know of.
func (t *train) pending() bool { return len(t.rest) > 0 || t.err != nil }

// recv fills packets from what is left, then from the kernel.
func (t *train) recv(s *socket, packets []frio.Packet) (count int, err error) {
	switch {
	case len(packets) == 0:
		return 0, nil
	case len(t.rest) > 0:
		if count = t.cutRest(packets); count == len(packets) || t.err != nil {
			return count, nil
		}
	case t.err != nil:
		err, t.err = t.err, nil
		return 0, err
	}
	slab := getSlab()
	defer putSlab(slab)
	whole := &slab.incoming()[0]
	for count < len(packets) {
		segment, err := s.kernel.RecvTrain(s.fd, whole)
		if err != nil {
			if count == 0 {
				return 0, err
			}
			if err != frio.ErrAgain {
				t.err = err
			}
			break
		}
		if segment == 0 {
			segment = max(len(whole.Data), 1)
		}
		n, rest := cut(whole, whole.Data, segment, packets[count:])
		count += n
		if len(rest) > 0 {
			t.keep(s, whole, rest, segment)
		}
		whole.Data = whole.Data[:0]
	}
	return count, nil
}

// keep keeps what did not fit into the reader's packets.
func (t *train) keep(s *socket, whole *frio.Packet, rest []byte, segment int) {
	buf, err := s.mem.Alloc(len(rest))
	if err != nil {
		for range (len(rest) + segment - 1) / segment {
			s.counts.Errors.add(syscall.ENOMEM)
		}
		return
	}
	t.buf, t.rest, t.segment, t.of = buf, buf.Bytes(), segment, *whole
	t.of.Data = nil
	copy(t.rest, rest)
}

func (t *train) cutRest(packets []frio.Packet) (count int) {
	count, t.rest = cut(&t.of, t.rest, t.segment, packets)
	if len(t.rest) == 0 {
		t.drop()
	}
	return count
}

// cut copies the datagrams of data, of segment bytes each but for the last, into packets, as many as there are; rest is what did not
// get a place. Data that is empty is one datagram.
func cut(of *frio.Packet, data []byte, segment int, packets []frio.Packet) (count int, rest []byte) {
	for count < len(packets) && (len(data) > 0 || count == 0) {
		n := min(segment, len(data))
		p := &packets[count]
		buf := p.Data[:0]
		*p = *of
		switch {
		case of.Err != nil:
		case n > cap(buf):
			p.Err = errTooLong
		default:
			buf = append(buf, data[:n]...)
		}
		p.Data = buf
		data = data[n:]
		count++
	}
	return count, data
}

func (t *train) drop() {
	t.buf.Free()
	t.buf, t.rest, t.of = talloc.Buffer{}, nil, frio.Packet{}
}

func (t *train) release() {
	t.drop()
	t.err = nil
}
