package sock_test

import (
	"syscall"
	"testing"
	"unsafe"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
	"golang.org/x/sys/unix"
)

// TestFileNamedLikeAbstract: an answer to a file that somebody bound as "@file" must not go to the abstract name.
func TestFileNamedLikeAbstract(t *testing.T) {
	t.Chdir(t.TempDir())
	server, _ := bound(t, sock.Local, frio.Datagram, sock.Addr{Path: "server"})
	client := socket(t, sock.Local, frio.Datagram)
	name := [...]byte{unix.AF_UNIX, 0, '@', 'f', 'i', 'l', 'e', 0}
	if _, _, e := syscall.Syscall(unix.SYS_BIND, uintptr(client), uintptr(unsafe.Pointer(&name)), uintptr(len(name))); e != 0 {
		t.Fatal(e)
	}
	_, err := kernel.SendTo(client, []byte("x"), sock.Addr{Path: "server"})
	must(t, err)
	_, from, err := kernel.RecvFrom(server, make([]byte, 8))
	if from.Path != "./@file" || err != nil {
		t.Fatal(from, err)
	}
	if _, err := kernel.SendTo(server, []byte("y"), from); err != nil {
		t.Error(err)
	}
	if n, err := kernel.Recv(client, make([]byte, 8)); n != 1 || err != nil {
		t.Error(n, err)
	}
}

// TestAutobind: the zero Addr has the kernel make up an abstract name, another one for each socket.
func TestAutobind(t *testing.T) {
	one, addr := bound(t, sock.Local, frio.Datagram, sock.Addr{})
	_, other := bound(t, sock.Local, frio.Datagram, sock.Addr{})
	if len(addr.Path) != 6 || addr.Path[0] != '@' || other == addr {
		t.Errorf("%v and %v", addr, other)
	}
	if _, err := kernel.SendTo(one, []byte("x"), addr); err != nil {
		t.Error(err)
	}
	if n, from, err := kernel.RecvFrom(one, make([]byte, 8)); n != 1 || from != addr || err != nil {
		t.Error(n, from, err)
	}
}
