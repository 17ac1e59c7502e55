// Package thread runs IOs on several threads: network threads, which own sockets, and worker threads, for an application's slow work.
// A thread is a goroutine with an event.Loop, a context that owns its memory, and a mailbox of bounded depth.
//
//	pool, err := thread.New(thread.Config{}) // one network thread per core
//	...
//	pool.Start()
//	first := pool.Threads()[0]
//	first.Send(func() {
//		// Here listener, parsed and opened in ctx, joins; its user accepts in Attach's callback:
//		// child, err := listener.Accept(session); first.Add(child, session, m, user)
//		m, err := first.Add(listener, ctx, nil, user)
//	})
//	...
//	cut, err := pool.Stop(5 * time.Second)
//
// # Who may call what from where
//
// One rule holds for all: an IO, its context, its loop and its timers belong to one thread, and only callbacks on that thread
// touch them. Everything else is sent there.
//
//	                                from anywhere    on the member's thread
//	Pool, except Start and Spread   x                Stop, Remove and Debug wait, so they must come from another goroutine
//	Pool.Spread                     the thread of the listener, which is none of the pool's
//	Shards.End                      x
//	Thread.Send, Stats, Name        x
//	Thread.Root, Loop                                x (Loop().Post: from anywhere)
//	Thread.Add                                       x, not inside a callback of the IO itself
//	Member.Move, End, Thread        x
//	Member.IO, Context, Loop                         x
//	User.Attach, Detach, End                         called there
//	the IO's own operations                          x
//
// An accepted child is placed when it is added: what was its caller's before Add is the pool's after, and the child may be running
// on another thread before Add returns. Nothing that the child's User has may be touched any more by who added it.
//
// # How a member moves
//
//	old thread                                 new thread
//	User.Detach
//	IO.Event(nil, nil, nil)
//	Context.Detach ────── mailbox ──────────>  Root.Adopt
//	                                           IO.Event(loop, nil, nil)
//	                                           User.Attach
//
// A place in the mailbox is taken before anything else, so a move that has begun is never refused: Move and Send give ErrAgain while the
// mailbox is full, and a child is placed elsewhere then. Moves are done between callbacks, never inside one of the IO. What lies in the
// IO, read and not delivered or written and not sent, goes with it; so do deadlines, a handshake and an end that nobody has seen.
//
// A datagram child that lives on its parent's descriptor (frio.Tied) moves with its parent only.
//
// # Shards
//
// A listen with several sockets (frio.Sharder) is opened on the thread that parsed it; Spread makes each socket, with all layers on it, a member on
// a thread of its own. From there on the whole is not called any more: each shard is accepted from, moved and closed by itself, with its
// children, and Shards.End is the close of the whole.
//
// # Parents and children
//
// A listener and its children may be on different threads from the start. Between them stands, for each layer, a link: it tells the parent,
// on the parent's thread, that the child is gone or a slot is free, and the child, on the child's, that the parent has closed. What is to be told is a
// state of the pool's own records, not a message in the bounded mailbox: it is never lost or refused, and takes no memory. A parent that closes
// is told of nothing any more, and its context may be freed at once. Limits need no messages: they are atomic budgets, taken before accept.
//
// So Close of a parent returns before its children on other threads are closed. User.End tells each of them, on its thread.
//
// # What a caller can fall into
//
//   - A User that closes its IO must free the context: that is the end of the member. Stop waits for it.
//   - User.End may come for an IO that is closed, if the user has not freed the context by then.
//   - A callback that blocks stalls all that its thread has, and only that: slow work belongs to a worker, by Send, and its answer
//     back by Send to where Member.Thread says. The member may have moved meanwhile: the function asks Member.Thread again, and sends itself on.
//   - In builds with -race or -tags friocheck a breach of the rule panics with the name of the IO and the stacks of both goroutines. Other builds
//     do not look.
package thread
