package gateway

import (
	"io"
	"sync"
	"testing"

	"github.com/frio-io/frio/sim"
)

// Who looks on from another goroutine while home servers come and go sees those of one configuration, and disturbs nobody.
func TestLookWhileLoading(t *testing.T) {
	pre := &world{T: t}
	one := udpListen + pre.homeOnText(0, "tls+tcp", "") + poolText
	other := udpListen + pre.homeOnText(0, "tls+tcp", "\tresponse_window = 1s\n") + poolText
	w := newWorldOf(t, sim.New(1, sim.Options{}), 2, one)
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				w.gateway.Debug(io.Discard)
				w.gateway.Pools()
			}
		}
	})
	for range 20 {
		for _, text := range []string{other, one} {
			cfg, _ := w.parse(text)
			w.load(cfg)
		}
	}
	close(done)
	looking.Wait()
	if n := len(w.gateway.Homes()); n != 1 {
		t.Errorf("%d home servers", n)
	}
}
