package thread_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/frio-io/frio/thread"
)

// TestPlaceLeastLoaded: each child goes to the thread with the fewest members, of equal ones to the first, so that they are spread to the
// last one.
func TestPlaceLeastLoaded(t *testing.T) {
	const each = 10
	p := pool(t, thread.Config{Network: 4})
	threads := p.Threads()
	loads := func(when string, want ...int) {
		t.Helper()
		for i, th := range threads {
			if n := th.Stats().Members; n != want[i] {
				t.Errorf("%s: %s has %d members, want %d", when, th.Name(), n, want[i])
			}
		}
	}
	if th := p.Place(netip.AddrPort{}); th != threads[0] {
		t.Errorf("the first place is on %s", th.Name())
	}
	srv := serve(t, threads[1], stacks[0], "")
	loads("the listener", 0, 1, 0, 0)
	var conns []net.Conn
	come := func(count int64) {
		t.Helper()
		want := srv.total.Load() + count
		for range count {
			conn, err := net.Dial("tcp", srv.addr.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			conns = append(conns, conn)
		}
		srv.until("they are placed", func() bool { srv.mu.Lock(); defer srv.mu.Unlock(); return len(srv.list) == int(want) })
	}
	come(1)
	loads("one child", 1, 1, 0, 0)
	come(3)
	loads("four children", 2, 1, 1, 1)
	come(4*each - 5)
	loads("many children", each, each, each, each)

	// Who has lost its members gets the next ones.
	gone := 0
	srv.mu.Lock()
	list := srv.list
	srv.mu.Unlock()
	for _, m := range list {
		if m.Thread() == threads[2] {
			m.End(errQuit)
			gone++
		}
	}
	if gone != each {
		t.Fatalf("%d members of %s, want %d", gone, threads[2].Name(), each)
	}
	srv.until("they have ended", func() bool { return threads[2].Stats().Members == 0 })
	loads("without those of one thread", each, each, 0, each)
	come(each)
	loads("as many others", each, each, each, each)
	come(1)
	loads("one more", each+1, each, each, each)
}
