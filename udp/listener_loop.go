package udp

import (
	"errors"
	"fmt"
	"net"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

// Event puts the listener into a loop, changes its wishes, or takes it out. Its children come along, with their wishes and deadlines. With
// children, read is called while one waits for Accept, and write never.
func (l *Listener) Event(loop *event.Loop, read, write func()) error {
	l.ctx.Touch("event")
	if loop == nil && (read != nil || write != nil) {
		panic("frio: callbacks without a loop: " + l.Describe())
	}
	sock.CheckLoop(l.kernel, loop)
	if l.closed {
		return net.ErrClosed
	}
	if loop != l.loop {
		if err := l.move(loop); err != nil {
			return fmt.Errorf("event %s: %w", l.Describe(), err)
		}
	}
	l.read, l.write = read, write
	if err := l.wish(); err != nil {
		l.leave()
		return fmt.Errorf("event %s: %w", l.Describe(), err)
	}
	return nil
}

// errTwoLoops is for our own code: what is in a loop belongs to that loop's thread, so it leaves there and enters here.
var errTwoLoops = errors.New("it is in another loop")

func (l *Listener) move(loop *event.Loop) error {
	if l.loop != nil && loop != nil {
		return errTwoLoops
	}
	l.leave()
	if loop == nil {
		return nil
	}
	if l.fd >= 0 {
		if err := l.reg.Attach(loop); err != nil {
			return err
		}
	}
	l.loop = loop
	l.timer.Set(loop, l.rest)
	if l.set.connected {
		l.mail.enter(loop, l.called)
		l.awaitLeavers()
	}
	l.enterChildren()
	return nil
}

func (l *Listener) leave() {
	l.leaveChildren()
	if l.loop != nil && l.set.connected {
		l.mail.leave()
	}
	l.reg.Detach()
	l.timer.Stop()
	l.leavers.timer.Stop()
	l.notice.Cancel()
	l.loop, l.read, l.write = nil, nil, nil
}

// wish tells the loop what the listener waits for.
func (l *Listener) wish() error {
	if l.loop == nil {
		return nil
	}
	if l.fd >= 0 {
		var want event.Ready
		if l.reading() {
			want |= event.Read
		}
		if l.writing() {
			want |= event.Write
		}
		if err := l.reg.Want(want); err != nil {
			return err
		}
	}
	if l.announces() {
		l.loop.Defer(&l.notice)
	}
	return nil
}

// rewish is wish where nobody can be told of an error: the poller has no room, and is asked again after a rest.
func (l *Listener) rewish() {
	if l.wish() != nil {
		l.pause()
	}
}

func (l *Listener) pause() {
	l.rest = l.now().Add(restDelay)
	if l.loop != nil {
		l.timer.Set(l.loop, l.rest)
	}
}

func (l *Listener) resting() bool { return !l.rest.IsZero() && l.now().Before(l.rest) }

func (l *Listener) reading() bool {
	return l.read != nil || l.set.demux && l.count > 0
}

func (l *Listener) writing() bool {
	if l.set.demux {
		return l.writers.first != nil
	}
	return l.write != nil
}

// announces tells whether there is something that the poller does not know of, and somebody to be told.
func (l *Listener) announces() bool {
	switch {
	case l.err != nil:
		return l.read != nil && !l.readEnded || l.write != nil && !l.writeEnded && !l.set.demux
	case l.set.demux:
		return l.train.pending() || l.read != nil && l.waiting.first != nil && !l.resting()
	}
	return l.read != nil && l.train.pending()
}

// announce is called once a turn while announces.
func (l *Listener) announce() {
	loop := l.loop
	switch {
	case l.err != nil:
		if l.read != nil && !l.readEnded {
			l.read()
		}
		if l.loop == loop && l.write != nil && !l.writeEnded && !l.set.demux {
			l.write()
		}
	case l.set.demux:
		if l.train.pending() {
			l.takeTurn()
		}
		if l.read != nil && l.waiting.first != nil && !l.resting() {
			l.read()
		}
	case l.read != nil && l.train.pending():
		l.read()
	}
	if l.loop == loop && loop != nil && l.announces() {
		loop.Defer(&l.notice)
	}
}

// ready is called by the loop.
func (l *Listener) ready(r event.Ready) {
	loop := l.loop
	if r&event.Write != 0 {
		l.blocked = false
	}
	if r&event.Read != 0 {
		switch {
		case l.set.demux:
			l.takeTurn()
		case l.read != nil && !l.train.pending(): // else announce does it
			l.read()
		}
	}
	if r&event.Write == 0 || l.loop != loop || l.fd < 0 {
		return
	}
	if l.set.demux {
		l.wake()
	} else if l.write != nil {
		l.write()
	}
}
