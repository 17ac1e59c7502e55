// Package frio is the vocabulary of an IO layer for protocol servers: IO, its results and abilities, and Parse, which makes an
// IO of a section of a configuration. It opens nothing itself.
//
// An IO is one end of a path: a socket, or a layer on another IO. What stands below what is a name: in `tls+tcp` tls is
// the upper, tcp the lower. Methods register themselves; import package all for their effect.
//
// # Threads
//
// An IO, its context and its loop belong to one goroutine, and nothing here locks. What may be called from any goroutine says
// so; there are few: event.Loop.Post and Stop, Register. With -race or -tags friocheck a breach panics and names both sides.
//
// # Races a caller can fall into
//
// A callback may come although there is nothing: Read says ErrAgain then. A callback that does not drain is called again
// in the next turn. After Close, and after a wish was removed, no callback comes, not even one whose event was fetched before.
package frio
