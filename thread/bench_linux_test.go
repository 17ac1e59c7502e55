package thread_test

import (
	"io"
	"net"
	"syscall"
	"testing"
)

// patient returns conn as one whose Read of n bytes is woken when all are there, not before.
func patient(b *testing.B, conn net.Conn, n int) io.ReadWriteCloser {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	var failed error
	if err = raw.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, n) }); err != nil || failed != nil {
		b.Fatal(err, failed)
	}
	return &whole{conn, raw}
}

type whole struct {
	net.Conn
	raw syscall.RawConn
}

func (w *whole) Read(p []byte) (n int, err error) {
	waited := w.raw.Read(func(fd uintptr) bool {
		// A look that takes nothing: what is left of a part would never be enough to be woken for.
		n, _, err = syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK)
		if err == syscall.EAGAIN || err == nil && 0 < n && n < len(p) {
			return false
		}
		if err == nil && n > 0 {
			n, _, err = syscall.Recvfrom(int(fd), p, 0)
		}
		return true
	})
	if err == nil {
		err = waited
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}
