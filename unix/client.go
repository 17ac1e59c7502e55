package unix

import (
	"errors"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/talloc"
)

// Client is the connecting side of a datagram socket. Its peer is fixed, so it has batches, which a listening
// one has not: a Packet has no place for the name of who sent it.
type Client struct {
	*Datagram
	pending error // of the next batch, after one that moved something
}

var (
	_ frio.IO       = (*Client)(nil)
	_ frio.PacketIO = (*Client)(nil)
	_ frio.Copier   = (*Client)(nil)
)

// Copy makes another client of the same name.
func (c *Client) Copy(ctx *talloc.Context) (frio.IO, error) {
	return newDatagram(ctx, c.kernel, c.opts, frio.Client, c.file)
}

// ReadPackets reads datagrams, one call of the system each.
func (c *Client) ReadPackets(packets []frio.Packet) (int, error) {
	c.ctx.Touch("read packets")
	if err := c.ready(); err != nil {
		return 0, err
	}
	return c.batch(packets, func(p *frio.Packet) error {
		n, err := c.recv(p.Data[:cap(p.Data)])
		*p = frio.Packet{Data: p.Data[:n]}
		var bad *frio.PacketError
		switch {
		case errors.As(err, &bad) && bad.Err == frio.ErrTooLong:
			p.Err = err
			return nil
		case err == nil && n == 0:
			c.empty++
		case err == nil:
			c.in++
		}
		return err
	})
}

// WritePackets sends datagrams, one call of the system each.
func (c *Client) WritePackets(packets []frio.Packet) (int, error) {
	c.ctx.Touch("write packets")
	if err := c.ready(); err != nil {
		return 0, err
	}
	return c.batch(packets, func(p *frio.Packet) error {
		_, err := c.Write(p.Data)
		return err
	})
}

// batch does one for each packet, up to an error, which is the next call's result if something was done before.
func (c *Client) batch(packets []frio.Packet, one func(*frio.Packet) error) (int, error) {
	if err := c.pending; err != nil {
		c.pending = nil
		return 0, err
	}
	for i := range packets {
		err := one(&packets[i])
		switch {
		case err == nil:
		case i == 0:
			return 0, err
		default:
			if err != frio.ErrAgain {
				c.pending = err
			}
			return i, nil
		}
	}
	return len(packets), nil
}
