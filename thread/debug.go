package thread

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/frio-io/frio"
)

const (
	// debugWait is how long Debug waits for a thread to tell what it has.
	debugWait = time.Second
	// debugMax is how many members of one thread are named: more would hold it up, and nobody reads them.
	debugMax = 256
)

// Debug writes which thread has what: its numbers, and the IOs that live on it, the oldest first, without what is below them. A User that has a
// method Describe() string says what its IO is called. Of a thread that does not answer within a second only the numbers. Thread: any
// that is not the pool's.
func (p *Pool) Debug(w io.Writer) {
	p.mu.Lock()
	all := append([]*Thread(nil), p.all...)
	p.mu.Unlock()
	for _, t := range all {
		s := t.Stats()
		fmt.Fprintf(w, "thread %s: members %d, arrived %d, left %d, sent %d, refused %d, told %d, waiting %d, wakes %d\n",
			t.name, s.Members, s.Arrived, s.Left, s.Sent, s.Refused, s.Told, s.Waiting, s.Wakes)
		in := frio.Indent(w)
		text := make(chan []byte, 1)
		// Not by Send: it shows a thread whose mailbox is full, and Stop counts it not.
		if t.loop.Post(func() { text <- t.describe() }) != nil {
			continue
		}
		timer := time.NewTimer(debugWait)
		select {
		case b := <-text:
			_, _ = in.Write(b)
		case <-timer.C:
			fmt.Fprintln(in, "it does not answer")
		case <-t.ended:
		}
		timer.Stop()
	}
}

// describe tells what the thread's loop has done, and names the members. Thread: this.
func (t *Thread) describe() []byte {
	var b bytes.Buffer
	s := t.loop.Stats()
	fmt.Fprintf(&b, "loop: turns %d, waits %d, rests %d, events %d, posted %d, timers %d, deferred %d, closing %d, given up %d with %d bytes unsent\n",
		s.Turns, s.Waits, s.Rests, s.Events, s.Posted, s.Timers, s.Deferred, s.Lingering, s.Aborted, s.UnsentBytes)
	list := t.list()
	for i := len(list) - 1; i >= 0 && len(list)-i <= debugMax; i-- {
		one := list[i]
		name := one.io.Describe
		if named, ok := one.user.(interface{ Describe() string }); ok {
			name = named.Describe
		}
		fmt.Fprintln(&b, name())
	}
	if n := len(list) - debugMax; n > 0 {
		fmt.Fprintf(&b, "and %d more\n", n)
	}
	return b.Bytes()
}
