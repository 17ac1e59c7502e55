package transport

import (
	"io"

	"github.com/frio-io/frio"
)

// readDatagrams gives the datagrams that wait to the user, straight from where the kernel put them.
func (c *Conn) readDatagrams() {
	l, size := c.lane, c.cfg.MessageMax
	batch := min(batchMax, reserveMax/size)
	if c.packets == nil {
		batch = 1
	}
	for got := 0; got < turnDatagrams && c.listens(); {
		room, err := l.set.Reserve(batch*size, batch)
		if err != nil {
			c.starve()
			return
		}
		packets := l.in[:batch]
		for i := range packets {
			packets[i] = frio.Packet{Data: room[i*size : i*size : (i+1)*size]}
		}
		count, err := c.readSome(packets)
		got += max(count, 1)
		if count == 0 {
			if c.stopsReading(err) {
				return
			}
			continue
		}
		for i := range packets[:count] {
			c.gotDatagram(&packets[i], room[i*size:(i+1)*size])
			if c.over {
				return
			}
		}
		if c.packets == nil && c.port != nil && c.port.near == c {
			l.Flush() // an answer goes to whom the IO heard last
		}
		if count < batch {
			return // level-triggered: what came meanwhile is announced
		}
	}
}

// stopsReading looks after an error of reading, and tells whether to stop.
func (c *Conn) stopsReading(err error) bool {
	switch one, ok := err.(*frio.PacketError); {
	case ok:
		c.fault(one)
		return c.over || c.failed != nil
	case err == io.EOF:
		c.end(io.EOF)
	case err != nil && err != frio.ErrAgain:
		c.fail(err)
	}
	return true
}

// gotDatagram gives one datagram to the user. room is its place in the reservation.
func (c *Conn) gotDatagram(p *frio.Packet, room []byte) {
	l, n := c.lane, len(p.Data)
	if p.Err != nil {
		l.set.Skip(len(room))
		c.fault(p.Err)
		return
	}
	if n > 0 && &p.Data[0] != &room[0] {
		copy(room, p.Data) // another one's buffer was moved up here, over a datagram that the IO refused
	}
	c.came(1, n)
	m := Message{m: l.set.Commit(n), Addr: Addr{p.Remote, p.Local, p.Ifindex}}
	l.set.Skip(len(room) - n)
	c.deliver(m)
}

// readSome is ReadPackets, also of an IO that gives one datagram at a time.
func (c *Conn) readSome(packets []frio.Packet) (int, error) {
	if c.packets != nil {
		return c.packets.ReadPackets(packets)
	}
	p := &packets[0]
	n, err := c.io.Read(p.Data[:cap(p.Data)])
	if err != nil {
		return 0, err
	}
	p.Data = p.Data[:n]
	return 1, nil
}

// post puts a datagram into the list of c.
func (c *Conn) post(to *Addr, msg []byte) {
	l := c.lane
	l.used += len(msg)
	p := post{packet: frio.Packet{Data: msg}, next: -1}
	if to != nil {
		p.packet.Remote, p.packet.Local, p.packet.Ifindex = to.Remote, to.Local, to.Ifindex
	}
	at := int32(len(l.posts))
	l.posts = append(l.posts, p)
	if c.first < 0 {
		c.first = at
	} else {
		l.posts[c.last].next = at
	}
	c.last = at
}

// flushPosts sends the datagrams of c, those of one batch in a call. One that there is no room for is dropped and counted.
func (c *Conn) flushPosts() {
	l, at := c.lane, c.first
	c.first, c.last = -1, -1
	for at >= 0 && !c.over && c.failed == nil {
		count := 0
		for ; at >= 0 && count < batchMax; at = l.posts[at].next {
			l.out[count] = l.posts[at].packet
			count++
		}
		c.sendBatch(l.out[:count])
	}
}

func (c *Conn) sendBatch(batch []frio.Packet) {
	if cork, ok := c.io.(frio.Corker); ok && c.packets == nil && len(batch) > 1 {
		cork.Cork()
		defer c.uncork(cork)
	}
	for len(batch) > 0 {
		count, err := c.sendSome(batch)
		if count > 0 {
			n := 0
			for i := range batch[:count] {
				n += len(batch[i].Data)
			}
			c.went(count, n)
			batch = batch[count:]
			continue
		}
		switch one, ok := err.(*frio.PacketError); {
		case err == frio.ErrAgain:
			c.dropped(len(batch))
			c.fault(ErrNoRoom)
			return
		case ok:
			c.fault(one)
			batch = batch[1:]
		default:
			c.fail(err)
			return
		}
	}
}

// uncork sends what was gathered. What is lost by it was counted as sent.
func (c *Conn) uncork(cork frio.Corker) {
	err := cork.Uncork()
	if one, ok := err.(*frio.PacketError); ok {
		c.fault(one)
	} else if err != nil && !c.over {
		c.fail(err)
	}
}

// sendSome is WritePackets, also of an IO that takes one datagram at a time.
func (c *Conn) sendSome(batch []frio.Packet) (int, error) {
	if c.packets != nil {
		return c.packets.WritePackets(batch)
	}
	data := batch[0].Data
	if len(data) == 0 {
		return 0, errEmpty // Write has no word for an empty datagram
	}
	if _, err := c.io.Write(data); err != nil {
		return 0, err
	}
	return 1, nil
}
