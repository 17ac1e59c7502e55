package server

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
)

// Who looks on while the configuration changes sees one or the other, from any goroutine.
func TestReloadWatched(t *testing.T) {
	a, b, metrics := freePort(t), freePort(t), freePort(t)
	more := fmt.Sprintf("metrics {\nlisten = 127.0.0.1:%d\n}\ncontrol {\nfilename = %s\n}\n", metrics, filepath.Join(t.TempDir(), "control"))
	relay := more + relayOn(a, a, "")
	gateway := more + radiusOn(b, freePort(t), "testing123")
	r := startFile(t, relay)
	stop := make(chan struct{})
	var watching sync.WaitGroup
	for _, look := range []func(){
		func() { r.Debug(io.Discard) },
		func() { r.Notes() },
		func() { r.sessions() },
		func() {
			if answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics)); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		},
		func() {
			for _, c := range commands {
				r.watch.answer(c.name)
			}
		},
	} {
		watching.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					look()
				}
			}
		})
	}
	for range 5 {
		for _, text := range []string{gateway, gateway, relay, relay} {
			r.must(r.load(text))
		}
	}
	close(stop)
	watching.Wait()
}
