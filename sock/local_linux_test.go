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
