// Package base is what the base methods, tcp, udp and unix, share: what a listen and a home_server say of addresses, limits and buffers, and
// the streams that have a socket of their own.
//
//	Listener   an open socket that accepts, with its budget of max_connections and its pauses when descriptors run out
//	Conn       a stream, accepted or connecting; it keeps what the kernel does not take, up to a bound
//	Dialer     connects: names, several addresses, time-outs
//	Sharded    several sockets that are one listener
//	Deadlines  idle_timeout, lifetime and the like, as one next deadline
//
// All of it belongs to the thread of the loop where it is; a listener and its children may be on different ones. The memory is that of the
// context that was given to Parse, Accept or Copy, and ends with it: freeing the context closes. Errors are those of package frio.
package base
