package queue_test

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/queue"
	"github.com/frio-io/frio/talloc"
)

// system is the machine's clock, poller and resolver.
type system struct{}

func (system) Now() time.Time                   { return time.Now() }
func (system) NewPoller() (event.Poller, error) { return event.NewPoller() }
func (system) Lookup(host string, notify func()) event.Lookup {
	return event.NewLookup(host, notify)
}

// request is what a header carries besides the data.
type request struct{ client string }

// worker handles requests on a loop of its own.
type worker struct{ loop *event.Loop }

func (w *worker) Message(m queue.Message[request]) {
	fmt.Printf("%s: %s\n", m.Value().client, m.Data())
	m.Done() // the memory goes back to who made it
}

func (w *worker) Ended()           { w.loop.Stop() }
func (w *worker) Describe() string { return "worker" }

// One thread reads messages, another works on them.
func Example() {
	root := talloc.Root("worker")
	defer root.Free()
	loop, err := event.New(root, system{}, event.Config{Name: "worker"})
	if err != nil {
		fmt.Println(err)
		return
	}
	requests, err := queue.NewMPSC[queue.Message[request]](root, queue.Depth)
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver := queue.NewReceiver(loop, requests, &worker{loop}, 0)

	go read(receiver)
	if err := loop.Run(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 192.0.2.1: hello
}

// read is the network thread: it owns the memory.
func read(receiver *queue.Receiver[queue.Message[request]]) {
	defer receiver.Close() // what was sent is handled, then Ended is called
	root := talloc.Root("network")
	defer root.Free()
	set, err := queue.NewSet[request](root, queue.Headers, queue.RingBytes)
	if err != nil {
		fmt.Println(err)
		return
	}
	socket := strings.NewReader("hello")
	for {
		buf, err := set.Reserve(4096, 1) // the most that may come
		if err != nil {
			fmt.Println(err) // EAGAIN: all memory is in use
			return
		}
		n, err := socket.Read(buf)
		if err == io.EOF {
			return
		}
		m := set.Commit(n) // what came
		m.Value().client = "192.0.2.1"
		if receiver.Send(m) != nil {
			m.Done() // full or closed: it is still ours
		}
	}
}
