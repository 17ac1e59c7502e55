package unix_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
)

func listener(e *friotest.Env, path, lines string) *friotest.Probe {
	e.Helper()
	return e.ParseText(nil, "listen", fmt.Sprintf("listen x {\nprotocol = unix\nunix {\nfilename = %q\n%s}\n}\n", path, lines))
}

func TestModeIsExactUnderAnyUmask(t *testing.T) {
	for _, sim := range []bool{false, true} {
		for _, umask := range []int{0, 022, 077, 0777} {
			for _, mode := range []uint32{0600, 0660, 0666, 0777, 0} {
				t.Run(fmt.Sprintf("sim=%v/umask=%03o/mode=%03o", sim, umask, mode), func(t *testing.T) {
					e := friotest.NewEnv(t, sim, 1)
					if sim {
						e.Host().SetUmask(uint32(umask))
					} else {
						old := syscall.Umask(umask)
						defer syscall.Umask(old)
					}
					l := listener(e, e.Place.File, fmt.Sprintf("mode = %04o\n", mode))
					if err := l.Open(); err != nil {
						t.Fatal(err)
					}
					f, err := e.Kernel.Lstat(e.Place.File)
					if err != nil || f.Mode != mode {
						t.Errorf("mode %04o, %v, want %04o", f.Mode, err, mode)
					}
				})
			}
		}
	}
}

func TestDefaultModeIsForTheOwner(t *testing.T) {
	e := friotest.NewEnv(t, false, 1)
	l := listener(e, e.Place.File, "")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	if f, err := e.Kernel.Lstat(e.Place.File); err != nil || f.Mode != 0600 {
		t.Errorf("mode %04o, %v, want 0600", f.Mode, err)
	}
}

func TestOwnerIsExact(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listener(e, e.Place.File, "uid = 1234\ngid = 5678\nmode = 0660\n")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	f, err := e.Kernel.Lstat(e.Place.File)
	if err != nil || f.UID != 1234 || f.GID != 5678 || f.Mode != 0660 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	for _, sim := range []bool{false, true} {
		e := friotest.NewEnv(t, sim, 1)
		k := e.Kernel
		// A process that died leaves its file: a bound socket closed without unlink.
		fd, err := k.Socket(sock.Local, frio.Stream)
		if err == nil {
			err = k.Bind(fd, sock.Addr{Path: e.Place.File})
		}
		if err != nil {
			t.Fatal(err)
		}
		k.Close(fd)
		old, _ := k.Lstat(e.Place.File)
		l := listener(e, e.Place.File, "")
		if err := l.Open(); err != nil {
			t.Fatal(err)
		}
		if now, err := k.Lstat(e.Place.File); err != nil || !now.Socket {
			t.Errorf("%+v after %+v, %v", now, old, err)
		}
		l.Close()
		if _, err := k.Lstat(e.Place.File); err != syscall.ENOENT {
			t.Errorf("after close: %v, want no file", err)
		}
	}
}

func TestLiveSocketIsRefused(t *testing.T) {
	for _, sim := range []bool{false, true} {
		for _, kinds := range []string{"stream stream", "stream datagram", "datagram stream", "datagram datagram"} {
			t.Run(fmt.Sprintf("sim=%v/%s", sim, kinds), func(t *testing.T) {
				var first, second string
				fmt.Sscan(kinds, &first, &second)
				e := friotest.NewEnv(t, sim, 1)
				a := listener(e, e.Place.File, "type = "+first+"\n")
				if err := a.Open(); err != nil {
					t.Fatal(err)
				}
				b := listener(e, e.Place.File, "type = "+second+"\n")
				if err := b.Open(); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "somebody listens on it") {
					t.Errorf("open: %v", err)
				}
				b.Close()
				if _, err := e.Kernel.Lstat(e.Place.File); err != nil {
					t.Errorf("the refused one took the file away: %v", err)
				}
				if first == "stream" {
					if _, err := a.Accept(nil); err != frio.ErrAgain {
						t.Errorf("the live one noticed: %v", err)
					}
				}
			})
		}
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	k := e.Host()
	k.AddFile("/run/foreign.sock", sock.File{Socket: true, UID: 4321, Mode: 0666})
	k.AddFile("/run/plain", sock.File{UID: 0, Mode: 0644})
	for path, want := range map[string]error{"/run/foreign.sock": syscall.EPERM, "/run/plain": syscall.ENOTSOCK} {
		l := listener(e, path, "")
		if err := l.Open(); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
		l.Close()
		if _, err := k.Lstat(path); err != nil {
			t.Errorf("%s is gone: %v", path, err)
		}
	}
}

func TestSomebodyElsesFileIsNotRemovedAtClose(t *testing.T) {
	e := friotest.NewEnv(t, false, 1)
	l := listener(e, e.Place.File, "")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(e.Place.File); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.Place.File, nil, 0600); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Stat(e.Place.File); err != nil {
		t.Errorf("the other file is gone: %v", err)
	}
}

func TestPeercred(t *testing.T) {
	cases := []struct {
		name, lines string
		uid, gid    uint32
		want        bool
	}{
		{"none", "", 1000, 1000, true},
		{"uid", "uid = 1000", 1000, 7, true},
		{"other uid", "uid = 1000", 1001, 7, false},
		{"root is no exception", "uid = 1000", 0, 0, false},
		{"uid 0", "uid = 0", 0, 7, true},
		{"uid 0 is enforced", "uid = 0", 1000, 0, false},
		{"gid 0 is enforced", "gid = 0", 0, 1000, false},
		{"both 0 are enforced", "uid = 0\ngid = 0", 1000, 1000, false},
		{"both must match", "uid = 1000\ngid = 1000", 1000, 7, false},
		{"both match", "uid = 1000\ngid = 1000", 1000, 1000, true},
		{"one of a list", "uid = 5\nuid = 1000", 1000, 1000, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := friotest.NewEnv(t, true, 1)
			l := listener(e, "/run/x.sock", "mode = 0666\npeercred {\n"+c.lines+"\n}\n")
			if err := l.Open(); err != nil {
				t.Fatal(err)
			}
			e.Host().SetUser(c.uid, c.gid, 77)
			k := e.Kernel
			fd, err := k.Socket(sock.Local, frio.Stream)
			if err == nil {
				err = k.Connect(fd, sock.Addr{Path: "/run/x.sock"})
			}
			if err != nil {
				t.Fatal(err)
			}
			child, err := l.Accept(nil)
			if (err == nil) != c.want {
				t.Fatalf("accept: %v, want %v", err, c.want)
			}
			if c.want {
				id := child.IO.(frio.Peer).PeerIdentity()
				if id == nil || !id.HasCred || id.UID != c.uid || id.GID != c.gid || id.PID != 77 {
					t.Errorf("identity %+v", id)
				}
			} else if n, err := k.Recv(fd, make([]byte, 1)); n != 0 || err == frio.ErrAgain {
				t.Errorf("the refused peer: %d, %v, want an end", n, err)
			}
			k.Close(fd)
		})
	}
}

func TestAbstractName(t *testing.T) {
	for _, sim := range []bool{false, true} {
		e := friotest.NewEnv(t, sim, 1)
		name := fmt.Sprintf("@frio-test-%d", os.Getpid())
		l := listener(e, name, "")
		if err := l.Open(); err != nil {
			t.Fatal(err)
		}
		if got := l.IO.Describe(); got != "unix "+name {
			t.Errorf("describe %q", got)
		}
		c := e.ParseText(nil, "client", fmt.Sprintf("home_server x {\nprotocol = unix\nunix {\nfilename = %q\n}\n}\n", name))
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		child := e.AcceptFrom(l, nil)
		e.Send(c, []byte("hello"))
		e.Expect(child, []byte("hello"))
		second := listener(e, name, "")
		if err := second.Open(); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second listener: %v", err)
		}
	}
}

func TestDatagramAnswersItsSender(t *testing.T) {
	for _, sim := range []bool{false, true} {
		e := friotest.NewEnv(t, sim, 1)
		l := listener(e, e.Place.File, "type = datagram\n")
		if err := l.Open(); err != nil {
			t.Fatal(err)
		}
		clients := make([]*friotest.Probe, 3)
		for i := range clients {
			clients[i] = e.ParseText(nil, "client",
				fmt.Sprintf("home_server x {\nprotocol = unix\nunix {\nfilename = %q\ntype = datagram\n}\n}\n", e.Place.File))
			if err := clients[i].Connect(); err != nil {
				t.Fatal(err)
			}
			e.Send(clients[i], []byte{'a' + byte(i)})
		}
		for range clients {
			buf := make([]byte, 10)
			var n int
			e.Until("a datagram", func() (ok bool) {
				var err error
				n, err = l.Read(buf)
				return err == nil
			})
			e.Send(l, append(buf[:n], '!'))
		}
		for i, c := range clients {
			e.Expect(c, []byte{'a' + byte(i), '!'})
		}
	}
}

func TestDatagramToAnUnnamedSender(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listener(e, e.Place.File, "type = datagram\n")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	k := e.Kernel
	fd, err := k.Socket(sock.Local, frio.Datagram)
	if err == nil {
		_, err = k.SendTo(fd, []byte("who am I"), sock.Addr{Path: e.Place.File})
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	var bad *frio.PacketError
	if _, err := l.Write([]byte("x")); !errors.As(err, &bad) {
		t.Errorf("write: %v, want a PacketError", err)
	}
	if l.State() != frio.StateListening {
		t.Errorf("state %v", l.State())
	}
	k.Close(fd)
}

func TestSocketPaths(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	path := e.Place.File
	check := func(one *friotest.Probe, local, remote string) {
		t.Helper()
		if l, r := one.IO.(frio.PathAddresser).SocketPaths(); l != local || r != remote {
			t.Errorf("%s: %q and %q, want %q and %q", one.Describe(), l, r, local, remote)
		}
	}
	for _, kind := range []string{"stream", "datagram"} {
		l, c := listener(e, path, "type = "+kind+"\n"), e.ParseText(nil, "home_server", fmt.Sprintf("home_server x {\nprotocol = unix\nunix {\nfilename = %q\ntype = %s\n}\n}\n", path, kind))
		if err := l.Open(); err != nil {
			t.Fatal(err)
		}
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		check(l, path, "")
		check(c, "", path)
		if kind == "stream" {
			child, err := l.Accept(nil)
			if err != nil {
				t.Fatal(err)
			}
			check(child, path, "")
			child.Close()
		}
		c.Close()
		l.Close()
	}
}

func TestConfigMistakes(t *testing.T) {
	long := "/" + strings.Repeat("x", 200)
	cases := []struct{ lines, want string }{
		{"", "filename"},
		{"filename = \"\"", "conf:4:1"},
		{"filename = " + long, "are above 103"},
		{"filename = @x\nmode = 0600", "conf:5:"},
		{"filename = /run/x\nmode = 0999", "conf:5:"},
		{"filename = /run/x\ntype = packets", "conf:5:"},
		{"filename = /run/x\ntype = datagram\nbacklog = 5", "backlog: a datagram socket has none"},
		{"filename = /run/x\ntype = datagram\npeercred {\nuid = 0\n}", "peercred: a datagram socket"},
	}
	for _, c := range cases {
		e := friotest.NewEnv(t, true, 1)
		err := parseError(e, "listen x {\nprotocol = unix\nunix {\n"+c.lines+"\n}\n}\n")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.lines, err, c.want)
		}
	}
}

// parseError parses text and returns what was wrong.
func parseError(e *friotest.Env, text string) error {
	root, err := conf.ParseString("conf", text, conf.Options{})
	if err != nil {
		return err
	}
	ctx := e.Context(nil, "mistake")
	defer ctx.Free()
	_, err = frio.Parse(ctx, root.Sections("listen")[0])
	return err
}

// A socket that was to go on with another, and does not, leaves the file to that one, which removes it.
func TestInheritTakenBack(t *testing.T) {
	for _, lines := range []string{"", "type = datagram\n"} {
		e := friotest.NewEnv(t, false, 1)
		first, second := listener(e, e.Place.File, lines), listener(e, e.Place.File, lines)
		if err := first.Open(); err != nil {
			t.Fatal(err)
		}
		for _, from := range []frio.IO{first.IO, nil} {
			if _, err := second.IO.(frio.Heir).Inherit(from); (err != nil) != (from == nil) {
				t.Fatal(err)
			}
		}
		first.Close()
		if _, err := e.Kernel.Lstat(e.Place.File); err != syscall.ENOENT {
			t.Errorf("%q: the file: %v", lines, err)
		}
		second.Close()
	}
}
