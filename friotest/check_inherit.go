package friotest

import (
	"errors"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

// heirOf is what p stands on, if that can go on with another's socket.
func heirOf(p *Probe) (heir frio.Heir, socket frio.IO) {
	socket = frio.Socket(p.IO)
	heir, _ = socket.(frio.Heir)
	return heir, socket
}

// checkInherit: who goes on with a listener's socket has its address without a moment between, and opens one descriptor, which is gone with it.
func checkInherit(e *Env) {
	before := e.world.descriptors()
	first := e.Listener(Options{})
	one := e.world.descriptors() - before
	place := e.Place
	place.Port = e.Port(first)
	second := e.ParseText(nil, "second listener", e.listenText(place, ""))
	heir, _ := heirOf(second)
	if heir == nil {
		return
	}
	_, from := heirOf(first)
	if _, err := heir.Inherit(e.ParseListener(Options{}).IO); !errors.Is(err, errors.ErrUnsupported) {
		e.Errorf("Inherit of a listener that is not open: %v", err)
	}
	shared, err := heir.Inherit(from)
	if _, can := e.Kernel.(sock.Duplicator); !can {
		if !errors.Is(err, errors.ErrUnsupported) {
			e.Errorf("Inherit on a kernel that cannot duplicate: %v", err)
		}
		return
	}
	if err != nil {
		e.Fatalf("Inherit: %v", err)
	}
	// It may be taken back.
	if _, err := heir.Inherit(nil); !errors.Is(err, errors.ErrUnsupported) {
		e.Errorf("Inherit of nobody: %v", err)
	}
	if n := e.world.descriptors() - before; n != one {
		e.Errorf("%d descriptors after it was taken back, want %d", n, one)
	}
	if _, err := heir.Inherit(from); err != nil {
		e.Fatalf("Inherit once more: %v", err)
	}
	open := func() {
		if err := second.Open(); err != nil {
			e.Fatalf("Open: %v", err)
		}
	}
	if !shared {
		open()
	}
	first.Close()
	stranger := e.ParseText(nil, "stranger", e.listenText(place, ""))
	if err := stranger.Open(); err == nil {
		e.Errorf("the address is free for a moment")
	}
	stranger.Close()
	if shared {
		open()
	}
	if _, err := heir.Inherit(from); !errors.Is(err, errors.ErrUnsupported) {
		e.Errorf("Inherit when it is open: %v", err)
	}
	p := e.Join(second, Options{})
	e.Send(p.Client, []byte("to the heir"))
	e.Expect(p.Server, []byte("to the heir"))
	p.Client.Close()
	if e.Target.Children {
		p.Server.Close()
	}
	second.Close()
	other := e.ParseText(nil, "third listener", e.listenText(place, ""))
	if err := other.Open(); err != nil {
		e.Errorf("the address is not free when the heir has closed: %v", err)
	}
	other.Close()
	third := e.ParseText(nil, "fourth listener", e.listenText(place, ""))
	if heir, _ := heirOf(third); heir != nil {
		last := e.ParseText(nil, "fifth listener", e.listenText(place, ""))
		if err := last.Open(); err != nil {
			e.Fatalf("Open: %v", err)
		}
		_, from := heirOf(last)
		if _, err := heir.Inherit(from); err != nil {
			e.Fatalf("Inherit: %v", err)
		}
		last.Close()
		third.Close() // with what it has not taken
	}
}
