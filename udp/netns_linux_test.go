package udp_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// TestWildcardRepliesFromAliases: on the system's kernel, an answer leaves from the address that was asked, on IPv4, IPv6 and
// aliases, though the route would choose another. The client's socket takes it from nowhere else.
func TestWildcardRepliesFromAliases(t *testing.T) {
	if !friotest.InNamespace(t, `ip link set lo up
ip link add veth0 type veth peer name veth1
ip link set veth0 up
ip link set veth1 up
ip address add 192.0.2.1/24 dev veth0
ip address add 192.0.2.2/24 dev veth0
ip address add 198.51.100.1/32 dev lo
ip address add 2001:db8::1/64 dev veth0 nodad
ip address add 2001:db8::2/64 dev veth0 nodad
ip address add 2001:db8:1::1/128 dev lo nodad`) {
		return
	}
	for _, c := range []struct{ listen, from, to string }{
		{"ipaddr = *", "192.0.2.1", "192.0.2.2"},
		{"ipaddr = *", "192.0.2.2", "192.0.2.1"},
		{"ipaddr = *", "192.0.2.1", "198.51.100.1"},
		{"ipaddr = *", "127.0.0.1", "127.3.2.1"},
		{"ipv6addr = *", "2001:db8::1", "2001:db8::2"},
		{"ipv6addr = *", "2001:db8::2", "2001:db8::1"},
		{"ipv6addr = *", "2001:db8::1", "2001:db8:1::1"},
		{"ipv6addr = *", "::1", "2001:db8::2"},
	} {
		for _, children := range []string{"none", "demux"} {
			t.Run(c.to+" from "+c.from+", "+children, func(t *testing.T) {
				e := friotest.NewEnv(t, false, 1)
				l := opened(e, c.listen+"\nport = 0\nchildren = "+children+"\n", "")
				client := home(e, fmt.Sprintf("ipaddr = %s\nport = %d\nsrc_ipaddr = %s\n", c.to, e.Local(l).Port(), c.from))
				if err := client.Connect(); err != nil {
					t.Fatalf("Connect: %v", err)
				}
				if children == "demux" {
					child := childOf(e, l, client)
					if e.Local(child) != e.Remote(client) {
						t.Errorf("the child is at %v, %v was asked", e.Local(child), e.Remote(client))
					}
					e.Send(child, []byte("reply"))
				} else {
					e.Send(client, []byte("ask"))
					got := readAll(e, l, 1, 4, 64)
					if q := got[0]; q.Local != e.Remote(client) || q.Time == 0 || q.Ifindex == 0 {
						t.Errorf("%+v, want the address %v, a time and an interface", q, e.Remote(client))
					}
					got[0].Data = []byte("reply")
					if n, err := l.WritePackets(got); n != 1 || err != nil {
						t.Fatalf("WritePackets: %d, %v", n, err)
					}
				}
				e.Expect(client, []byte("reply"))
				e.Finish()
			})
		}
	}
}

// TestLinkLocalPeers: the same address and port on two links are two peers, each answered on its own.
func TestLinkLocalPeers(t *testing.T) {
	if !friotest.InNamespace(t, `ip link set lo up
for link in a b; do
	ip link add ${link}0 type veth peer name ${link}1
	for end in 0 1; do
		ip link set $link$end addrgenmode none
		ip link set $link$end up
		ip address add fe80::$((end + 1))/64 dev $link$end nodad
	done
done`) {
		return
	}
	e := friotest.NewEnv(t, false, 1)
	l := opened(e, "ipv6addr = *\nport = 0\nchildren = demux\n", "")
	var clients, children []*friotest.Probe
	for _, link := range []string{"a0", "b0"} {
		c := home(e, fmt.Sprintf("ipaddr = fe80::2\nport = %d\ninterface = %s\nsrc_ipaddr = fe80::1\nsrc_port = 5555\n", e.Local(l).Port(), link))
		if err := c.Connect(); err != nil {
			t.Fatalf("Connect: %v", err)
		}
		clients, children = append(clients, c), append(children, childOf(e, l, c))
	}
	if children[0].IO == children[1].IO || e.Remote(children[0]) != e.Remote(children[1]) {
		t.Fatalf("children of %v and %v", e.Remote(children[0]), e.Remote(children[1]))
	}
	for i := range clients {
		e.Send(clients[i], []byte(fmt.Sprint("ask ", i)))
		e.Expect(children[i], []byte(fmt.Sprint("ask ", i)))
		e.Send(children[i], []byte(fmt.Sprint("reply ", i)))
		e.Expect(clients[i], []byte(fmt.Sprint("reply ", i)))
	}
	for i := range clients {
		e.Nothing(clients[i])
		e.Nothing(children[i])
	}
	e.Finish()
}

// TestSourcePortZero: a datagram that says it comes from port 0, as only a forged one does, costs the reply that it earns. It was what
// closed listeners elsewhere.
func TestSourcePortZero(t *testing.T) {
	if !friotest.InNamespace(t, "ip link set lo up") {
		return
	}
	raw, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_UDP)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(raw)
	forge := func(to netip.AddrPort, text string) {
		t.Helper()
		b := make([]byte, 8, 64) // RFC 768: source port 0, destination, length, checksum 0 for none
		binary.BigEndian.PutUint16(b[2:], to.Port())
		b = append(b, text...)
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		if err := syscall.Sendto(raw, b, 0, &syscall.SockaddrInet4{Addr: to.Addr().As4()}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("none", func(t *testing.T) {
		e := friotest.NewEnv(t, false, 1)
		l := opened(e, onLoopback, "")
		c := clientOf(e, l, "")
		for range 3 {
			forge(e.Local(l), "forged")
			e.Send(c, []byte("ask"))
			packets := readAll(e, l, 2, 8, 64)
			for len(packets) > 0 {
				n, err := l.WritePackets(packets)
				if err != nil {
					if packets[0].Remote.Port() != 0 {
						t.Fatalf("WritePackets to %v: %v", packets[0].Remote, err)
					}
					n = 1
				}
				packets = packets[n:]
			}
			e.Expect(c, []byte("ask"))
		}
		if got := countsOf(l).Errors.Count(syscall.EINVAL); got != 3 {
			t.Errorf("counted %d times, want 3", got)
		}
		e.Finish()
	})
	t.Run("gate", func(t *testing.T) {
		e := friotest.NewEnv(t, false, 1)
		l := gated(e)
		l.Wish(nil, func() {}, nil)
		c := clientOf(e, l, "")
		for range 3 {
			forge(e.Local(l), "hello")
			e.Send(c, []byte("hello"))
			forge(e.Local(l), "hello")
			e.Expect(c, []byte("cookie?"))
		}
		e.Until("all were asked", func() bool { return countsOf(l).RepliesLost.Load() == 6 })
		if _, err := l.Accept(nil); err != frio.ErrAgain {
			t.Errorf("Accept: %v", err)
		}
		e.Finish()
	})
	t.Run("demux", func(t *testing.T) {
		e := friotest.NewEnv(t, false, 1)
		l := opened(e, demuxed, "")
		forge(e.Local(l), "forged")
		child := e.AcceptFrom(l, nil)
		e.Expect(child, []byte("forged"))
		if _, err := child.Write([]byte("reply")); err == nil || err == frio.ErrAgain {
			t.Errorf("Write to port 0: %v", err)
		}
		if s := child.State(); s != frio.StateOpen {
			t.Errorf("state %v", s)
		}
		childOf(e, l, clientOf(e, l, ""))
		e.Finish()
	})
}
