package sock_test

import (
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

// TestPacketsKeepNothing: neither reading nor sending holds on to memory that it was lent.
func TestPacketsKeepNothing(t *testing.T) {
	server, own := bound(t, sock.Inet4, frio.Datagram, inet("127.0.0.1", 0))
	packets := make([]frio.Packet, 5)
	for i := range packets {
		packets[i] = frio.Packet{Data: []byte("datagram"), Remote: own.AddrPort}
	}
	if n, err := kernel.SendPackets(server, packets); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	recvPackets(t, server, 5, 64)
	// Nor when it fails.
	if _, err := kernel.SendPackets(server, []frio.Packet{{Data: []byte("datagram")}}); err == nil {
		t.Error("a datagram to nobody was sent")
	}
	if n := sock.LentPieces(); n != 0 {
		t.Errorf("%d pieces of lent memory are kept", n)
	}
	if n := sock.FreeScratches(); n < 1 || n > sock.ScratchMax {
		t.Errorf("%d scratches", n)
	}
}
