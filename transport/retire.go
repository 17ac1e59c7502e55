package transport

import "github.com/frio-io/frio"

// Retire has the port end in order: it takes nobody any more, and its connections end when what is under way is done (User.Drain). Those that
// are on their way to a thread do so when they arrive. quits: nobody goes on with its socket, which is closed at once where the connections
// do not need it. Each lane is to be told by Lane.Retire afterwards. Thread: any.
func (p *Port) Retire(quits bool) {
	p.quits.Store(quits)
	p.retires.Store(true)
}

// quit closes the socket, if the connections do not need it. Who waits in its backlog is taken before, as many as one turn takes: the kernel would
// cut them off.
func (p *Port) quit() {
	if q, ok := frio.Socket(p.io).(frio.Quitter); ok && !p.refuses && !p.over {
		p.accept()
		p.Refuse()
		q.Quit()
	}
}

// Open is how many connections the port has that are not closed, those on their way to a thread too. Thread: any.
func (p *Port) Open() int { return int(p.open.Load()) }

// Retire does what Port.Retire has asked for, where the lane has ports of list, or connections of them.
func (l *Lane) Retire(list []*Port) {
	for _, p := range list {
		if p.lane == l {
			if p.quits.Load() {
				p.quit()
			}
			p.Refuse()
		}
	}
	l.Each(func(c *Conn) {
		if c.Retires() {
			c.drain()
		}
	})
}

// Retires tells whether it is one of the connections of a port that retires, while the program goes on.
func (c *Conn) Retires() bool {
	return c.port != nil && c.port.near != c && c.port.retires.Load() && !c.stops
}

// drain has the user end it in order. What has come is read before, so that it is answered.
func (c *Conn) drain() {
	if c.listens() {
		c.readable()
	}
	if !c.over {
		c.user.Drain(c)
	}
}

// gone tells the service that c was closed.
func (c *Conn) gone() {
	if c.port == nil {
		return
	}
	if c.begun {
		c.port.service.Gone(c)
	}
	if c.port.near != c {
		c.port.open.Add(-1)
	}
}
