package sock_test

import (
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
	"golang.org/x/sys/unix"
)

func TestStream(t *testing.T) {
	forFamilies(t, func(t *testing.T, f family) {
		l, own := listener(t, f.family, f.addr(0))
		if own.AddrPort.Port() == 0 || own.AddrPort.Addr().String() != f.loopback {
			t.Fatalf("bound to %v", own)
		}
		_, _, err := kernel.Accept(l)
		want(t, "accept of nothing", err, syscall.EAGAIN)
		client := socket(t, f.family, frio.Stream)
		if err := kernel.Connect(client, own); err != nil && err != syscall.EAGAIN {
			t.Fatal(err)
		}
		await(t, client, unix.POLLOUT)
		must(t, kernel.Connected(client))
		for range 3 {
			must(t, kernel.Connect(client, own)) // 0, then EISCONN
		}
		server, peer := accept(t, l)
		clientAddr, err := kernel.LocalAddr(client)
		must(t, err)
		if peer != clientAddr {
			t.Errorf("peer %v, the client is at %v", peer, clientAddr)
		}
		if remote, err := kernel.RemoteAddr(client); err != nil || remote != own {
			t.Errorf("remote %v, %v, want %v", remote, err, own)
		}
		twin, err := kernel.(sock.Duplicator).Duplicate(server)
		must(t, err)
		defer kernel.Close(twin)
		for what, fd := range map[string]int{"socket": client, "accepted": server, "duplicate": twin} {
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			must(t, err)
			exec, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			must(t, err)
			if flags&unix.O_NONBLOCK == 0 || exec&unix.FD_CLOEXEC == 0 {
				t.Errorf("%s: flags %#x and %#x", what, flags, exec)
			}
		}

		buf := make([]byte, 64)
		_, err = kernel.Recv(server, buf)
		want(t, "nothing to read", err, syscall.EAGAIN)
		for _, part := range []string{"one ", "two"} {
			if n, err := kernel.Send(client, []byte(part)); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		await(t, server, unix.POLLIN)
		if n, err := kernel.Recv(server, buf); string(buf[:n]) != "one two" || err != nil {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		must(t, kernel.CloseWrite(client))
		await(t, server, unix.POLLIN)
		for range 2 {
			if n, err := kernel.Recv(server, buf); n != 0 || err != nil {
				t.Fatalf("end: %d, %v", n, err)
			}
		}
		// The other direction goes on.
		if n, err := kernel.Send(server, []byte("answer")); n != 6 || err != nil {
			t.Fatal(n, err)
		}
		await(t, client, unix.POLLIN)
		if n, err := kernel.Recv(client, buf); string(buf[:n]) != "answer" || err != nil {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		_, err = kernel.Send(client, []byte("x"))
		want(t, "write after CloseWrite", err, syscall.EPIPE)
	})
}

func TestStreamFills(t *testing.T) {
	client, server := connected(t, sock.Inet4, inet("127.0.0.1", 0))
	chunk, sent := make([]byte, 1<<16), 0
	for i := range chunk {
		chunk[i] = byte(i % 251)
	}
	for {
		n, err := kernel.Send(client, chunk[:min(len(chunk), 251*200)])
		if err != nil {
			want(t, "full", err, syscall.EAGAIN)
			break
		}
		sent += n
		if n%251 != 0 {
			break // full in the middle of a piece: the pattern ends here
		}
	}
	if unsent, err := kernel.Option(client, sock.Unsent); err != nil || unsent <= 0 || unsent > sent {
		t.Errorf("of %d bytes %d are unsent, %v", sent, unsent, err)
	}
	must(t, kernel.CloseWrite(client))
	buf, got := make([]byte, 1<<16), 0
	for {
		await(t, server, unix.POLLIN)
		n, err := kernel.Recv(server, buf)
		must(t, err)
		if n == 0 {
			break
		}
		for i := range n {
			if buf[i] != byte((got+i)%251) {
				t.Fatalf("byte %d is wrong", got+i)
			}
		}
		got += n
	}
	if got != sent {
		t.Errorf("%d of %d bytes came", got, sent)
	}
}

func TestStreamReset(t *testing.T) {
	client, server := connected(t, sock.Inet4, inet("127.0.0.1", 0))
	must(t, unix.SetsockoptLinger(server, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	closeNow(t, server)
	await(t, client, unix.POLLIN)
	_, err := kernel.Recv(client, make([]byte, 8))
	want(t, "reset", err, syscall.ECONNRESET)
}

// TestAcceptAfterReset: the peer has no name any more, but Accept knows it.
func TestAcceptAfterReset(t *testing.T) {
	l, own := listener(t, sock.Inet4, inet("127.0.0.1", 0))
	client, clientAddr := bound(t, sock.Inet4, frio.Stream, inet("127.0.0.1", 0))
	if err := kernel.Connect(client, own); err != nil {
		want(t, "connect", err, syscall.EAGAIN)
	}
	await(t, client, unix.POLLOUT)
	must(t, unix.SetsockoptLinger(client, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	closeNow(t, client)
	child, peer := accept(t, l)
	if peer != clientAddr {
		t.Errorf("peer %v, want %v", peer, clientAddr)
	}
	_, err := kernel.RemoteAddr(child)
	want(t, "remote address", err, syscall.ENOTCONN)
}

func TestConnectRefused(t *testing.T) {
	forFamilies(t, func(t *testing.T, f family) {
		gone, own := bound(t, f.family, frio.Stream, f.addr(0)) // bound, not listening: nobody else gets the port
		_ = gone
		fd := socket(t, f.family, frio.Stream)
		err := kernel.Connect(fd, own)
		if err == syscall.EAGAIN {
			await(t, fd, unix.POLLOUT)
			err = kernel.Connected(fd)
		}
		want(t, "connect", err, syscall.ECONNREFUSED)
		// The reason is told once; what is left is not on its way.
		want(t, "connected", kernel.Connected(fd), syscall.ENOTCONN)
	})
}

func TestConnectNothing(t *testing.T) {
	fd := socket(t, sock.Inet4, frio.Stream)
	want(t, "never connected", kernel.Connected(fd), syscall.ENOTCONN)
	want(t, "no address", kernel.Connect(fd, sock.Addr{}), syscall.EINVAL)
	want(t, "a zone", kernel.Connect(fd, inet("fe80::1%lo", 1)), syscall.EINVAL)
	want(t, "no descriptor", kernel.Connected(-1), syscall.EBADF)
}

func TestMappedAddressIsIPv4(t *testing.T) {
	l, own := listener(t, sock.Inet4, inet("127.0.0.1", 0))
	fd := socket(t, sock.Inet4, frio.Stream)
	if err := kernel.Connect(fd, inet("::ffff:127.0.0.1", own.AddrPort.Port())); err != nil {
		want(t, "connect", err, syscall.EAGAIN)
	}
	_, peer := accept(t, l)
	if !peer.AddrPort.Addr().Is4() {
		t.Errorf("peer %v", peer)
	}
}

func TestBothFamiliesOnOnePort(t *testing.T) {
	if !friotest.InNamespace(t, "ip link set lo up") { // elsewhere the port may be taken
		return
	}
	_, own := listener(t, sock.Inet6, inet("::", 0))
	listener(t, sock.Inet4, inet("0.0.0.0", own.AddrPort.Port()))
	fd := socket(t, sock.Inet4, frio.Stream)
	want(t, "second listener", kernel.Bind(fd, inet("0.0.0.0", own.AddrPort.Port())), syscall.EADDRINUSE)
}

func TestDescriptorsExhausted(t *testing.T) {
	l, own := listener(t, sock.Inet4, inet("127.0.0.1", 0))
	fd := socket(t, sock.Inet4, frio.Stream)
	if err := kernel.Connect(fd, own); err != nil {
		want(t, "connect", err, syscall.EAGAIN)
	}
	await(t, l, unix.POLLIN)
	var old unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}))
	_, _, err := kernel.Accept(l)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	want(t, "accept", err, syscall.EMFILE)
	accept(t, l)
}

// reserving is a listener that clients wait for, and a Kernel that keeps back all descriptors behind next, the lowest that is free.
func reserving(t *testing.T, clients int) (k sock.Kernel, l, next int) {
	t.Helper()
	l, own := listener(t, sock.Inet4, inet("127.0.0.1", 0))
	for range clients {
		fd := socket(t, sock.Inet4, frio.Stream)
		if err := kernel.Connect(fd, own); err != nil {
			want(t, "connect", err, syscall.EAGAIN)
		}
	}
	next, err := kernel.(sock.Duplicator).Duplicate(l)
	must(t, err)
	must(t, kernel.Close(next))
	return sock.Reserving(next + 1), l, next
}

// Accept leaves some descriptors, and what it does not take waits.
func TestDescriptorsReserved(t *testing.T) {
	k, l, next := reserving(t, 3)
	await(t, l, unix.POLLIN)
	first, _, err := k.Accept(l)
	must(t, err)
	second, _, err := k.Accept(l) // its number is kept back, but it is there
	must(t, err)
	if first != next || second != next+1 {
		t.Fatalf("descriptors %d and %d, want %d and the next", first, second, next)
	}
	for range 2 {
		_, _, err = k.Accept(l)
		want(t, "accept into the reserve", err, syscall.EMFILE)
	}
	for range 3 { // what others use
		fd := socket(t, sock.Inet4, frio.Stream)
		if fd < next+2 {
			t.Errorf("descriptor %d is in use", fd)
		}
	}
	must(t, k.Close(first))
	third, _, err := k.Accept(l)
	must(t, err)
	if third != first {
		t.Errorf("descriptor %d, want %d", third, first)
	}
	must(t, k.Close(second))
	must(t, k.Close(third))
}

// The reserve is not used up by connections that come and go: only the one that found it out is in it.
func TestDescriptorsReservedLong(t *testing.T) {
	const clients = 8
	k, l, next := reserving(t, clients)
	accept := func() int {
		await(t, l, unix.POLLIN)
		fd, _, err := k.Accept(l)
		must(t, err)
		return fd
	}
	first := accept()
	kept := accept()
	for range clients - 3 {
		must(t, k.Close(first))
		if first = accept(); first != next {
			t.Errorf("descriptor %d, want %d", first, next)
		}
		fd, _, err := k.Accept(l)
		if err == nil {
			t.Errorf("descriptor %d of the reserve", fd)
			closeLater(t, fd)
			break
		}
		want(t, "accept into the reserve", err, syscall.EMFILE)
	}
	must(t, k.Close(first))
	must(t, k.Close(kept))
}
