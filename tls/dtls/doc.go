// Package dtls is DTLS 1.2 (RFC 6347) without IO: datagrams and the time go in, datagrams come out, on the cryptography
// of the standard library, and ChaCha20-Poly1305 of golang.org/x/crypto, which is the same code exported. It has no goroutine, no timer and no global state but a pool of buffers.
//
// What it speaks: ECDHE with X25519 and P-256, AES-GCM (RFC 5288, RFC 5289) and ChaCha20-Poly1305 (RFC 7905); ECDSA,
// RSA (PSS and PKCS #1) and Ed25519 certificates on both sides; extended master secret, which is required (RFC 7627);
// ALPN, SNI, session tickets (RFC 5077). It has no renegotiation, no compression, no connection IDs, no DTLS 1.3.
//
// # Driving an engine
//
//	e, err := dtls.NewClient(config)
//	err = e.Start(now)
//	for {
//		for _, d := range e.Out() {
//			send(d)
//		}
//		e.Sent(now)
//		// then wait for a datagram, or for e.Deadline()
//		if timeout {
//			err = e.Expire(now)
//		} else {
//			_, err = e.Feed(now, datagram)
//		}
//		for e.Held() {
//			n, err := e.Read(buf)
//		}
//	}
//
// After each Start, Feed, Expire, Resume, Read and CloseNotify look at Out and State. With Open, Seal makes the datagrams of
// application data, one record each, of up to 16384 bytes. Out comes before what Seal makes: it has the Finished.
//
// # Server
//
// A datagram of an unknown peer, and one that IsHello of a known peer, goes through a Gate first, which keeps nothing and
// answers first hellos by a cookie. Only what it accepts gets an engine, which is fed that same datagram:
//
//	reply, verdict, random := gate.Check(now, peer, local, datagram, scratch)
//	switch {
//	case verdict == dtls.Reply:
//		send(reply)
//	case verdict == dtls.Accept && (child == nil || child.ClientRandom() != random):
//		child, err = dtls.NewServer(config) // the old one of this peer, if any, is over
//		child.Feed(now, datagram)
//	case verdict == dtls.Accept:
//		child.Feed(now, datagram) // a repeated hello
//	}
//
// # Races a caller can fall into
//
// An engine belongs to one thread, and a Gate too; Config, TicketKeys, SessionCache and CookieKeys are shared. Feed takes
// nothing while a record is held or a callback is pending: it returns 0, and the datagram has to be kept or dropped.
// A peer that goes away in silence leaves its engine open for ever: the caller needs an idle limit.
package dtls
