package base

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
)

const (
	// addrsMax bounds the addresses tried in a round: a name may have any number.
	addrsMax = 16
	// attemptDelay is the Connection Attempt Delay of RFC 8305, Section 5.
	attemptDelay = 250 * time.Millisecond
	// Retries wait longer round by round, from backoffMin to backoffMax.
	backoffMin = 100 * time.Millisecond
	backoffMax = 2 * time.Second
	// busyDelay is how long to wait for a Unix socket whose backlog is full: nothing tells when it has room.
	busyDelay = 10 * time.Millisecond
)

// Dialer brings one connection up: it resolves, tries the addresses in the order and at the pace of RFC 8305, several at a
// time, and the first that connects wins. A datagram socket connects at once, so there the first address that has a route wins.
// It is sans-loop: Step does what can be done now, Next says when to ask again.
type Dialer struct {
	how      Dialing
	target   *Target
	loop     *event.Loop // that tells when to go on; nil: none does
	deadline time.Time   // zero: not started
	begin    time.Time   // of the next round; zero: it is on
	backoff  time.Duration
	round    int

	lookups []event.Lookup // of this round, one for each host
	stay    *stay          // in the present loop
	wake    event.Task     // a lookup has ended
	addrs   []sock.Addr    // of this round, still to be tried
	pace    time.Time      // the next address may be tried
	tries   []*attempt     // under way
	err     error          // the last failure
	winner  int            // the descriptor that connected
}

// Dialing is what a Dialer needs to know of the connection that it brings up.
type Dialing struct {
	Method string
	Kind   frio.Kind
	Kernel sock.Kernel
	Setup  func(fd int, before bool) error // sets options ahead of Connect, with before true
	Owner  Advancer
}

// Advancer is told by the loop that Step has something to do.
type Advancer interface {
	Advance()
	Describe() string
}

// NewDialer makes a Dialer towards t.
func NewDialer(how Dialing, t *Target) *Dialer {
	d := &Dialer{how: how, target: t, winner: -1}
	d.wake.Init(d)
	return d
}

// RunTask and Ready go on with the dialing; they are called by the loop.
func (d *Dialer) RunTask()         { d.how.Owner.Advance() }
func (d *Dialer) Describe() string { return d.how.Owner.Describe() }

// Step does what can be done now. Nil: connected, Won has the socket. ErrAgain: on the way. Else it is given up.
func (d *Dialer) Step(now time.Time) error {
	if d.deadline.IsZero() {
		d.deadline = now.Add(d.target.Timeout)
		d.start()
	}
	if !d.begin.IsZero() && !now.Before(d.begin) {
		d.begin = time.Time{}
		d.start()
	}
	for {
		if d.check() {
			return nil
		}
		if !now.Before(d.deadline) {
			return d.give(&frio.TimeoutError{Limit: "connect_timeout"})
		}
		if !d.begin.IsZero() {
			return frio.ErrAgain
		}
		if err := d.resolve(); err != nil {
			d.err = err
		}
		if len(d.addrs) > 0 && (len(d.tries) == 0 || !now.Before(d.pace)) {
			d.try(now)
			continue
		}
		if len(d.addrs) > 0 || len(d.tries) > 0 || len(d.lookups) > 0 {
			return frio.ErrAgain
		}
		// The round is over and nothing connected.
		if !d.target.Retry {
			return d.give(nil)
		}
		d.retry(now)
	}
}

// give ends the dialing with what is known of the reason.
func (d *Dialer) give(timeout error) error {
	err := d.err
	d.Abort()
	switch {
	case timeout == nil:
	case err == nil:
		err = timeout
	default:
		err = errors.Join(timeout, err)
	}
	return fmt.Errorf("connect %s %v: %w", d.how.Method, d.target, err)
}

// start begins a round: names are resolved anew.
func (d *Dialer) start() {
	d.round++
	d.addrs, d.pace = d.addrs[:0], time.Time{}
	if d.target.Path != "" {
		d.addrs = append(d.addrs, sock.Addr{Path: d.target.Path})
		return
	}
	for _, h := range d.target.Hosts {
		if a, err := netip.ParseAddr(h); err == nil {
			d.add(a)
			continue
		}
		d.lookups = append(d.lookups, d.how.Kernel.Lookup(h, d.notify(d.loop)))
	}
}

// stay is the time a dialer spends in one loop. What was posted there and runs after the dialer has left finds it over,
// without looking at the dialer, which may belong to another thread by then.
type stay struct{ over bool }

// notify returns what a lookup calls, from any goroutine, when it has ended.
func (d *Dialer) notify(loop *event.Loop) func() {
	if loop == nil {
		return nil
	}
	if d.stay == nil {
		d.stay = new(stay)
	}
	s := d.stay
	return func() {
		// A loop that is closed has no use for it; in one that is full the deadline asks again.
		_ = loop.Post(func() {
			if !s.over {
				d.how.Owner.Advance()
			}
		})
	}
}

// leave ends the stay in the present loop.
func (d *Dialer) leave() {
	d.wake.Cancel()
	if d.stay != nil {
		d.stay.over = true
		d.stay = nil
	}
}

func (d *Dialer) add(a netip.Addr) {
	a = a.Unmap().WithZone("")
	if (a.Is4() && d.target.Only == sock.Inet6) || (!a.Is4() && d.target.Only == sock.Inet4) ||
		(d.target.Source.Addr.IsValid() && d.target.Source.Addr.Is4() != a.Is4()) || len(d.addrs) == addrsMax {
		return
	}
	d.addrs = append(d.addrs, sock.Addr{AddrPort: netip.AddrPortFrom(a, d.target.Port)})
}

// resolve takes the names that have been resolved. An error is that of a name that has no address for us.
func (d *Dialer) resolve() error {
	var failed error
	for i := 0; i < len(d.lookups); {
		addrs, err := d.lookups[i].Result()
		if err == frio.ErrAgain {
			i++
			continue
		}
		d.lookups = append(d.lookups[:i], d.lookups[i+1:]...)
		before := len(d.addrs)
		for _, a := range interleave(addrs) {
			d.add(a)
		}
		switch {
		case err != nil:
			failed = err
		case len(d.addrs) == before:
			failed = errors.New("no address of the right family")
		}
	}
	return failed
}

// interleave alternates the families, beginning with IPv6 if there is any (RFC 8305, Section 4).
func interleave(addrs []netip.Addr) []netip.Addr {
	var six, four, out []netip.Addr
	for _, a := range addrs {
		if a.Unmap().Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	for len(six) > 0 || len(four) > 0 {
		if len(six) > 0 {
			out, six = append(out, six[0]), six[1:]
		}
		if len(four) > 0 {
			out, four = append(out, four[0]), four[1:]
		}
	}
	return out
}

// try begins with the next address. A failure is kept and the next one may begin at once.
func (d *Dialer) try(now time.Time) {
	a := &attempt{d: d, addr: d.addrs[0], fd: -1}
	err := a.begin()
	if err == syscall.ENOBUFS && a.addr.Path != "" {
		// A Unix socket's full backlog: nothing is on the way. The same address again, a little later.
		a.close()
		d.begin = now.Add(busyDelay)
		d.err = err
		return
	}
	d.addrs = d.addrs[1:]
	switch err {
	case nil:
		d.tries = append(d.tries, a)
		d.winner = a.fd
	case frio.ErrAgain:
		d.tries = append(d.tries, a)
		d.pace = now.Add(attemptDelay)
	default:
		a.close()
		d.failed(a, err)
	}
}

func (d *Dialer) failed(a *attempt, err error) {
	d.pace = time.Time{}
	if name := a.addr.String(); name != d.target.String() {
		err = fmt.Errorf("%s: %w", name, err)
	}
	d.err = err
}

// check looks at the attempts under way; true if one has connected.
func (d *Dialer) check() bool {
	for i := 0; i < len(d.tries); {
		a := d.tries[i]
		if d.winner == a.fd {
			return true
		}
		switch err := d.how.Kernel.Connected(a.fd); err {
		case nil:
			d.winner = a.fd
			return true
		case frio.ErrAgain:
			i++
		default:
			d.tries = append(d.tries[:i], d.tries[i+1:]...)
			a.close()
			d.failed(a, err)
		}
	}
	return false
}

// retry waits before the next round, longer each time, and up to a quarter less by the clock's low bits, so that
// many clients of one dead server do not come back in step.
func (d *Dialer) retry(now time.Time) {
	d.backoff = min(max(2*d.backoff, backoffMin), backoffMax)
	jitter := time.Duration(uint64(now.UnixNano())*0x9e3779b97f4a7c15>>32) % (d.backoff / 4)
	d.begin = now.Add(d.backoff - jitter)
}

// Next is when step has something to do even if no descriptor and no lookup tells.
func (d *Dialer) Next() time.Time {
	at := earlier(d.deadline, d.begin)
	if len(d.addrs) > 0 {
		at = earlier(at, d.pace)
	}
	return at
}

// Won gives the connected socket away and ends everything else.
func (d *Dialer) Won() int {
	fd := d.winner
	for i, a := range d.tries {
		if a.fd == fd {
			a.reg.Detach()
			d.tries = append(d.tries[:i], d.tries[i+1:]...)
			break
		}
	}
	d.winner = -1
	d.Abort()
	return fd
}

// Abort ends all that is under way.
func (d *Dialer) Abort() {
	d.leave()
	for _, l := range d.lookups {
		l.Cancel()
	}
	for _, a := range d.tries {
		a.close()
	}
	d.lookups, d.tries, d.addrs, d.winner = nil, nil, nil, -1
}

// Attach and Detach put what is under way into a loop and take it out.
func (d *Dialer) Attach(loop *event.Loop) {
	d.loop = loop
	if loop == nil {
		return
	}
	for i := 0; i < len(d.tries); {
		a := d.tries[i]
		if err := a.watch(loop); err != nil {
			d.tries = append(d.tries[:i], d.tries[i+1:]...)
			a.close()
			d.failed(a, err)
			continue
		}
		i++
	}
	for _, l := range d.lookups {
		l.SetNotify(d.notify(loop))
	}
	if !d.deadline.IsZero() {
		loop.Defer(&d.wake)
	}
}

func (d *Dialer) Detach() {
	d.loop = nil
	d.leave()
	for _, a := range d.tries {
		a.reg.Detach()
	}
	for _, l := range d.lookups {
		l.SetNotify(nil)
	}
}

func (d *Dialer) now() time.Time {
	if d.loop != nil {
		return d.loop.Now()
	}
	return d.how.Kernel.Now()
}

// Debug prints how far it is.
func (d *Dialer) Debug(w io.Writer) {
	if d.deadline.IsZero() {
		fmt.Fprintf(w, "connect to %v within %v%s\n", d.target, d.target.Timeout, word(d.target.Retry, ", with retries"))
		return
	}
	fmt.Fprintf(w, "connecting: round %d, %d names to resolve, %d addresses to try, gives up in %v\n",
		d.round, len(d.lookups), len(d.addrs), d.deadline.Sub(d.now()).Round(time.Millisecond))
	for _, a := range d.tries {
		fmt.Fprintf(w, "\ttrying %v\n", a.addr)
	}
	if d.err != nil {
		fmt.Fprintf(w, "\tlast: %v\n", d.err)
	}
}
