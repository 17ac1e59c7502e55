package event_test

import (
	"fmt"
	"time"

	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/talloc"
)

// system is the machine's clock, poller and resolver.
type system struct{}

func (system) Now() time.Time                   { return time.Now() }
func (system) NewPoller() (event.Poller, error) { return event.NewPoller() }
func (system) Lookup(host string, notify func()) event.Lookup {
	return event.NewLookup(host, notify)
}

// pinger is told of its timer and stops the loop.
type pinger struct {
	loop  *event.Loop
	timer event.Timer
}

func (p *pinger) Expire(time.Time) {
	fmt.Println("the timer")
	p.loop.Stop()
}

func (p *pinger) Describe() string { return "pinger" }

func Example() {
	root := talloc.Root("thread")
	defer root.Free() // closes the loop
	loop, err := event.New(root, system{}, event.Config{Name: "thread"})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := &pinger{loop: loop}
	p.timer.Init(p)
	p.timer.Set(loop, loop.Now().Add(time.Millisecond))
	loop.Post(func() { fmt.Println("posted") })
	if err := loop.Run(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// posted
	// the timer
}
