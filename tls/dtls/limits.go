package dtls

import (
	"crypto/sha256"
	"time"
)

// Limits of everything that a peer can make grow. An association before its end of handshake holds at most
// maxReassembly + maxEarlyBytes of its peer's bytes, and one that is open at most one datagram.
const (
	maxPlaintext = 1 << 14 // bytes in a record; RFC 5246, Section 6.2.1

	// A hello may not be fragmented (the gate keeps no state), so it fits a datagram: 1500 and some room.
	maxHello = 2048
	// MaxServerName is the longest name of a server that is taken, in bytes: RFC 1035, Section 2.3.4.
	MaxServerName = 255
	// A chain of maxCertificates at about 3 KiB each.
	maxCertificateMessage = 32 << 10
	// certificate_authorities of some hundred names.
	maxCertificateRequest = 16 << 10
	// A point, a scheme and an RSA signature of 8192 bits, with room.
	maxSmallMessage = 2 << 10
	maxTicketIn     = 4 << 10
	maxCertificates = 10
	maxRSABits      = 8192 // what a signature check may cost

	maxAhead      = 8  // handshake messages kept before their turn
	maxParts      = 16 // parts of one message that are apart from each other
	maxReassembly = maxCertificateMessage + maxCertificateRequest + 4*maxSmallMessage

	maxEarly      = 8       // records of epoch 1 kept before its keys
	maxEarlyBytes = 8 << 10 // a Finished, and a record or two of 4096 bytes

	maxWarnings       = 16 // warning alerts between two application records
	maxUseless        = 32 // empty and other useless records between two of them; repeated flights leave up to maxPeerRetransmits
	maxRefusals       = 4  // renegotiations answered by no_renegotiation
	maxHelloVerify    = 4  // cookies that a client accepts for one hello
	maxHelloSeq       = 16 // message_seq of a server's first hello: so many cookies went before it
	maxFirstRecordSeq = 1 << 40

	// Of a ticket: version, suite, end, master secret, name and the hash of the client's chain.
	maxTicketPlain = 1 + 2 + 8 + masterLen + 1 + MaxServerName + 1 + sha256.Size
	// A ticket comes back in a hello, which has to fit one datagram. With the longest name a ticket has 392 bytes: with that name and
	// some 300 bytes of other fields about 950, of the 1232 that an IPv6 packet of 1280 leaves to UDP.
	maxTicketOut   = ticketNameLen + ticketNonceLen + maxTicketPlain + ticketTagLen
	ticketLifetime = 24 * time.Hour

	// What a server keeps for tickets: a chain of 16 KiB is one of four certificates with keys of RSA-8192 and long names; 32 MiB
	// is 13000 of two certificates with RSA-2048. An association that is open has its chain from there, not beside it.
	maxChainKept  = 16 << 10
	maxChainsKept = 32 << 20
	chainOverhead = 512 // of each: slices for maxCertificates, entries of map and list

	minMTU     = 256
	defaultMTU = 1200

	maxPeerRetransmits = 16 // flights repeated because the peer repeats its own

	// RFC 6347, Section 4.2.4: the side that sent the last flight answers a repeated one for twice the
	// maximum segment lifetime of 2 minutes.
	lastFlightTime = 4 * time.Minute

	// Limits of one key. 2^24.5 records of 2^10 blocks is the confidentiality limit of AES-GCM for full
	// records (RFC 9147, Section 4.5.3, and RFC 8446, Section 5.5); counted in blocks of 16 bytes, so that
	// short records do not end an association early. 2^36 forged records is the integrity limit.
	maxBlocks = 23726566 << 10
	maxForged = 1 << 36
	maxSeq    = 1<<48 - 1
)
