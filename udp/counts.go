package udp

import (
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
)

// Counts are what a socket has counted since it was made, its children included, connected ones when they have ended. Thread: any.
type Counts struct {
	In, Out           atomic.Uint64 // datagrams received, but for those that were denied, and sent
	BytesIn, BytesOut atomic.Uint64
	Empty             atomic.Uint64 // received without content, and passed over by Read
	TooLong           atomic.Uint64 // dropped: longer than the reader's buffer
	Denied            atomic.Uint64 // dropped: networks
	Foreign           atomic.Uint64 // not from the connected peer: dropped by a Client, sent to its owner by a child
	Errors            Errors        // of the system's calls; each cost at most one datagram

	// Of a listener with children:

	Gate        atomic.Uint64 // dropped: the gate said so
	Replies     atomic.Uint64 // sent for the gate
	RepliesLost atomic.Uint64 // the gate's that could not be sent
	Full        atomic.Uint64 // dropped: max_children
	Held        atomic.Uint64 // dropped: too much waits for children that nobody accepts
	Inbox       atomic.Uint64 // dropped: the child's inbox was full
	NoMemory    atomic.Uint64 // children that Accept could not make: a limit of their context
	Accepted    atomic.Uint64 // children given to the caller of Accept
	Replaced    atomic.Uint64 // children that ended for a fresh one of the same peer
	Timeouts    atomic.Uint64 // children that ended by a limit of time
	Returned    atomic.Uint64 // given back unread by connected children that ended
	Unread      atomic.Uint64 // dropped: the second child in turn was closed without reading it
	Early       atomic.Uint64 // dropped: came while the shards were being opened
}

// errnoKinds is how many different errnos are told apart: a socket seldom meets more than three.
const errnoKinds = 8

// Errors counts errors by their errno. Thread: any.
type Errors struct {
	kinds [errnoKinds]errnoCount // in the order in which they first came
	other atomic.Uint64          // those that came when kinds was used up, and what is no errno
}

type errnoCount struct {
	errno atomic.Uint32 // 0: free
	count atomic.Uint64
}

func (e *Errors) add(err error) {
	errno, _ := err.(syscall.Errno)
	e.addCount(errno, 1)
}

// addCount adds count to errno's, 0 for what is no errno.
func (e *Errors) addCount(errno syscall.Errno, count uint64) {
	if errno == 0 {
		e.other.Add(count)
		return
	}
	for i := range e.kinds {
		k := &e.kinds[i]
		if k.errno.CompareAndSwap(0, uint32(errno)) || k.errno.Load() == uint32(errno) {
			k.count.Add(count)
			return
		}
	}
	e.other.Add(count)
}

// Count returns how often errno came.
func (e *Errors) Count(errno syscall.Errno) uint64 {
	for i := range e.kinds {
		if e.kinds[i].errno.Load() == uint32(errno) {
			return e.kinds[i].count.Load()
		}
	}
	return 0
}

// Each gives every errno that came, with its count; errno 0 stands for all others.
func (e *Errors) Each(visit func(errno syscall.Errno, count uint64)) {
	for i := range e.kinds {
		if errno := e.kinds[i].errno.Load(); errno != 0 {
			visit(syscall.Errno(errno), e.kinds[i].count.Load())
		}
	}
	if n := e.other.Load(); n > 0 {
		visit(0, n)
	}
}

// debug prints what is not zero.
func (c *Counts) debug(w io.Writer) {
	fmt.Fprintf(w, "in %d datagrams, %d bytes; out %d datagrams, %d bytes\n",
		c.In.Load(), c.BytesIn.Load(), c.Out.Load(), c.BytesOut.Load())
	for _, one := range []struct {
		name  string
		count *atomic.Uint64
	}{
		{"empty", &c.Empty},
		{"dropped, longer than the reader's buffer", &c.TooLong},
		{"dropped by networks", &c.Denied},
		{"of foreign peers", &c.Foreign},
		{"dropped by the gate", &c.Gate},
		{"replies of the gate", &c.Replies},
		{"replies of the gate that could not be sent", &c.RepliesLost},
		{"dropped at max_children", &c.Full},
		{"dropped, too much waiting for Accept", &c.Held},
		{"dropped, inbox full", &c.Inbox},
		{"children without memory", &c.NoMemory},
		{"children accepted", &c.Accepted},
		{"children replaced", &c.Replaced},
		{"children timed out", &c.Timeouts},
		{"given back unread", &c.Returned},
		{"dropped unread", &c.Unread},
		{"dropped while opening", &c.Early},
	} {
		if n := one.count.Load(); n > 0 {
			fmt.Fprintf(w, "%s: %d\n", one.name, n)
		}
	}
	c.Errors.Each(func(errno syscall.Errno, count uint64) {
		name := "other errors"
		if errno != 0 {
			name = errno.Error()
		}
		fmt.Fprintf(w, "errors, %s: %d\n", name, count)
	})
}

// add adds what o has counted.
func (c *Counts) add(o *Counts) {
	for _, one := range []struct{ to, from *atomic.Uint64 }{
		{&c.In, &o.In}, {&c.Out, &o.Out}, {&c.BytesIn, &o.BytesIn}, {&c.BytesOut, &o.BytesOut},
		{&c.Empty, &o.Empty}, {&c.TooLong, &o.TooLong}, {&c.Foreign, &o.Foreign}, {&c.Inbox, &o.Inbox},
		{&c.Returned, &o.Returned}, {&c.Unread, &o.Unread},
	} {
		if n := one.from.Load(); n > 0 {
			one.to.Add(n)
		}
	}
	o.Errors.Each(func(errno syscall.Errno, count uint64) { c.Errors.addCount(errno, count) })
}
