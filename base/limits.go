package base

import (
	"sync/atomic"
	"time"
)

// Limits are the keys of `limit { }` in a listen that a stream method honours. A duration of 0 is `never`,
// a count of 0 is `unlimited`.
type Limits struct {
	MaxConnections          int           `conf:"max_connections,min=1,max=1000000,unlimited"`
	MaxConnectionsPerSource int           `conf:"max_connections_per_source,min=1,max=1000000,unlimited"`
	FirstByteTimeout        time.Duration `conf:"first_byte_timeout,min=1ms,max=24h,never"`
	IdleTimeout             time.Duration `conf:"idle_timeout,min=1ms,max=8760h,never"`
	Lifetime                time.Duration `conf:"lifetime,min=1ms,max=8760h,never"`
	WriteTimeout            time.Duration `conf:"write_timeout,min=1ms,max=24h,never"`
}

// DefaultLimits are those of a listen without a limit section.
func DefaultLimits() Limits { return Limits{MaxConnections: 1024} }

// Counts are what a listener and its children have counted. Thread: any.
type Counts struct {
	Accepted  atomic.Uint64 // connections given to the caller of Accept
	Denied    atomic.Uint64 // closed unread: networks, peercred or Admit
	PerSource atomic.Uint64 // closed unread: max_connections_per_source
	Aborted   atomic.Uint64 // gone before they were accepted
	Exhausted atomic.Uint64 // accept met a lack of descriptors or memory
	Full      atomic.Uint64 // accept was put off: max_connections
	Timeouts  atomic.Uint64 // children closed by a limit of time
}
