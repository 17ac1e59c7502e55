// Package event is the event list: file descriptors, timers, deferred and posted work, one loop for
// one goroutine.
//
//	root := talloc.Root("thread 1")
//	loop, err := event.New(root, sock.System, event.Config{Name: "thread 1"})
//	...
//	var fd event.FD // usually embedded in what it belongs to
//	fd.Init(descriptor, handler)
//	err = fd.Attach(loop)
//	err = fd.Want(event.Read)
//	err = loop.Run() // until Stop
//	root.Free()
//
// # One turn
//
// A turn does, in this order:
//
//  1. changes of wishes are applied to the poller
//  2. it waits: not at all if tasks are deferred, functions posted, or a timer is due; else until the
//     nearest timer, an event, or a wake-up; with Config.Coalesce a busy loop first lets events come together
//  3. the clock is read: this is Now for the rest of the turn
//  4. descriptors: at most 256 events
//  5. posted functions: those that were there when this step began
//  6. timers: those due at Now when this step began, the earliest first, and of equal ones the one set first
//  7. deferred tasks: those that were there when this step began
//
// So a callback sees the effects of all that came before it, and what it adds to its own step is for
// the next turn: no callback can keep a turn from ending.
//
// # What a caller can fall into
//
//   - Events that were fetched together are handled one after the other; a handler may detach, close and
//     reopen what a later event of the batch was for. Detach before close(2): from then on nothing that
//     was fetched reaches the handler, also if the descriptor's number is in use again.
//   - Readiness is level-triggered: a handler that wants Read and does not read is called every turn.
//     What lies in a buffer of one's own is not seen by the poller: Defer a Task to go on.
//   - All but Post, Stop, Poller.Wake and Lookup belongs to the loop's goroutine. Builds with -race or
//     -tags friocheck find a breach.
//   - The memory that Scratch returns is whoever's callback runs. Those builds overwrite it after a turn.
//   - A panic in a callback comes out of Turn as a *Panic that names whose callback it was.
package event
