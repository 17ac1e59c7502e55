package event

import (
	"math"
	"net/netip"
	"time"
)

// Ready is what a file descriptor is ready for, or what somebody wants of it.
type Ready uint8

const (
	Read   Ready = 1 << iota // bytes, a connection, an end
	Write                    // room
	Hangup                   // HUP or ERR: reported unasked; serves as whatever is wanted
)

// wishes is what can be wanted.
const wishes = Read | Write

// String prints "read", "write", "hangup", joined by "+".
func (r Ready) String() string {
	text := ""
	for i, name := range [...]string{"read", "write", "hangup"} {
		if r&(1<<i) == 0 {
			continue
		}
		if text != "" {
			text += "+"
		}
		text += name
	}
	if text == "" {
		return "nothing"
	}
	return text
}

// System is what a loop runs on: the real one or a simulated one. sock.Kernel contains it.
type System interface {
	// Now is the time. Its differences are monotonic. Thread: any.
	Now() time.Time
	// NewPoller makes the poller of one loop.
	NewPoller() (Poller, error)
	// Lookup starts to resolve a host name. notify, if not nil, is called once when the result is there, from any
	// goroutine (also from this one, before Lookup returns), unless the Lookup was cancelled before. It never
	// blocks. Thread: any.
	Lookup(host string, notify func()) Lookup
}

// Lookup is a name resolution under way.
type Lookup interface {
	// Result returns EAGAIN while it is on its way, and net.ErrClosed after Cancel. Nobody may change what it
	// returns. Thread: any.
	Result() ([]netip.Addr, error)
	// SetNotify replaces notify (nil: none); if the result is there already the new one is called at once.
	SetNotify(notify func())
	// Cancel gives it up: notify is not called after Cancel has returned, unless it is running.
	Cancel()
}

// Poller watches file descriptors for one loop. All but Wake belong to the loop's thread.
//
// The file of each system (poll_epoll.go, poll_kqueue.go, poll_poll.go) defines
//
//	NewPoller() (Poller, error)	the system's poller
//
// whose methods do not allocate in steady state.
type Poller interface {
	// Add registers fd under id with wishes want (never 0).
	Add(fd int, id uint64, want Ready) error
	// Modify changes the wishes (never to 0: that is Remove).
	Modify(fd int, id uint64, want Ready) error
	Remove(fd int, id uint64) error
	// Wait fills batch with what is ready, waiting at most timeout (0: not at all, negative: for ever). It returns early on Wake.
	// Readiness is level-triggered. EINTR is an early return of 0. A timeout is rounded up, never down.
	Wait(batch []Event, timeout time.Duration) (count int, err error)
	// Rest does nothing for pause, or less. Neither readiness nor Wake ends it.
	Rest(pause time.Duration)
	// Wake ends a Wait under way or the next one. Thread: any.
	Wake() error
	Close() error
}

// Event is one report of a Poller. A descriptor may have several in a batch.
type Event struct {
	ID    uint64
	Ready Ready
}

// milliseconds gives a time-out to a system call that counts them: rounded up, since a wait that ends before
// the timer is due would be followed by another, of 0, over and over.
func milliseconds(timeout time.Duration) int {
	if timeout < 0 {
		return -1
	}
	ms := timeout / time.Millisecond
	if timeout%time.Millisecond != 0 {
		ms++
	}
	return int(min(ms, math.MaxInt32))
}
