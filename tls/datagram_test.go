package tls_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

func TestConformanceDatagram(t *testing.T) {
	udp := func(p friotest.Place) string {
		return fmt.Sprintf("udp {\nipaddr = %v\nport = %d\n%s}\n", p.Addr, p.Port, p.Base)
	}
	c := target(t, friotest.Target{
		Stack: "tls+udp", Listen: udp, HomeServer: udp, Buffers: "recv_buff = 8k\nsend_buff = 8k\n",
		DatagramMax: 9000, TooLong: 16385, NoMove: true,
	}, "tls_max_version = 1.2\n")
	c.Kind, c.HalfClose, c.Handshake = frio.Datagram, false, true
	friotest.TestIO(t, c)
}

// TestCorkedDatagrams: what is corked goes at Uncork, each as a datagram of its own, in as few calls as the layer below can; one that is
// refused costs only itself, and what there is no room for waits.
func TestCorkedDatagrams(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	m := &moving{Env: e, sides: []*friotest.Side{&e.Side}}
	m.listener = datagramListener(e, "require_client_cert = yes\n", "")
	c := m.dial()
	server := e.AcceptFrom(m.listener, nil)
	server.Wish(nil, nil, nil)
	e.Until("the handshake", func() bool { return c.State() == frio.StateOpen && server.State() == frio.StateOpen })
	for _, p := range []struct{ from, to *friotest.Probe }{{c, server}, {server, c}} {
		cork := p.from.IO.(frio.Corker)
		texts := func(count int) (list []string) {
			for i := range count {
				list = append(list, fmt.Sprintf("%s %d%*d", p.from.Name, i, i%7, 0))
			}
			return list
		}
		put := func(list []string) {
			cork.Cork()
			for _, one := range list {
				e.Send(p.from, []byte(one))
			}
		}
		expect := func(list []string) {
			t.Helper()
			for _, one := range list {
				e.Expect(p.to, []byte(one))
			}
			e.Nothing(p.to)
		}
		list := texts(60)
		put(list)
		e.Spin(3)
		e.Nothing(p.to)
		before := e.Host().Calls("SendPackets")
		if err := cork.Uncork(); err != nil {
			t.Fatal(err)
		}
		if n := e.Host().Calls("SendPackets") - before; n != 1 {
			t.Errorf("%d calls for %d datagrams", n, len(list))
		}
		expect(list)

		put(list)
		e.Host().Inject("SendPackets", 3, syscall.EPERM) // the third datagram
		var lost *frio.PacketError
		if err := cork.Uncork(); !errors.As(err, &lost) || !errors.Is(err, syscall.EPERM) {
			t.Errorf("Uncork: %v", err)
		}
		expect(append(append([]string(nil), list[:2]...), list[3:]...))

		put(list)
		e.Host().InjectAll("SendPackets", syscall.EAGAIN)
		if err := cork.Uncork(); err != nil {
			t.Errorf("Uncork without room: %v", err)
		}
		if _, err := p.from.Write([]byte("more")); err != frio.ErrAgain {
			t.Errorf("Write without room: %v", err)
		}
		e.Host().InjectAll("SendPackets", 0)
		expect(list)

		// What does not fit any more has what is held go first.
		large := make([]string, 10)
		for i := range large {
			large[i] = strings.Repeat(string(rune('a'+i)), 9000)
		}
		put(large)
		for _, one := range large[:7] {
			e.Expect(p.to, []byte(one))
		}
		if err := cork.Uncork(); err != nil {
			t.Fatal(err)
		}
		expect(large[7:])
	}
	e.Finish()
}
