//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// linkWindow is the most that one connection or socket has in flight: an identifier rests for a while before it is used again,
	// so that no gateway takes the next request for the last one's copy.
	linkWindow = 192

	// checkEvery is how often requests are looked at that may have timed out.
	checkEvery = 100 * time.Millisecond

	// redialEvery and redialMax bound the attempts to connect again after a connection was lost.
	redialEvery = 50 * time.Millisecond
	redialMax   = 400
)

// load sends requests to a gateway and checks each answer.
type load struct {
	kind       kind
	addr       netip.AddrPort
	certs      *certificates
	accounting bool
	timeout    time.Duration
	redial     bool          // go on after a lost connection
	first      uint64        // number of the first user
	numbers    atomic.Uint64 // users so far

	links []*link
	tally tally
	times latencies // of right answers

	left     atomic.Int64 // requests that may still be sent in this run
	inFlight atomic.Int64
	refill   atomic.Bool // each answer causes the next request
	ended    chan struct{}
	failed   chan error
	closed   atomic.Bool
	work     sync.WaitGroup
}

// tally counts what became of requests: Sent is the sum of Answered, Rejected, TimedOut and Cut at the end of a run, and the others are faults.
type tally struct {
	Sent, Answered atomic.Uint64
	Rejected       atomic.Uint64 // by the gateway, not by the home server
	TimedOut       atomic.Uint64
	Cut            atomic.Uint64 // lost with their connection
	Wrong          atomic.Uint64 // answers that are not right
	Duplicate      atomic.Uint64 // second answers
	Late           atomic.Uint64 // answers after the time-out
	complaint      atomic.Pointer[string]
}

// faults is how many answers there were that must not be.
func (t *tally) faults() uint64 { return t.Wrong.Load() + t.Duplicate.Load() + t.Late.Load() }

func (t *tally) String() string {
	text := fmt.Sprintf("%d sent, %d answered, %d rejected by the gateway, %d timed out, %d cut; %d wrong, %d twice, %d late", t.Sent.Load(), t.Answered.Load(),
		t.Rejected.Load(), t.TimedOut.Load(), t.Cut.Load(), t.Wrong.Load(), t.Duplicate.Load(), t.Late.Load())
	if c := t.complaint.Load(); c != nil {
		text += " (" + *c + ")"
	}
	return text
}

// The states of an identifier of a link.
const (
	idFree     = iota
	idWaiting  // for an answer
	idAnswered // free, and an answer to the last request would be the second
	idTimedOut // free, and an answer would be late
)

type slot struct {
	state byte
	sent  time.Time
	request
}

// link is one connection or socket of a load.
type link struct {
	load *load

	mu      sync.Mutex // guards all below
	wire    wire
	signer  *signer
	found   found
	slots   [256]slot
	nextID  byte
	waiting int
	window  int
	down    bool // being connected anew
	packet  []byte

	handle func(p []byte) // reply, made once
}

// open connects so many links.
func (l *load) open(count int) error {
	l.failed, l.ended = make(chan error, 1), make(chan struct{}, 1)
	for range count {
		w, err := dial(l.kind, l.addr, l.certs)
		if err != nil {
			l.close()
			return fmt.Errorf("connect %s %s: %w", l.kind, l.addr, err)
		}
		k := &link{load: l, wire: w, signer: newSigner(l.kind.secret()), packet: make([]byte, 0, packetMax)}
		k.handle = k.reply
		l.links = append(l.links, k)
		l.work.Go(k.read)
	}
	return nil
}

func (l *load) close() {
	l.closed.Store(true)
	for _, k := range l.links {
		k.mu.Lock()
		k.wire.close()
		k.mu.Unlock()
	}
	l.work.Wait()
}

// linksFor is how many links a window needs.
func linksFor(window int) int { return (window + linkWindow - 1) / linkWindow }

// run sends count requests and returns when each has its answer or its time-out. With a rate, in requests a second, they leave
// steadily; without one, window are in flight. limit bounds the whole.
func (l *load) run(count, window, rate int, limit time.Duration) error {
	if count <= 0 {
		return nil
	}
	// The one in flight that this function stands for: no run ends while it is still starting.
	l.inFlight.Add(1)
	select {
	case <-l.ended:
	default:
	}
	l.left.Store(int64(count))
	l.refill.Store(rate == 0)
	stop := make(chan struct{})
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer close(stop)
	for i, k := range l.links {
		k.mu.Lock()
		k.window = window*(i+1)/len(l.links) - window*i/len(l.links)
		if rate == 0 {
			k.fillLocked()
		}
		k.mu.Unlock()
	}
	helpers.Go(func() { l.watch(stop) })
	if rate > 0 {
		if err := l.pace(rate, limit); err != nil {
			return err
		}
	}
	l.done()
	end := time.NewTimer(limit)
	defer end.Stop()
	select {
	case <-l.ended:
		return nil
	case err := <-l.failed:
		return err
	case <-end.C:
		return fmt.Errorf("not done after %v: %v", limit, &l.tally)
	}
}

// done counts down what is in flight.
func (l *load) done() {
	if l.inFlight.Add(-1) == 0 && l.left.Load() <= 0 {
		select {
		case l.ended <- struct{}{}:
		default:
		}
	}
}

// pace sends at a steady rate, by a timer of the system that does not round to milliseconds.
func (l *load) pace(rate int, limit time.Duration) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "timer")
	defer f.Close()
	every := unix.NsecToTimespec(int64(time.Second) / int64(rate))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		return os.NewSyscallError("timerfd_settime", err)
	}
	var ticks [8]byte
	f.SetReadDeadline(time.Now().Add(limit))
	for turn := 0; l.left.Load() > 0; turn++ {
		if _, err := f.Read(ticks[:]); err != nil {
			return fmt.Errorf("steady rate: %w", err)
		}
		k := l.links[turn%len(l.links)]
		k.mu.Lock()
		// More than one tick where the processor was busy elsewhere.
		for range min(int(ticks[0]), linkWindow-k.waiting) {
			k.sendLocked()
		}
		k.flushLocked()
		k.mu.Unlock()
		select {
		case err := <-l.failed:
			return err
		default:
		}
	}
	return nil
}

// watch times requests out.
func (l *load) watch(stop chan struct{}) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			for _, k := range l.links {
				k.expire(now)
			}
		}
	}
}

func (k *link) expire(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.slots {
		s := &k.slots[i]
		if s.state == idWaiting && now.Sub(s.sent) > k.load.timeout {
			s.state = idTimedOut
			k.waiting--
			k.load.tally.TimedOut.Add(1)
			k.nextLocked()
			k.load.done()
		}
	}
	k.flushLocked()
}

// fillLocked sends until the window is full.
func (k *link) fillLocked() {
	for k.waiting < k.window && k.sendLocked() {
	}
	k.flushLocked()
}

// nextLocked sends what takes the place of a request that has ended.
func (k *link) nextLocked() {
	if k.load.refill.Load() && k.waiting < k.window {
		k.sendLocked()
	}
}

// sendLocked writes one request, if the run has one left.
func (k *link) sendLocked() bool {
	if k.down {
		return false
	}
	l := k.load
	l.inFlight.Add(1)
	if l.left.Add(-1) < 0 {
		l.done()
		return false
	}
	for k.slots[k.nextID].state == idWaiting {
		k.nextID++ // some identifier is free: there are more than linkWindow
	}
	id := k.nextID
	k.nextID++
	s := &k.slots[id]
	s.code = accessRequest
	if l.accounting {
		s.code = accountingRequest
	}
	s.number = l.first + l.numbers.Add(1) - 1
	s.state, s.sent = idWaiting, time.Now()
	p := k.signer.appendRequest(k.packet[:0], &s.request, id, l.kind.letter())
	k.waiting++
	l.tally.Sent.Add(1)
	k.wire.write(p) // a write that fails is noticed by the reader
	return true
}

func (k *link) flushLocked() { k.wire.flush() }

// read reads answers until the load is closed.
func (k *link) read() {
	for {
		k.mu.Lock()
		w := k.wire
		k.mu.Unlock()
		err := w.read(k.handle)
		if err == nil {
			continue
		}
		if k.load.closed.Load() {
			return
		}
		if !k.load.redial {
			k.load.fail(fmt.Errorf("%s: %w", k.load.kind, err))
			return
		}
		if err := k.again(); err != nil {
			k.load.fail(err)
			return
		}
	}
}

func (l *load) fail(err error) {
	select {
	case l.failed <- err:
	default:
	}
}

// again connects a link anew. What was in flight on it is lost: no answer can come.
func (k *link) again() error {
	k.mu.Lock()
	k.wire.cut()
	lost := 0
	for i := range k.slots {
		if k.slots[i].state == idWaiting {
			lost++
		}
	}
	k.slots = [256]slot{}
	k.waiting, k.down = 0, true
	k.mu.Unlock()
	k.load.tally.Cut.Add(uint64(lost))
	for range lost {
		k.load.done()
	}
	for range redialMax {
		w, err := dial(k.load.kind, k.load.addr, k.load.certs)
		if k.load.closed.Load() {
			if err == nil {
				w.cut()
			}
			return nil
		}
		if err == nil {
			k.mu.Lock()
			k.wire, k.down = w, false
			if k.load.refill.Load() {
				k.fillLocked()
			}
			k.mu.Unlock()
			return nil
		}
		time.Sleep(redialEvery)
	}
	return fmt.Errorf("%s: the gateway does not take connections any more", k.load.kind)
}

// cut resets the connection of a link from the outside; its reader connects it anew.
func (k *link) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wire.cut()
}

// reply takes one answer.
func (k *link) reply(p []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := &k.load.tally
	if len(p) < headBytes {
		k.complain(errShort)
		return
	}
	s := &k.slots[p[1]]
	if s.state != idWaiting {
		switch {
		case s.state == idAnswered && k.signer.genuine(p, &s.request):
			t.Duplicate.Add(1)
		case s.state == idTimedOut && k.signer.genuine(p, &s.request):
			t.Late.Add(1)
		default:
			k.complain(errAuthenticator)
		}
		return
	}
	switch err := k.signer.checkReply(p, &s.request, &k.found, k.load.kind.letter()); {
	case err == nil:
		t.Answered.Add(1)
		k.load.times.add(time.Since(s.sent))
	case errors.Is(err, errRejected):
		t.Rejected.Add(1)
	case errors.Is(err, errMixed):
		// It is signed for this request, and yet another's: the request has had its answer.
		k.complain(err)
	default:
		k.complain(err)
		return
	}
	s.state = idAnswered
	k.waiting--
	k.nextLocked()
	k.load.done()
}

func (k *link) complain(err error) {
	k.load.tally.Wrong.Add(1)
	text := err.Error()
	k.load.tally.complaint.Store(&text)
}
