// Package tls is the layer tls: TLS over any stream, by crypto/tls, and DTLS over any datagrams, by tls/dtls, both with the same
// keys of `tls { }`.
//
//	listen radsec {
//		protocol = tls+tcp
//		tcp {
//			ipaddr = *
//			port = 2083
//		}
//		tls {
//			certificate_file = server.pem
//			private_key_file = server.key
//			ca_file = ca.pem
//			require_client_cert = yes
//		}
//		limit {
//			handshake_timeout = 10s
//			max_handshakes = 1024
//		}
//	}
//
// Nothing of it blocks, and nothing runs but what its loop calls: a handshake is a coroutine that is resumed when there is a
// record. A failed handshake is a *HandshakeError of Connect, Read and Write, with its Cause.
package tls

import (
	"fmt"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/tls/dtls"
)

func init() {
	frio.Register(frio.Method{Name: "tls", Layer: true, Parse: parse})
}

// Defaults of `limit { }`.
const (
	handshakeTimeout = 10 * time.Second
	maxHandshakes    = 1024
)

// limitConfig is what a listen honours of `limit { }` by this layer alone.
type limitConfig struct {
	HandshakeTimeout time.Duration `conf:"handshake_timeout,min=1ms,max=24h,never"`
	MaxHandshakes    int           `conf:"max_handshakes,min=1,max=1000000,unlimited"`
}

// byteLimits are the limits of application bytes. The layers below take these keys as well, for their own bytes.
type byteLimits struct {
	FirstByteTimeout time.Duration `conf:"first_byte_timeout,min=1ms,max=24h,never"`
	IdleTimeout      time.Duration `conf:"idle_timeout,min=1ms,max=8760h,never"`
	Lifetime         time.Duration `conf:"lifetime,min=1ms,max=8760h,never"`
}

// byteLead is how much earlier idle_timeout and lifetime end a connection here than below, where the same time-outs know no
// close_notify.
const byteLead = 10 * time.Millisecond

func ahead(d time.Duration) time.Duration { return max(d-byteLead, d/2) }

func parse(ctx *talloc.Context, cs *conf.Section, role frio.Role, lower frio.IO) (frio.IO, error) {
	kind := lower.Kind()
	set, err := parseSettings(cs, role, kind)
	limits, bytes, limitErr := parseLimits(cs, role, kind)
	mistakes := base.Join(cs, err, limitErr)
	if role == frio.Server && kind == frio.Datagram {
		mistakes = base.Join(cs, mistakes, askGate(cs, lower))
	}
	if mistakes != nil || !frio.Parsed(lower) {
		return nil, mistakes
	}
	kernel := sock.KernelOf(ctx)
	set.clock = kernel.Now
	how := newShared(set, kernel, kind, limits.HandshakeTimeout,
		base.Limits{FirstByteTimeout: bytes.FirstByteTimeout, IdleTimeout: ahead(bytes.IdleTimeout), Lifetime: ahead(bytes.Lifetime)},
		limits.MaxHandshakes)
	if role == frio.Client {
		c, err := newClient(ctx, how, lower)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	return listen(ctx, how, lower)
}

// parseLimits takes the keys of `limit { }`. What is wrong with a key that a stream below takes too is reported there.
func parseLimits(cs *conf.Section, role frio.Role, kind frio.Kind) (l limitConfig, b byteLimits, err error) {
	l = limitConfig{HandshakeTimeout: handshakeTimeout, MaxHandshakes: maxHandshakes}
	if role == frio.Client {
		return l, b, nil
	}
	sub, _ := cs.TakeSection("limit") // a second one is reported by the base method
	if sub == nil {
		return l, b, nil
	}
	err = sub.Decode(&l)
	if bytesErr := sub.Decode(&b); kind == frio.Datagram {
		err = base.Join(sub, err, bytesErr)
	}
	return l, b, err
}

// listen stands on a listener, or on each of its shards.
func listen(ctx *talloc.Context, how *shared, lower frio.IO) (frio.IO, error) {
	gate := func(*Listener) error { return nil }
	if how.kind == frio.Datagram {
		keys, err := dtls.NewCookieKeys(nil)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		gate = func(l *Listener) error { return l.setGate(keys) }
	}
	if s, ok := lower.(frio.Sharder); ok {
		whole, err := newSharded(ctx, how, lower, s.Shards(), gate)
		if err != nil {
			return nil, err
		}
		return whole, nil
	}
	l, err := newListener(ctx, how, lower)
	if err != nil {
		return nil, err
	}
	if err := gate(l); err != nil {
		return nil, err
	}
	return l, nil
}
