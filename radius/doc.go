// Package radius reads, checks, relays and builds RADIUS packets (RFC 2865) as byte slices. It does no IO, keeps no packet, and
// allocates nothing to check, read or re-sign one.
//
//	p, err := radius.Parse(datagram)                  // lengths
//	err = client.CheckRequest(p, true)                // authenticators, with the client's secret
//	out, err := radius.AppendRequest(buf[:0], p, client, home, &radius.Forward{ID: 7, Authenticator: random})
//	...
//	err = home.CheckReply(reply, out[4:20], true)
//	back, err := radius.AppendReply(buf[:0], reply, home, client, &radius.Answer{Request: p, HomeRequest: out[4:20]})
//
// A Packet is what Parse returned: everything else in this package may be called with it, and with nothing else. It aliases the
// bytes that were given, and so do the values found in it.
//
// Errors about received bytes are fixed values of type *Error, one for each Reason, because a peer can cause them at line rate: count
// them by reason.
//
// Keys are the states of one shared secret. They hold scratch memory: one thread at a time, so each thread has its own.
package radius
