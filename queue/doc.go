// Package queue brings messages from one thread to another: queues of fixed depth without locks, and the memory for what goes
// through them.
//
//	network thread (originator)                          worker thread
//
//	set.Reserve, Read, set.Commit
//	receiver.Send(m) ── MPSC or SPSC ── woken once ────> handler.Message(m)
//	                                                     m.Data(), m.Value()
//	set.Reserve takes it back <───────── atomic ──────── m.Done()
//
// An MPSC has many senders and one receiver; an SPSC one of each. Both are rings whose depth is given when they are made:
// a full one refuses with EAGAIN, it does not grow and nobody waits. A Receiver puts the receiving end on an event loop. A Set is a
// slab of headers and a ring of bytes for messages that are read from a socket by one thread and worked on by another, without a copy.
//
// # Who may call what from where
//
//	NewMPSC, NewSPSC, NewSet          the thread of the context that they are charged to
//	NewReceiver                       the thread of the loop
//	MPSC.Send, its Receiver's Send    any
//	SPSC.Send, its Receiver's Send    one thread, the sender
//	Receive, with a Receiver: never   one thread, the receiver
//	Close, Len, Cap, Refused, Wakes   any
//	Receiver.Recall                   the thread of the loop, or who clears up after it
//	Handler.Message, Ended            are called on the loop's thread
//	Set.Reserve, Skip, Commit         the originator
//	Message.Data, Value, Done         whoever holds the message: one thread at a time
//
// Sending gives away: what v points to belongs to the receiver once Send has returned nil, and to the sender still if it has
// returned an error. Whoever cannot send a Message calls its Done.
//
// # Order
//
// Messages of one sender are received in the order in which they were sent. Between senders, and between two queues, there is none.
// What a sender wrote before Send is seen by the receiver after Receive; what a holder read before Done was read before the originator
// uses the memory again.
//
// # Waking
//
// A receiver that finds nothing is idle from then on, and the one Send that finds it idle wakes it: one Loop.Post and one wake-up of
// the poller for a burst, and none while the receiver works. A Receiver handles a bounded number of messages in a turn of its loop and goes on in
// the next, so that sockets and timers have their turn.
//
// # What a caller can fall into
//
//   - Nobody is told that a full queue has room again: who gets EAGAIN tries in a later turn (a timer, or with its next
//     message), or drops and counts. Trying in a loop burns the processor that the receiver needs.
//   - Two threads that send to each other and each wait for room would wait for ever; so neither may wait.
//   - A message that is held long keeps the ring's memory of all that came after it: copy it out, and call Done.
//   - Done is for the last holder, once. A handle that was used up panics, also after its header serves another message; the slice that
//     Data returned does not know. Builds with -race or -tags friocheck overwrite it when it is taken back.
//   - Freeing a queue's context closes it and drops what is in it. To lose nothing, Close and wait for Ended, or Recall.
package queue
