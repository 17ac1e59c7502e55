package sock_test

import (
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
	"golang.org/x/sys/unix"
)

// blocked is a system call that fails with errno, if its argument has a value; arg -1: always.
type blocked struct {
	call  uint32
	arg   int
	value uint32
	errno syscall.Errno
}

// filtered runs f on an operating system's thread of its own, on which some calls fail: a seccomp filter answers them.
// The thread ends with f.
func filtered(t *testing.T, block []blocked, f func()) {
	t.Helper()
	const load = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	var program []unix.SockFilter
	for _, b := range block {
		// struct seccomp_data: the call's number at 0, its arguments from 16 on, 8 bytes each.
		answer := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(b.errno)}
		program = append(program, unix.SockFilter{Code: load, K: 0})
		if b.arg < 0 {
			program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: b.call, Jf: 1}, answer)
			continue
		}
		program = append(program,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: b.call, Jf: 3},
			unix.SockFilter{Code: load, K: 16 + 8*uint32(b.arg)},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: b.value, Jf: 1},
			answer)
	}
	program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread, with its filter, ends with this goroutine
		var err error
		defer func() { failed <- err }()
		if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return
		}
		if _, _, e := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog))); e != 0 {
			err = e
			return
		}
		f()
	}()
	if err := <-failed; err != nil {
		friotest.Skip(t, "seccomp: "+err.Error())
	}
}

// TestInterrupted: a storm of signals is "not now" and never a loop without end, nor EINTR.
func TestInterrupted(t *testing.T) {
	stream, _ := connected(t, sock.Inet4, inet("127.0.0.1", 0))
	l, _ := listener(t, sock.Inet4, inet("127.0.0.1", 0))
	fresh := socket(t, sock.Inet4, frio.Datagram)
	local := socket(t, sock.Local, frio.Datagram)
	buf := make([]byte, 8)
	packets := []frio.Packet{{Data: buf, Remote: inet("127.0.0.1", 9).AddrPort}}
	for name, c := range map[string]struct {
		call uint32
		f    func() error
	}{
		"Bind":        {unix.SYS_BIND, func() error { return kernel.Bind(fresh, inet("127.0.0.1", 0)) }},
		"Accept":      {unix.SYS_ACCEPT4, func() error { _, _, err := kernel.Accept(l); return err }},
		"Connect":     {unix.SYS_CONNECT, func() error { return kernel.Connect(fresh, inet("127.0.0.1", 9)) }},
		"Recv":        {unix.SYS_RECVMSG, func() error { _, err := kernel.Recv(stream, buf); return err }},
		"RecvFrom":    {unix.SYS_RECVMSG, func() error { _, _, err := kernel.RecvFrom(local, buf); return err }},
		"Send":        {unix.SYS_SENDTO, func() error { _, err := kernel.Send(stream, buf); return err }},
		"SendTo":      {unix.SYS_SENDTO, func() error { _, err := kernel.SendTo(local, buf, sock.Addr{Path: "/x"}); return err }},
		"RecvPackets": {unix.SYS_RECVMMSG, func() error { _, err := kernel.RecvPackets(fresh, packets); return err }},
		"SendPackets": {unix.SYS_SENDMMSG, func() error { _, err := kernel.SendPackets(fresh, packets); return err }},
		"RecvTrain":   {unix.SYS_RECVMMSG, func() error { _, err := kernel.RecvTrain(fresh, &packets[0]); return err }},
	} {
		err := error(nil)
		filtered(t, []blocked{{c.call, -1, 0, syscall.EINTR}}, func() { err = c.f() })
		want(t, name, err, syscall.EAGAIN)
	}
	// An interrupted close has closed.
	fd, err := kernel.Socket(sock.Inet4, frio.Stream)
	must(t, err)
	err = syscall.EBADF
	filtered(t, []blocked{{unix.SYS_CLOSE, -1, 0, syscall.EINTR}}, func() { err = kernel.Close(fd) })
	must(t, err)
	must(t, kernel.Close(fd)) // the filter stood in the way
}

// TestConnectWithoutRoom: ENOBUFS where connect says EAGAIN, which would look like "on its way".
func TestConnectWithoutRoom(t *testing.T) {
	fd := socket(t, sock.Inet4, frio.Stream)
	var err error
	filtered(t, []blocked{{unix.SYS_CONNECT, -1, 0, syscall.EAGAIN}}, func() { err = kernel.Connect(fd, inet("127.0.0.1", 9)) })
	want(t, "connect", err, syscall.ENOBUFS)
}

// TestFileModeOnOldKernel: without fchmodat2 the mode is set through /proc.
func TestFileModeOnOldKernel(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.ENOSYS, syscall.EPERM} {
		path := socketPath(t)
		_, _ = bound(t, sock.Local, frio.Stream, sock.Addr{Path: path})
		f, err := kernel.Lstat(path)
		must(t, err)
		filtered(t, []blocked{{unix.SYS_FCHMODAT2, -1, 0, e}}, func() { err = kernel.SetFile(path, f, -1, -1, 0o642) })
		must(t, err)
		if got, err := kernel.Lstat(path); err != nil || got.Mode != 0o642 {
			t.Errorf("%v: %+v, %v", e, got, err)
		}
	}
}
