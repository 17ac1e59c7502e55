// Package transport carries whole messages over any IO, and knows nothing of what they say.
//
//	     user                                        user
//	      │ Message                                   │ Answer
//	┌─────┴──────┐      ┌──────────┐      ┌───────────┴──────────┐
//	│ Port, Conn │      │ Exchange │      │ Peer, Pool, Call      │
//	│ from peers │      │ duplicate│      │ to a peer             │
//	└─────┬──────┘      └──────────┘      └───────────┬──────────┘
//	    frio.IO                                     frio.IO
//
// A Conn is one IO with its messages: what a stream brings is cut by a Framer, a datagram is a message. Messages are read into the
// ring of the lane's queue.Set without a copy. What is sent in a turn of the loop leaves at its end, in one call for each connection: one for all
// datagrams of a socket, one for all of a stream; a layer gets one Write for each message, so that TLS puts each into a record of its own.
//
// A Port is a listening IO: it accepts, gives each Conn to the thread that the pool finds for it, and rests where accepting fails.
//
// A Pool is the connections of one thread to one Peer: they are opened on first use, as many as the requests need and the peer's budgets,
// which all threads share, allow. A Call is one request under way on one of them. When its connection dies, or nobody is there, its owner is
// told at once.
//
// An Exchange is a request that came, until its answer is forgotten: a Table finds the duplicate by who sent it.
//
// # Threads
//
// A Lane is what all of this shares on one thread. Everything of it, and of what lives on it, belongs to that thread; Peer, Lanes and what says so
// may be used from any.
package transport
