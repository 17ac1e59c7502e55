package sim_test

import (
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
)

func TestUsers(t *testing.T) {
	_, k, other := two(1, sim.Options{})
	k.SetUser(1000, 100, 77)
	k.SetUmask(0o077)
	l := open(t, k, sock.Local, frio.Stream)
	path := sock.Addr{Path: "/run/frio.sock"}
	wantErr(t, "low port", k.Bind(open(t, k, sock.Inet4, frio.Datagram), at(lo4, 53)), syscall.EACCES)
	check(t, k.SetMode(l, 0o770))
	check(t, k.Bind(l, path))
	check(t, k.Listen(l, 8))
	f, err := k.Lstat(path.Path)
	if err != nil || f.UID != 1000 || f.GID != 100 || f.Mode != 0o700 || !f.Socket {
		t.Errorf("file %+v, %v", f, err)
	}
	_, err = other.Lstat(path.Path)
	wantErr(t, "another host's files", err, syscall.ENOENT)
	wantErr(t, "give it away", k.SetFile(path.Path, f, 0, -1, 0o777), syscall.EPERM)
	connect := func(uid, gid uint32) error {
		k.SetUser(uid, gid, int32(uid)+1)
		return k.Connect(open(t, k, sock.Local, frio.Stream), path)
	}
	wantErr(t, "other user", connect(1001, 100), syscall.EACCES)
	wantErr(t, "somebody else's file", k.SetFile(path.Path, f, -1, -1, 0o777), syscall.EPERM)
	k.SetUser(1000, 100, 77)
	check(t, k.SetFile(path.Path, f, -1, -1, 0o620))
	wantErr(t, "group", connect(1001, 100), nil)
	wantErr(t, "other group", connect(1001, 101), syscall.EACCES)
	wantErr(t, "root", connect(0, 0), nil)
	for _, uid := range []uint32{1001, 0} {
		fd, _, err := k.Accept(l)
		check(t, err)
		cred, err := k.PeerCred(fd)
		if err != nil || cred.UID != uid || cred.PID != int32(uid)+1 {
			t.Errorf("peer %+v, %v", cred, err)
		}
	}
	if k.Getuid() != 0 {
		t.Error("uid")
	}
	check(t, k.SetFile(path.Path, f, 5, 6, 0o600))
	if f, _ = k.Lstat(path.Path); f.UID != 5 || f.GID != 6 || f.Mode != 0o600 {
		t.Errorf("file %+v", f)
	}
}

func TestFiles(t *testing.T) {
	_, k, _ := two(1, sim.Options{})
	k.AddFile("/run/plain", sock.File{Mode: 0o666})
	k.AddFile("/run/stale", sock.File{Socket: true, UID: 7, Mode: 0o777})
	fd := open(t, k, sock.Local, frio.Stream)
	wantErr(t, "no socket", k.Connect(fd, sock.Addr{Path: "/run/plain"}), syscall.ECONNREFUSED)
	wantErr(t, "stale", k.Connect(fd, sock.Addr{Path: "/run/stale"}), syscall.ECONNREFUSED)
	wantErr(t, "in the way", k.Bind(fd, sock.Addr{Path: "/run/stale"}), syscall.EADDRINUSE)
	f, err := k.Lstat("/run/plain")
	check(t, err)
	wantErr(t, "never a plain file", k.Unlink("/run/plain", f), syscall.ESTALE)
	f, err = k.Lstat("/run/stale")
	if err != nil || f.UID != 7 {
		t.Errorf("%+v, %v", f, err)
	}
	// Somebody puts another one there between the look and the deed.
	k.AddFile("/run/stale", sock.File{Socket: true})
	wantErr(t, "exchanged", k.Unlink("/run/stale", f), syscall.ESTALE)
	k.RemoveFile("/run/stale")
	wantErr(t, "bind", k.Bind(fd, sock.Addr{Path: "/run/stale"}), nil)
}

func TestWritersHearOfRoom(t *testing.T) {
	_, k, _ := two(1, sim.Options{})
	r := open(t, k, sock.Local, frio.Datagram)
	check(t, k.Bind(r, sock.Addr{Path: "@log"}))
	p := poller(t, k)
	var writers []int
	for i := range 3 {
		fd := open(t, k, sock.Local, frio.Datagram)
		check(t, k.Connect(fd, sock.Addr{Path: "@log"}))
		check(t, p.Add(fd, uint64(i), event.Write))
		writers = append(writers, fd)
	}
	for {
		if _, err := k.Send(writers[0], []byte("x")); err != nil {
			wantErr(t, "full", err, syscall.EAGAIN)
			break
		}
	}
	var batch [4]event.Event
	if n, _ := p.Wait(batch[:], 0); n != 0 {
		t.Errorf("%d are writable though the queue is full", n)
	}
	_, err := k.Recv(r, make([]byte, 8))
	check(t, err)
	if n, _ := p.Wait(batch[:], 0); n != 3 {
		t.Errorf("%d of 3 hear of the room", n)
	}
}

func TestLocalBackPressure(t *testing.T) {
	_, k, _ := two(1, sim.Options{})
	l := open(t, k, sock.Local, frio.Stream)
	check(t, k.Bind(l, sock.Addr{Path: "@x"}))
	check(t, k.Listen(l, 8))
	c := open(t, k, sock.Local, frio.Stream)
	check(t, k.SetOption(c, sock.SendBuff, 4000))
	check(t, k.Connect(c, sock.Addr{Path: "@x"}))
	s, _, err := k.Accept(l)
	check(t, err)
	n, err := k.Send(c, make([]byte, 5000))
	if n != 4000 || err != nil {
		t.Errorf("send %d, %v", n, err)
	}
	_, err = k.Send(c, []byte("x"))
	wantErr(t, "full", err, syscall.EAGAIN)
	p := poller(t, k)
	check(t, p.Add(c, 1, event.Write))
	var batch [1]event.Event
	for _, step := range []struct{ read, ready int }{{2900, 0}, {200, 1}} {
		_, err = k.Recv(s, make([]byte, step.read))
		check(t, err)
		if n, _ := p.Wait(batch[:], 0); n != step.ready {
			t.Errorf("after %d bytes more: %d events", step.read, n)
		}
	}
	check(t, k.Abort(c))
	_, err = k.Recv(s, make([]byte, 8000))
	check(t, err)
	_, err = k.Recv(s, make([]byte, 8))
	wantErr(t, "aborted", err, syscall.ECONNRESET)
}
