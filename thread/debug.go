package thread

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/frio-io/frio"
)

// debugWait is how long Debug waits for a thread to tell what it has.
const debugWait = time.Second

// Debug writes which thread has what: its numbers, and the IOs that live on it, without what is below them. Of a thread that does not answer
// within a second only the numbers. Thread: any that is not the pool's.
func (p *Pool) Debug(w io.Writer) {
	p.mu.Lock()
	all := append([]*Thread(nil), p.all...)
	p.mu.Unlock()
	for _, t := range all {
		s := t.Stats()
		fmt.Fprintf(w, "thread %s: members %d, arrived %d, left %d, sent %d, refused %d, waiting %d\n",
			t.name, s.Members, s.Arrived, s.Left, s.Sent, s.Refused, s.Waiting)
		text := make(chan []byte, 1)
		if t.Send(func() { text <- t.describe() }) != nil {
			continue
		}
		timer := time.NewTimer(debugWait)
		select {
		case b := <-text:
			_, _ = frio.Indent(w).Write(b)
		case <-timer.C:
			fmt.Fprintln(frio.Indent(w), "it does not answer")
		case <-t.ended:
		}
		timer.Stop()
	}
}

// describe names the members, the oldest first.
func (t *Thread) describe() []byte {
	var b bytes.Buffer
	list := t.list()
	for i := len(list) - 1; i >= 0; i-- {
		fmt.Fprintln(&b, list[i].io.Describe())
	}
	return b.Bytes()
}
