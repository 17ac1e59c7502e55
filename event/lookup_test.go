package event

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// blockingResolver makes look-ups wait until the test lets each go on.
type blockingResolver struct {
	started chan string
	answer  chan []netip.Addr
	ended   chan string
}

// replaceResolver restores the system's when the test has ended and nothing is under way.
func replaceResolver(t *testing.T) *blockingResolver {
	r := &blockingResolver{make(chan string, 2*lookupsWaitingMax), make(chan []netip.Addr), make(chan string, 2*lookupsWaitingMax)}
	old := resolve
	resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
		r.started <- host
		defer func() { r.ended <- host }()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case addrs := <-r.answer:
			if addrs == nil {
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
			return slices.Clone(addrs), nil
		}
	}
	t.Cleanup(func() {
		resolutions.mu.Lock()
		busy := resolutions.underWay + resolutions.waiting
		resolutions.mu.Unlock()
		for range len(r.started) {
			<-r.started
		}
		if busy != 0 {
			t.Errorf("%d look-ups left", busy)
		}
		resolve = old
	})
	return r
}

// idle waits until no resolution is under way.
func (r *blockingResolver) idle() {
	for {
		resolutions.mu.Lock()
		busy := resolutions.underWay
		resolutions.mu.Unlock()
		if busy == 0 {
			return
		}
		select {
		case <-r.ended:
		default:
			yield()
		}
	}
}

func TestLookupLiteral(t *testing.T) {
	r := replaceResolver(t)
	for host, want := range map[string]string{
		"192.0.2.1":        "192.0.2.1",
		"2001:db8::1":      "2001:db8::1",
		"::ffff:192.0.2.1": "192.0.2.1",
		"fe80::1%eth0":     "fe80::1",
	} {
		told := 0
		l := NewLookup(host, func() { told++ })
		addrs, err := l.Result()
		if err != nil || len(addrs) != 1 || addrs[0].String() != want || told != 1 {
			t.Errorf("%s: %v %v, told %d times", host, addrs, err, told)
		}
		l.SetNotify(func() { told++ })
		if told != 2 {
			t.Errorf("%s: SetNotify with the result there does not call", host)
		}
		l.SetNotify(nil)
		l.Cancel()
		if addrs, err := l.Result(); err != nil || len(addrs) != 1 {
			t.Errorf("%s: Cancel after the result lost it: %v", host, err)
		}
	}
	if len(r.started) != 0 {
		t.Error("a literal was given to the resolver")
	}
}

func TestLookup(t *testing.T) {
	r := replaceResolver(t)
	told := make(chan bool, 9)
	l := NewLookup("a.example", func() { told <- true })
	if host := <-r.started; host != "a.example" {
		t.Errorf("resolving %s", host)
	}
	if addrs, err := l.Result(); err != syscall.EAGAIN || addrs != nil {
		t.Errorf("on the way: %v %v", addrs, err)
	}
	r.answer <- []netip.Addr{
		netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("fe80::1%x"), netip.MustParseAddr("192.0.2.2"),
	}
	<-told
	addrs, err := l.Result()
	if got := fmt.Sprint(addrs); err != nil || got != "[2001:db8::1 192.0.2.1 fe80::1 192.0.2.2]" {
		t.Errorf("%v %v", got, err)
	}
	r.idle()
	if len(told) != 0 {
		t.Error("told more than once")
	}

	l = NewLookup("b.example", nil)
	l.SetNotify(func() { t.Error("a replaced notify is called") })
	l.SetNotify(func() { told <- true })
	<-r.started
	r.answer <- nil
	<-told
	var dns *net.DNSError
	if _, err := l.Result(); !errors.As(err, &dns) || dns.Name != "b.example" {
		t.Errorf("no such host: %v", err)
	}
	r.idle()
}

func TestLookupCancel(t *testing.T) {
	r := replaceResolver(t)
	notify := func() { t.Error("notified after Cancel") }
	l := NewLookup("a.example", notify)
	<-r.started
	l.Cancel()
	l.Cancel()
	if _, err := l.Result(); err != net.ErrClosed {
		t.Errorf("result after Cancel: %v", err)
	}
	l.SetNotify(notify)
	if host := <-r.ended; host != "a.example" {
		t.Errorf("%s ended", host)
	}
	r.idle()
}

func TestLookupBounds(t *testing.T) {
	r := replaceResolver(t)
	var mu sync.Mutex
	told := map[int]int{}
	all := []Lookup{}
	for i := range lookupsMax + lookupsWaitingMax {
		all = append(all, NewLookup(fmt.Sprintf("%d.example", i), func() {
			mu.Lock()
			told[i]++
			mu.Unlock()
		}))
	}
	for range lookupsMax {
		<-r.started
	}
	tooMany := 0
	l := NewLookup("many.example", func() { tooMany++ })
	if _, err := l.Result(); err != errLookupsFull || tooMany != 1 {
		t.Errorf("one too many: %v, told %d times", err, tooMany)
	}
	// One that waits leaves its room to another; one that is under way, its place to the next in line.
	all[lookupsMax+1].Cancel()
	all = append(all, NewLookup("last.example", nil))
	if _, err := all[len(all)-1].Result(); err != syscall.EAGAIN {
		t.Errorf("into the room of a cancelled one: %v", err)
	}
	if len(r.started) != 0 {
		t.Errorf("%d more than %d under way", len(r.started), lookupsMax)
	}
	all[0].Cancel()
	if host := <-r.started; host != fmt.Sprintf("%d.example", lookupsMax) {
		t.Errorf("%s is next", host)
	}
	all[1].Cancel()
	if host := <-r.started; host != fmt.Sprintf("%d.example", lookupsMax+2) {
		t.Errorf("%s is next after a cancelled one", host)
	}
	for range len(all) - 3 {
		r.answer <- []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	}
	r.idle()
	mu.Lock()
	defer mu.Unlock()
	for i, l := range all {
		_, err := l.Result()
		if cancelled := i == 0 || i == 1 || i == lookupsMax+1; cancelled {
			if err != net.ErrClosed || told[i] != 0 {
				t.Errorf("%d, cancelled: %v, told %d times", i, err, told[i])
			}
		} else if err != nil || told[i] != 1 && i < lookupsMax+lookupsWaitingMax {
			t.Errorf("%d: %v, told %d times", i, err, told[i])
		}
	}
}

func TestLookupPostsToLoop(t *testing.T) {
	r := replaceResolver(t)
	loop := newLoop(t, realSystem{}, Config{})
	var l Lookup
	got := ""
	l = loop.System().Lookup("a.example", func() {
		loop.Post(func() {
			addrs, err := l.Result()
			got = fmt.Sprint(addrs, err)
		})
	})
	<-r.started
	r.answer <- []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	for got == "" {
		turn(t, loop, -1)
	}
	if got != "[192.0.2.1] <nil>" {
		t.Errorf("got %s", got)
	}
	r.idle()
}

// TestLookupSystem asks the real resolver for a name that every system has in its hosts file.
func TestLookupSystem(t *testing.T) {
	told := make(chan bool)
	l := NewLookup("localhost", func() { close(told) })
	<-told
	addrs, err := l.Result()
	if err != nil || !slices.ContainsFunc(addrs, netip.Addr.IsLoopback) {
		t.Errorf("localhost: %v %v", addrs, err)
	}
	for {
		resolutions.mu.Lock()
		busy := resolutions.underWay
		resolutions.mu.Unlock()
		if busy == 0 {
			return
		}
		yield()
	}
}
