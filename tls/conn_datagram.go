package tls

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/tls/dtls"
)

// datagramRounds is how many datagrams are read at once, so that what else is in the loop goes on being served.
const datagramRounds = 16

// pullDatagrams reads datagrams until one has data; false if there was none at all.
func (c *Conn) pullDatagrams() (progress bool) {
	buf, err := c.ctx.Alloc(readMax)
	if err != nil {
		c.fail(err)
		return false
	}
	defer func() {
		if !c.over {
			buf.Free()
		}
	}()
	stepped := false
	for range datagramRounds {
		if s := c.s; s != nil && s.eng != nil && (s.readErr != nil || s.eng.Held() || s.eng.State() == dtls.Awaiting) {
			break
		}
		if c.state == frio.StateHandshaking && !stepped {
			if stepped = c.share.step(c); !stepped {
				c.stall()
				break
			}
		}
		n, err := c.lower.Read(buf.Bytes())
		switch {
		case err == nil:
		case err == frio.ErrAgain:
			return progress
		case oneLost(err) != nil:
			progress = true
			if !c.lostDatagram(oneLost(err)) {
				return progress
			}
			continue
		default:
			c.lowerEnded(err)
			return progress
		}
		progress = true
		if err := c.startServer(); err != nil {
			c.failed(err)
			return progress
		}
		c.s.heard = true
		_, err = c.s.eng.Feed(c.now(), buf.Bytes()[:n])
		c.collect()
		if !c.afterFeed(err) {
			return progress
		}
		c.arm()
	}
	return progress
}

// lostDatagram takes an error of one datagram. That nobody listens where a client has heard nothing of yet ends its
// connection; else it is one of those losses that retransmission is for. False: it was the end.
func (c *Conn) lostDatagram(lost *frio.PacketError) bool {
	if c.role == frio.Client && c.state == frio.StateHandshaking && !c.s.heard && errors.Is(lost, syscall.ECONNREFUSED) {
		c.fail(fmt.Errorf("connect %s: %w", destination(c.lower), lost.Err))
		return false
	}
	return true
}

// destination is what a client wants to reach, "udp 192.0.2.1:2083".
func destination(lower frio.IO) string {
	name := lower.Describe()
	if _, remote := addrs(lower); remote.IsValid() {
		method, _, _ := strings.Cut(name, " ")
		return method + " " + remote.String()
	}
	return name
}

// mtuTries is how often a flight is cut anew because it was too long: from 16384 to 256 bytes.
const mtuTries = 6

// sendFlight sends the datagrams of the engine. What cannot be sent now is lost; the engine's timer repeats it.
func (c *Conn) sendFlight() {
	s := c.s
	for range mtuTries {
		again := false
		for _, d := range s.eng.Out() {
			_, err := c.lower.Write(d)
			if err == nil || err == frio.ErrAgain {
				continue
			}
			if lost := oneLost(err); lost != nil {
				if errors.Is(err, syscall.EMSGSIZE) {
					if e, ok := s.eng.(*dtls.Engine); ok && e.MTUExceeded() {
						again = true
						break
					}
				}
				if !c.lostDatagram(lost) {
					return
				}
			} else {
				c.writeFailed(err)
				break
			}
		}
		if !again {
			break
		}
	}
	s.eng.Sent(c.now())
}

// sendDatagrams sends those that are kept, as far as they go now. An error is of one that is lost, or the end.
func (c *Conn) sendDatagrams() (lost error) {
	s := c.s
	for s.out.len() > 0 && s.writeErr == nil {
		count, err := c.sendSome()
		switch {
		case err == frio.ErrAgain:
			return lost
		case err == nil:
			s.out.dropDatagrams(count)
		case oneLost(err) != nil:
			lost = err
			s.out.dropDatagrams(1)
		default:
			c.writeFailed(err)
			return err
		}
	}
	return lost
}

// sendSome sends a batch of those that are kept.
func (c *Conn) sendSome() (count int, err error) {
	rest := c.s.out.bytes()
	first := datagramLen(rest)
	lower, ok := c.lower.(frio.PacketIO)
	if !ok || first == len(rest) || c.share.loop == nil { // whose share is for many threads
		_, err = c.lower.Write(rest[:first])
		return 1, err
	}
	if c.share.batch == nil {
		c.share.batch = make([]frio.Packet, 0, batchMax)
	}
	batch := c.share.batch
	for len(rest) > 0 && len(batch) < cap(batch) {
		n := datagramLen(rest)
		batch = append(batch, frio.Packet{Data: rest[:n]})
		rest = rest[n:]
	}
	count, err = lower.WritePackets(batch)
	clear(batch)
	return count, err
}

// oneLost is err if that cost one datagram only, else nil.
func oneLost(err error) *frio.PacketError {
	var lost *frio.PacketError
	errors.As(err, &lost)
	return lost
}

// putDatagram seals one datagram. At most one is kept, while corked as many as fit.
func (c *Conn) putDatagram(p []byte) (int, error) {
	s := c.s
	need := min(len(p), dtlsMax) + dtlsOverhead
	if s.corked && s.out.len()+need > highWater {
		_ = c.sendDatagrams() // as in flushAll
	}
	if s.out.len() > 0 && (!s.corked || s.out.len()+need > highWater) {
		return 0, frio.ErrAgain
	}
	room := need
	if s.corked {
		room = max(need, min(s.out.len(), highWater-s.out.len())) // more will come
	}
	dst, err := s.out.reserve(&c.ctx, room)
	if err != nil {
		return 0, c.broken(err)
	}
	sealed, n, err := s.eng.Seal(dst, p)
	switch {
	case err == dtls.ErrTooLong:
		s.out.dropDatagrams(0)
		return 0, &frio.PacketError{Op: "write", Remote: c.RemoteAddr(), Err: frio.ErrTooLong}
	case err != nil:
		return 0, c.broken(err)
	}
	if err := s.out.took(&c.ctx, sealed); err != nil {
		return 0, c.broken(err)
	}
	if !s.corked {
		if err := c.sendDatagrams(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

const (
	dtlsMax      = 1 << 14 // RFC 5246, Section 6.2.1
	dtlsOverhead = 37      // dtls.Engine.Seal
)
