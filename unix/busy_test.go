package unix_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// A full backlog is no refusal: the connection comes up when somebody is accepted, with a loop and without one.
func TestConnectWaitsForABusyListener(t *testing.T) {
	for _, onSim := range []bool{false, true} {
		for _, loop := range []bool{false, true} {
			t.Run(fmt.Sprintf("sim=%v/loop=%v", onSim, loop), func(t *testing.T) {
				e := friotest.NewEnv(t, onSim, 1)
				l := listener(e, e.Place.File, "backlog = 1\n")
				if err := l.Open(); err != nil {
					t.Fatal(err)
				}
				var fds []int
				for full := false; !full; {
					fd, err := e.Kernel.Socket(sock.Local, frio.Stream)
					if err != nil {
						t.Fatal(err)
					}
					fds = append(fds, fd)
					switch err := e.Kernel.Connect(fd, sock.Addr{Path: e.Place.File}); err {
					case nil:
					case syscall.ENOBUFS:
						full = true
					default:
						t.Fatal(err)
					}
				}
				c := e.ParseText(nil, "client", fmt.Sprintf("home_server x {\nprotocol = unix\nunix {\nfilename = %q\n}\n}\n", e.Place.File))
				if loop {
					c.Wish(nil, nil, func() {})
				}
				if err := c.Connect(); err != frio.ErrAgain {
					t.Fatalf("connect: %v, want ErrAgain", err)
				}
				e.Spin(3)
				if s := c.State(); s != frio.StateConnecting {
					t.Fatalf("state %v while the backlog is full", s)
				}
				for {
					if _, err := l.Accept(nil); err == frio.ErrAgain {
						break
					} else if err != nil {
						t.Fatal(err)
					}
				}
				e.Until("the connection is up", func() bool {
					if !loop {
						if err := c.Connect(); err != nil && err != frio.ErrAgain {
							t.Fatal(err)
						}
					}
					return c.State() == frio.StateOpen
				})
				for _, fd := range fds {
					e.Kernel.Close(fd)
				}
			})
		}
	}
}

// watchedKernel looks at a file as soon as bind has made it.
type watchedKernel struct {
	*sim.Kernel
	bound []uint32 // modes
}

func (k *watchedKernel) Bind(fd int, a sock.Addr) error {
	err := k.Kernel.Bind(fd, a)
	if f, failed := k.Lstat(a.Path); failed == nil {
		k.bound = append(k.bound, f.Mode)
	}
	return err
}

// Not even for a moment may anybody connect whom the mode, and the owner to be, do not let.
func TestFileIsNeverTooOpen(t *testing.T) {
	for _, kind := range []string{"stream", "datagram"} {
		k := &watchedKernel{Kernel: sim.New(1, sim.Options{}).Host("host")}
		k.SetUmask(0)
		root := talloc.Root("main")
		sock.SetKernel(root, k)
		cs, err := conf.ParseString("t", "listen x {\nprotocol = unix\nunix {\nfilename = /run/x\nmode = 0660\ntype = "+kind+"\n}\n}\n", conf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := frio.Parse(root, cs.Sections("listen")[0])
		if err == nil {
			err = l.Open()
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(k.bound) != 1 || k.bound[0]&^0600 != 0 {
			t.Errorf("%s: modes after bind %04o, want one within 0600", kind, k.bound)
		}
		if f, err := k.Lstat("/run/x"); err != nil || f.Mode != 0660 {
			t.Errorf("%s: mode %04o, %v, want 0660", kind, f.Mode, err)
		}
		l.Close()
		root.Free()
	}
}
