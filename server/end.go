package server

import (
	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
)

// end is one IO of a session: the peer's, or the one to the target.
type end struct {
	io      frio.IO
	packets frio.PacketIO // nil: it has none
	counts  *Counts       // of the listen, at the peer's end only
	up      bool          // it may be read and written

	in, out       uint64 // bytes
	attached      bool
	reads, writes bool // the wishes that the loop was told
	read, write   func()
}

// init makes an end of io. s is told what it is ready for; nil where nobody asks by this end.
func (e *end) init(s *session, io frio.IO) {
	e.io = io
	if io.Kind() == frio.Datagram {
		e.packets, _ = io.(frio.PacketIO)
	}
	if s != nil {
		e.read, e.write = func() { s.readable(e) }, func() { s.writable(e) }
	}
}

// wish tells the loop what the end waits for, if that is another than before.
func (e *end) wish(loop *event.Loop, reads, writes bool) error {
	if e.attached && reads == e.reads && writes == e.writes {
		return nil
	}
	var read, write func()
	if reads {
		read = e.read
	}
	if writes {
		write = e.write
	}
	if err := e.io.Event(loop, read, write); err != nil {
		return err
	}
	e.attached, e.reads, e.writes = true, reads, writes
	return nil
}

// got counts what was read: bytes of a stream, or of count datagrams.
func (e *end) got(n, count int) {
	e.in += uint64(n)
	if e.counts != nil {
		e.counts.BytesIn.Add(uint64(n))
		e.counts.DatagramsIn.Add(uint64(count))
	}
}

// sent counts what was written.
func (e *end) sent(n, count int) {
	e.out += uint64(n)
	if e.counts != nil {
		e.counts.BytesOut.Add(uint64(n))
		e.counts.DatagramsOut.Add(uint64(count))
	}
}

// sendPackets writes datagrams. Those that there is no room for are dropped, and it returns how many; those that could
// not be sent for a reason of their own are told to failed. Any other error is final.
func (e *end) sendPackets(packets []frio.Packet, failed func(error)) (dropped int, err error) {
	for len(packets) > 0 {
		count, err := e.sendSome(packets)
		if count > 0 {
			n := 0
			for i := range packets[:count] {
				n += len(packets[i].Data)
			}
			e.sent(n, count)
			packets = packets[count:]
			continue
		}
		if err == frio.ErrAgain {
			return len(packets), nil
		}
		one, ok := err.(*frio.PacketError)
		if !ok {
			return len(packets), err
		}
		failed(one)
		packets = packets[1:]
	}
	return 0, nil
}

// sendSome is WritePackets, also of an IO that takes one datagram at a time.
func (e *end) sendSome(packets []frio.Packet) (count int, err error) {
	if e.packets != nil {
		return e.packets.WritePackets(packets)
	}
	data := packets[0].Data
	if len(data) == 0 {
		// Write has no word for an empty datagram.
		return 0, &frio.PacketError{Op: "write", Err: errEmpty}
	}
	if _, err := e.io.Write(data); err != nil {
		return 0, err
	}
	return 1, nil
}

// readSome is ReadPackets, also of an IO that gives one datagram at a time.
func (e *end) readSome(packets []frio.Packet) (count int, err error) {
	if e.packets != nil {
		return e.packets.ReadPackets(packets)
	}
	p := &packets[0]
	n, err := e.io.Read(p.Data[:cap(p.Data)])
	if err != nil {
		return 0, err
	}
	p.Data = p.Data[:n]
	return 1, nil
}
