// Package gateway relays RADIUS between clients and home servers, on any stacks: realms, pools, retransmissions, fail-over and what is
// hidden in packets. ARCHITECTURE.md follows one request through it.
//
//	ParseConfig    takes `client`, `home_server`, `home_server_pool`, `realm`, `rewrite` and `proxy` out of a configuration
//	New            makes a Gateway on the lanes of package transport, with a first configuration
//	NewListen      one `listen { }`, the User of its transport.Port
//	Load           another configuration: what is the same goes on. Listen.Announce before, and Listen.SetConfig after it, change a listen
//	Homes, Clients, Pools   what operators see, from any thread
//
// # Threads
//
// A branch is what a Gateway has on a lane. A request lives on the one that read it: its packet, its time-outs, its place in the table of duplicates, and
// the calls to home servers, for which each lane has connections of its own. Only a lane without a connection hands a call over. A port of a home
// server has one branch that decides whether it lives; the others read atomics. A configuration is immutable: requests see it through one atomic
// pointer.
//
// # Memory
//
// Requests come from a free list of their lane and keep a copy of the packet; what is read is valid until the callback returns. Nothing is allocated on
// the way of a request. Every table has a bound, and tells when it is full.
package gateway
