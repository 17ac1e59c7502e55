package tcp_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// fullKernel is a simulated one whose pollers take no descriptor while full, as at the system's limit of watches.
type fullKernel struct {
	*sim.Kernel
	full bool
}

type fullPoller struct {
	event.Poller
	k *fullKernel
}

func (k *fullKernel) NewPoller() (event.Poller, error) {
	p, err := k.Kernel.NewPoller()
	return &fullPoller{p, k}, err
}

func (p *fullPoller) Add(fd int, id uint64, want event.Ready) error {
	if p.k.full {
		return syscall.ENOSPC
	}
	return p.Poller.Add(fd, id, want)
}

// A connection that cannot go on because the poller is full says so by its callbacks: nobody waits for it for ever.
func TestPollerFull(t *testing.T) {
	w := sim.New(1, sim.Options{})
	k := &fullKernel{Kernel: w.Host("host")}
	w.SetLink(k.Kernel, k.Kernel, sim.Link{DelayMin: time.Millisecond, DelayMax: time.Millisecond})
	root := talloc.Root("main")
	defer root.Free()
	sock.SetKernel(root, k)
	loop, err := event.New(root, k, event.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	listening, err := k.Socket(sock.Inet4, frio.Stream)
	if err == nil {
		err = k.Bind(listening, sock.Addr{AddrPort: netip.MustParseAddrPort("127.0.0.1:7000")})
	}
	if err == nil {
		err = k.Listen(listening, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	client := func() frio.IO {
		cs, err := conf.ParseString("t", "home_server x {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 7000\n}\n}\n", conf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		io, err := frio.Parse(root, cs.Sections("home_server")[0])
		if err != nil {
			t.Fatal(err)
		}
		return io
	}
	turns := func(count int) {
		for range count {
			if err := loop.Turn(0); err != nil {
				t.Fatal(err)
			}
			w.Advance(time.Millisecond)
		}
	}
	told := 0
	var ended error
	c := client()
	if err := c.Event(loop, nil, func() {
		told++
		ended = c.Connect()
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.Connect(); err != frio.ErrAgain {
		t.Fatalf("connect: %v", err)
	}
	k.full = true // after the attempt is watched, before the connection is
	turns(20)
	if !errors.Is(ended, syscall.ENOSPC) || told != 1 {
		t.Errorf("told %d times, last %v; want once, ENOSPC", told, ended)
	}
	c.Close()

	// Output that has to wait cannot: the same.
	k.full = false
	c = client()
	for err = c.Connect(); err == frio.ErrAgain; err = c.Connect() {
		w.Advance(time.Millisecond)
	}
	told = 0
	var readEnd error
	if err = errors.Join(err, c.Event(loop, nil, nil)); err != nil {
		t.Fatal(err)
	}
	for err = nil; err == nil; {
		_, err = c.Write(make([]byte, 64<<10))
	}
	c.(frio.Corker).Cork()
	if _, err := c.Write([]byte("corked")); err != nil {
		t.Fatal(err)
	}
	k.full = true
	if err := c.(frio.Corker).Uncork(); err != nil {
		t.Fatal(err)
	}
	err = c.Event(loop, func() { told++; _, readEnd = c.Read(make([]byte, 1)) }, nil)
	turns(5)
	if err != nil || told != 1 || !errors.Is(readEnd, syscall.ENOSPC) {
		t.Errorf("event %v, told %d times, read %v; want once, ENOSPC", err, told, readEnd)
	}
	c.Close()
	k.Close(listening)
	w.Advance(time.Hour)
}
