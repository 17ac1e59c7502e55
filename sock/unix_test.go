package sock_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
	"golang.org/x/sys/unix"
)

func TestLocalStream(t *testing.T) {
	for name, path := range map[string]string{
		"file":     socketPath(t),
		"abstract": fmt.Sprintf("@frio-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			addr := sock.Addr{Path: path}
			l, own := listener(t, sock.Local, addr)
			if own != addr {
				t.Fatalf("bound to %v", own)
			}
			client := socket(t, sock.Local, frio.Stream)
			must(t, kernel.Connect(client, addr))
			must(t, kernel.Connected(client))
			must(t, kernel.Connect(client, addr))
			server, peer := accept(t, l)
			if peer != (sock.Addr{}) {
				t.Errorf("an unnamed peer is %v", peer)
			}
			if remote, err := kernel.RemoteAddr(client); remote != addr || err != nil {
				t.Error(remote, err)
			}
			for _, fd := range []int{client, server} {
				c, err := kernel.PeerCred(fd)
				must(t, err)
				if c != (sock.Cred{UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), PID: int32(os.Getpid())}) {
					t.Errorf("peer %+v", c)
				}
			}
			if _, err := kernel.Send(client, []byte("x")); err != nil {
				t.Error(err)
			}
			buf := make([]byte, 8)
			if n, err := kernel.Recv(server, buf); n != 1 || err != nil {
				t.Error(n, err)
			}
		})
	}
}

func TestLocalNames(t *testing.T) {
	file := func(n int) string { return "/tmp/" + strings.Repeat("x", n-5) }
	for _, c := range []struct {
		name string
		path string
		want error
	}{
		{"zero byte", "/tmp/a\x00b", syscall.EINVAL},
		{"file of 108 bytes", file(108), syscall.ENAMETOOLONG},
		{"abstract of 108 bytes", "@" + strings.Repeat("x", 108), syscall.ENAMETOOLONG},
		{"no directory", "/nowhere/at/all", syscall.ENOENT},
	} {
		fd := socket(t, sock.Local, frio.Stream)
		want(t, c.name, kernel.Bind(fd, sock.Addr{Path: c.path}), c.want)
	}
	inet4 := socket(t, sock.Inet4, frio.Stream)
	want(t, "no name for an Internet socket", kernel.Bind(inet4, sock.Addr{}), syscall.EINVAL)
	want(t, "no name to connect to", kernel.Connect(socket(t, sock.Local, frio.Stream), sock.Addr{}), syscall.EINVAL)
	t.Chdir(t.TempDir())
	for _, path := range []string{
		strings.Repeat("x", 107),
		"@" + strings.Repeat("y", 107),
		fmt.Sprintf("@with\x00zero-%d", os.Getpid()),
		"./@file",
	} {
		_, own := bound(t, sock.Local, frio.Datagram, sock.Addr{Path: path})
		if own.Path != path {
			t.Errorf("%q became %q", path, own.Path)
		}
	}
	if _, err := os.Lstat("@file"); err != nil {
		t.Error(err)
	}
}

func TestLocalBacklogFull(t *testing.T) {
	addr := sock.Addr{Path: socketPath(t)}
	l, _ := bound(t, sock.Local, frio.Stream, addr)
	must(t, kernel.Listen(l, 1))
	for count := 0; ; count++ {
		fd := socket(t, sock.Local, frio.Stream)
		err := kernel.Connect(fd, addr)
		if err == nil && count < 10 {
			continue
		}
		want(t, "full backlog", err, syscall.ENOBUFS)
		want(t, "nothing on its way", kernel.Connected(fd), syscall.ENOTCONN)
		accept(t, l)
		must(t, kernel.Connect(fd, addr))
		return
	}
}

func TestLocalConnectFails(t *testing.T) {
	path := socketPath(t)
	fd := socket(t, sock.Local, frio.Stream)
	want(t, "no file", kernel.Connect(fd, sock.Addr{Path: path}), syscall.ENOENT)
	l, _ := listener(t, sock.Local, sock.Addr{Path: path})
	closeNow(t, l)
	want(t, "stale file", kernel.Connect(fd, sock.Addr{Path: path}), syscall.ECONNREFUSED)
	want(t, "file in use", kernel.Bind(fd, sock.Addr{Path: path}), syscall.EADDRINUSE)
	_, err := kernel.PeerCred(fd)
	want(t, "credentials of nobody", err, syscall.ENOTCONN)
}

func TestLocalDatagram(t *testing.T) {
	server, addr := bound(t, sock.Local, frio.Datagram, sock.Addr{Path: socketPath(t)})
	client, clientAddr := bound(t, sock.Local, frio.Datagram, sock.Addr{Path: socketPath(t)})
	buf := make([]byte, 64)
	_, _, err := kernel.RecvFrom(server, buf)
	want(t, "nothing there", err, syscall.EAGAIN)
	for _, data := range []string{"one", "", "three"} {
		if n, err := kernel.SendTo(client, []byte(data), addr); n != len(data) || err != nil {
			t.Fatal(n, err)
		}
		n, from, err := kernel.RecvFrom(server, buf)
		if string(buf[:n]) != data || from != clientAddr || err != nil {
			t.Errorf("%q from %v, %v", buf[:n], from, err)
		}
	}
	// Too long: lost, and its sender known.
	_, err = kernel.SendTo(client, buf, addr)
	must(t, err)
	n, from, err := kernel.RecvFrom(server, buf[:8])
	if n != 0 || from != clientAddr || err != syscall.EMSGSIZE {
		t.Error(n, from, err)
	}
	// Connected, and in batches.
	must(t, kernel.Connect(client, addr))
	packets := []frio.Packet{{Data: []byte("four")}, {Data: []byte("four")}, {Data: []byte("six")}}
	count, err := kernel.SendPackets(client, packets)
	if count != 3 || err != nil {
		t.Fatal(count, err)
	}
	for i, p := range recvPackets(t, server, 3, 64) {
		if string(p.Data) != string(packets[i].Data) || p.Remote.IsValid() || p.Err != nil {
			t.Errorf("%d: %q from %v, %v", i, p.Data, p.Remote, p.Err)
		}
	}
	noneLeft(t, server)
	// A receiver that is gone.
	closeNow(t, server)
	_, err = kernel.Send(client, []byte("x"))
	if c := sock.Classify(sock.OpWriteDatagram, err); c != sock.ClassPacket {
		t.Errorf("%v is %v", err, c)
	}
}

// TestLocalReceiverFull: the socket stays writable while the receiver is full, so EAGAIN would make a loop spin.
func TestLocalReceiverFull(t *testing.T) {
	_, addr := bound(t, sock.Local, frio.Datagram, sock.Addr{Path: socketPath(t)})
	client := socket(t, sock.Local, frio.Datagram)
	for count := 0; ; count++ {
		_, err := kernel.SendTo(client, []byte("x"), addr)
		if err == nil && count < 100_000 {
			continue
		}
		want(t, "full receiver", err, syscall.ENOBUFS)
		break
	}
	fds := []unix.PollFd{{Fd: int32(client), Events: unix.POLLOUT}}
	if n, err := unix.Poll(fds, 0); n != 1 || err != nil {
		t.Errorf("not writable: %d, %v", n, err)
	}
}

// TestPushedDescriptorsAreClosed: a peer must not be able to fill our descriptor table.
func TestPushedDescriptorsAreClosed(t *testing.T) {
	server, addr := bound(t, sock.Local, frio.Datagram, sock.Addr{Path: socketPath(t)})
	client := socket(t, sock.Local, frio.Datagram)
	must(t, kernel.Connect(client, addr))
	count := func() int {
		names, err := os.ReadDir("/dev/fd")
		must(t, err)
		return len(names)
	}
	before := count()
	rights := unix.UnixRights(client, server, client)
	for _, read := range []func() error{
		func() error { _, err := kernel.Recv(server, make([]byte, 8)); return err },
		func() error { _, _, err := kernel.RecvFrom(server, make([]byte, 8)); return err },
		func() error {
			_, err := kernel.RecvPackets(server, []frio.Packet{{Data: make([]byte, 0, 8)}})
			return err
		},
		func() error { _, err := kernel.RecvTrain(server, &frio.Packet{Data: make([]byte, 0, 8)}); return err },
	} {
		must(t, unix.Sendmsg(client, []byte("x"), rights, nil, 0))
		must(t, read())
		if after := count(); after != before {
			t.Errorf("%d descriptors became %d", before, after)
		}
	}
}

func TestSocketFile(t *testing.T) {
	for _, umask := range []int{0, 0o777} {
		t.Run(fmt.Sprintf("umask %03o", umask), func(t *testing.T) {
			path := socketPath(t)
			fd := socket(t, sock.Local, frio.Stream)
			old := unix.Umask(umask)
			defer unix.Umask(old)
			must(t, kernel.SetMode(fd, 0o600))
			must(t, kernel.Bind(fd, sock.Addr{Path: path}))
			f, err := kernel.Lstat(path)
			must(t, err)
			if !f.Socket || f.UID != kernel.Getuid() || f.Mode != uint32(0o600&^umask) || f.Inode == 0 {
				t.Fatalf("%+v", f)
			}
			must(t, kernel.SetFile(path, f, -1, -1, 0o664))
			got, err := kernel.Lstat(path)
			must(t, err)
			if want := f; got.Mode != 0o664 || got.UID != want.UID || got.GID != want.GID || got.Inode != want.Inode {
				t.Errorf("%+v", got)
			}
			other := f
			other.Inode++
			want(t, "another inode", kernel.SetFile(path, other, -1, -1, 0o777), syscall.ESTALE)
			want(t, "another inode", kernel.Unlink(path, other), syscall.ESTALE)
			other = f
			other.Device++
			want(t, "another device", kernel.Unlink(path, other), syscall.ESTALE)
			if got, err := kernel.Lstat(path); err != nil || got.Mode != 0o664 {
				t.Errorf("%+v, %v", got, err)
			}
			must(t, kernel.Unlink(path, f))
			_, err = kernel.Lstat(path)
			want(t, "gone", err, syscall.ENOENT)
			want(t, "unlinked twice", kernel.Unlink(path, f), syscall.ESTALE)
			want(t, "mode of what is gone", kernel.SetFile(path, f, -1, -1, 0o777), syscall.ESTALE)
			want(t, "directory gone", kernel.Unlink(filepath.Join(path, "x"), f), syscall.ESTALE)
		})
	}
}

// TestSocketFileSwapped: a link or a file in the socket's place keeps its mode, and stays.
func TestSocketFileSwapped(t *testing.T) {
	path := socketPath(t)
	_, _ = bound(t, sock.Local, frio.Stream, sock.Addr{Path: path})
	f, err := kernel.Lstat(path)
	must(t, err)
	moved := path + ".moved"
	must(t, os.Rename(path, moved))
	for _, swap := range []struct {
		name string
		make func() error
	}{
		{"a link to the socket", func() error { return os.Symlink(moved, path) }},
		{"a file", func() error { return os.WriteFile(path, nil, 0o600) }},
		{"a directory", func() error { return os.Mkdir(path, 0o700) }},
	} {
		must(t, swap.make())
		before, err := kernel.Lstat(path)
		must(t, err)
		if before.Socket {
			t.Errorf("%s: %+v", swap.name, before)
		}
		for _, meant := range []sock.File{f, before} { // what is no socket is not ours to change, whoever asks
			want(t, swap.name, kernel.SetFile(path, meant, -1, -1, 0o666), syscall.ESTALE)
			want(t, swap.name, kernel.Unlink(path, meant), syscall.ESTALE)
		}
		if after, err := kernel.Lstat(path); after != before || err != nil {
			t.Errorf("%s: %+v became %+v, %v", swap.name, before, after, err)
		}
		must(t, os.Remove(path))
	}
	if after, err := kernel.Lstat(moved); err != nil || after.Mode != f.Mode {
		t.Errorf("the socket became %+v, %v", after, err)
	}
}

// TestSocketFileOwner: outside of a namespace only root may give files away, and only one user is mapped inside, so that
// giving it to oneself is what every user may do, and to another one what root may.
func TestSocketFileOwner(t *testing.T) {
	path := socketPath(t)
	_, _ = bound(t, sock.Local, frio.Stream, sock.Addr{Path: path})
	f, err := kernel.Lstat(path)
	must(t, err)
	must(t, kernel.SetFile(path, f, os.Getuid(), os.Getgid(), 0o606))
	got, err := kernel.Lstat(path)
	must(t, err)
	if got.UID != uint32(os.Getuid()) || got.GID != uint32(os.Getgid()) || got.Mode != 0o606 {
		t.Errorf("%+v", got)
	}
	err = kernel.SetFile(path, f, 12345, 54321, 0o660)
	if os.Getuid() != 0 {
		want(t, "giving it away", err, syscall.EPERM)
		return
	}
	must(t, err)
	if got, err := kernel.Lstat(path); err != nil || got.UID != 12345 || got.GID != 54321 || got.Mode != 0o660 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSocketFileWithoutUsers: in a namespace with one user giving a file to another fails, and leaves mode and owner.
func TestSocketFileWithoutUsers(t *testing.T) {
	if !friotest.InNamespace(t, "") {
		return
	}
	path := socketPath(t)
	fd := socket(t, sock.Local, frio.Stream)
	must(t, kernel.SetMode(fd, 0o600))
	must(t, kernel.Bind(fd, sock.Addr{Path: path}))
	f, err := kernel.Lstat(path)
	must(t, err)
	want(t, "an unknown user", kernel.SetFile(path, f, 12345, -1, 0o666), syscall.EINVAL)
	if got, err := kernel.Lstat(path); got != f || err != nil {
		t.Errorf("%+v became %+v, %v", f, got, err)
	}
}
