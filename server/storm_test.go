package server

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// Two echoes never answer each other, whoever forged the datagram that might have begun it.
func TestEchoDoesNotAnswerEchoes(t *testing.T) {
	for _, children := range []string{"none", "demux"} {
		t.Run(children, func(t *testing.T) {
			e := friotest.NewEnv(t, true, 1)
			listen := strings.Replace(udpListen("a", "127.0.0.1", 7007), "port", "children = "+children+"\nport", 1)
			b := start(e, echoText(listen))
			for _, port := range []int{7007, 7008} {
				from := fmt.Sprintf("src_ipaddr = 127.0.0.1\nsrc_port = %d\n", port)
				if port == 7007 {
					e.Host().AddInterface("lo", netip.MustParseAddr("127.0.0.2"))
					from = strings.Replace(from, "0.1", "0.2", 1)
				}
				c := e.ParseText(nil, "client", strings.Replace(homeServer("client", "udp", 7007), "port", from+"port", 1))
				c.Wish(nil, nil, nil)
				if err := c.Connect(); err != nil && err != frio.ErrAgain {
					t.Fatal(err)
				}
				e.Until("the client is connected", func() bool { return e.Step(c) })
				e.Send(c, []byte("hello"))
				if port == 7008 {
					e.Expect(c, []byte("hello"))
					continue
				}
				e.Pass(time.Second)
				e.Nothing(c)
			}
			if n := b.listenAt(0).counts.Faults[faultDatagram].Load(); n != 1 {
				t.Errorf("counted %d, want 1", n)
			}
			b.finish()
		})
	}
}
