package sock

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/frio-io/frio"
)

// Op is what was tried when an errno came.
type Op uint8

const (
	OpAccept Op = iota + 1
	OpConnect
	OpReadStream
	OpWriteStream
	OpReadDatagram
	OpWriteDatagram
)

var opNames = [...]string{"", "accept", "connect", "read", "write", "read", "write"}

// String is the word for error texts: "accept", "connect", "read" or "write".
func (o Op) String() string { return opNames[o] }

// Class is what an errno means for whoever tried.
type Class uint8

const (
	ClassNone      Class = iota // no error
	ClassAgain                  // not now; the poller will tell
	ClassRetry                  // accept: that connection is gone, take the next one, within the turn's batch
	ClassExhausted              // accept: nothing to accept with; go on after a pause, no event comes for it
	ClassPacket                 // cost that one datagram, or told of an earlier one's fate; the socket goes on
	ClassBlocked                // as ClassPacket, but a queue below was full: it says nothing against the destination
	ClassReset                  // the connection is lost
	ClassRefused                // connect: this address does not take us, the next one may
	ClassFinal                  // our own mistake, or nothing that can be gone on with
)

var classNames = [...]string{"none", "again", "retry", "exhausted", "packet", "blocked", "reset", "refused", "final"}

func (c Class) String() string { return classNames[c] }

// Row is one line of the table of what each errno means.
type Row struct {
	Op     Op
	Errno  syscall.Errno // 0: every errno without a row of its own
	Class  Class
	Reason string
}

// Table returns a copy of the whole table.
func Table() []Row { return append(append([]Row(nil), rows...), systemRows...) }

const (
	again      = "nothing there, or no room, at this moment"
	signal     = "the Kernel repeats interrupted calls; one that comes out is tried again"
	ours       = "a wrong descriptor or address is a mistake in this program, and would repeat for ever"
	waiting    = "accept(2): an error of the connection that was waiting, not of the listener"
	noMemory   = "there is no event for free memory or descriptors, so waiting for readiness would spin"
	notThere   = "this address cannot be reached; another one of the peer's may"
	notAllowed = "a firewall, or the rights of a socket file, forbid this address"
	lost       = "the peer or the path is gone, and with it what was on the way"
	loner      = "a connection that lost its memory cannot tell what it lost, and no event comes when there is some"
	icmp       = "the answer of the network to an earlier datagram, told once; the socket is as good as before"
	thisOne    = "the destination or the source of this datagram is at fault, or a firewall on the way"
	tooLong    = "longer than the path or the socket takes"
)

// rows is the policy: at most one row for an errno and operation, and one with Errno 0 for each operation.
// A datagram socket never ends by what comes from the network, and neither does a listener.
var rows = []Row{
	{OpAccept, 0, ClassExhausted, "a listener is closed by order only: what is not known is tried again, after a pause so that it cannot spin"},
	{OpAccept, syscall.EAGAIN, ClassAgain, again},
	{OpAccept, syscall.EINTR, ClassAgain, signal},
	{OpAccept, syscall.ECONNABORTED, ClassRetry, "the peer gave up while it waited"},
	{OpAccept, syscall.ECONNRESET, ClassRetry, "the peer gave up while it waited"},
	{OpAccept, syscall.EPROTO, ClassRetry, waiting},
	{OpAccept, syscall.ENOPROTOOPT, ClassRetry, waiting},
	{OpAccept, syscall.EOPNOTSUPP, ClassRetry, waiting},
	{OpAccept, syscall.ENETDOWN, ClassRetry, waiting},
	{OpAccept, syscall.ENETUNREACH, ClassRetry, waiting},
	{OpAccept, syscall.EHOSTDOWN, ClassRetry, waiting},
	{OpAccept, syscall.EHOSTUNREACH, ClassRetry, waiting},
	{OpAccept, syscall.ETIMEDOUT, ClassRetry, waiting},
	{OpAccept, syscall.EPERM, ClassRetry, "accept(2): a firewall forbids this connection"},
	{OpAccept, syscall.EACCES, ClassRetry, "a security module forbids this connection"},
	{OpAccept, syscall.EMFILE, ClassExhausted, noMemory},
	{OpAccept, syscall.ENFILE, ClassExhausted, noMemory},
	{OpAccept, syscall.ENOBUFS, ClassExhausted, noMemory},
	{OpAccept, syscall.ENOMEM, ClassExhausted, noMemory},
	{OpAccept, syscall.EBADF, ClassFinal, ours},
	{OpAccept, syscall.ENOTSOCK, ClassFinal, ours},
	{OpAccept, syscall.EFAULT, ClassFinal, ours},
	{OpAccept, syscall.EINVAL, ClassFinal, "the socket does not listen"},

	{OpConnect, 0, ClassRefused, notThere},
	{OpConnect, syscall.EAGAIN, ClassAgain, "on its way"},
	{OpConnect, syscall.EINPROGRESS, ClassAgain, "on its way"},
	{OpConnect, syscall.EALREADY, ClassAgain, "on its way"},
	{OpConnect, syscall.EINTR, ClassAgain, "connect(2): interrupted, it goes on by itself"},
	{OpConnect, syscall.ENOBUFS, ClassExhausted, "unix(7): the peer's backlog is full; no event tells when it is not"},
	{OpConnect, syscall.ENOMEM, ClassExhausted, noMemory},
	{OpConnect, syscall.EADDRNOTAVAIL, ClassRefused, "no free port towards that address, or the source is not ours"},
	{OpConnect, syscall.ECONNREFUSED, ClassRefused, "nobody listens"},
	{OpConnect, syscall.ECONNRESET, ClassRefused, "the peer took it back before it was up"},
	{OpConnect, syscall.ETIMEDOUT, ClassRefused, notThere},
	{OpConnect, syscall.ENETDOWN, ClassRefused, notThere},
	{OpConnect, syscall.ENETUNREACH, ClassRefused, notThere},
	{OpConnect, syscall.EHOSTDOWN, ClassRefused, notThere},
	{OpConnect, syscall.EHOSTUNREACH, ClassRefused, notThere},
	{OpConnect, syscall.EPERM, ClassRefused, notAllowed},
	{OpConnect, syscall.EACCES, ClassRefused, notAllowed},
	{OpConnect, syscall.ENOENT, ClassRefused, "there is no such socket file"},
	{OpConnect, syscall.EINVAL, ClassRefused, "an address that cannot be connected to, such as a link-local one without interface"},
	{OpConnect, syscall.EAFNOSUPPORT, ClassRefused, "this machine does not speak that family"},
	{OpConnect, syscall.EPROTOTYPE, ClassFinal, "the socket file is of the other kind: stream for datagram"},
	{OpConnect, syscall.EBADF, ClassFinal, ours},
	{OpConnect, syscall.ENOTSOCK, ClassFinal, ours},
	{OpConnect, syscall.EFAULT, ClassFinal, ours},

	{OpReadStream, 0, ClassReset, lost},
	{OpReadStream, syscall.EAGAIN, ClassAgain, again},
	{OpReadStream, syscall.EINTR, ClassAgain, signal},
	{OpReadStream, syscall.ECONNRESET, ClassReset, "the peer ended it without order"},
	{OpReadStream, syscall.ECONNABORTED, ClassReset, lost},
	{OpReadStream, syscall.EPIPE, ClassReset, lost},
	{OpReadStream, syscall.ENOTCONN, ClassReset, "a reset that was told before leaves the socket unconnected"},
	{OpReadStream, syscall.ETIMEDOUT, ClassReset, "keepalive or retransmission gave up"},
	{OpReadStream, syscall.ENETDOWN, ClassReset, lost},
	{OpReadStream, syscall.ENETUNREACH, ClassReset, lost},
	{OpReadStream, syscall.EHOSTDOWN, ClassReset, lost},
	{OpReadStream, syscall.EHOSTUNREACH, ClassReset, lost},
	{OpReadStream, syscall.ENOBUFS, ClassReset, loner},
	{OpReadStream, syscall.ENOMEM, ClassReset, loner},
	{OpReadStream, syscall.EBADF, ClassFinal, ours},
	{OpReadStream, syscall.ENOTSOCK, ClassFinal, ours},
	{OpReadStream, syscall.EFAULT, ClassFinal, ours},
	{OpReadStream, syscall.EINVAL, ClassFinal, ours},

	{OpWriteStream, 0, ClassReset, lost},
	{OpWriteStream, syscall.EAGAIN, ClassAgain, again},
	{OpWriteStream, syscall.EINTR, ClassAgain, signal},
	{OpWriteStream, syscall.EPIPE, ClassReset, "the peer reads no more: it closed, or reset and told before"},
	{OpWriteStream, syscall.ECONNRESET, ClassReset, "the peer ended it without order"},
	{OpWriteStream, syscall.ECONNABORTED, ClassReset, lost},
	{OpWriteStream, syscall.ENOTCONN, ClassReset, "a reset that was told before leaves the socket unconnected"},
	{OpWriteStream, syscall.ETIMEDOUT, ClassReset, "keepalive or retransmission gave up"},
	{OpWriteStream, syscall.ENETDOWN, ClassReset, lost},
	{OpWriteStream, syscall.ENETUNREACH, ClassReset, lost},
	{OpWriteStream, syscall.EHOSTDOWN, ClassReset, lost},
	{OpWriteStream, syscall.EHOSTUNREACH, ClassReset, lost},
	{OpWriteStream, syscall.EPERM, ClassReset, "a firewall forbids what was allowed when it was connected"},
	{OpWriteStream, syscall.EACCES, ClassReset, "a firewall forbids what was allowed when it was connected"},
	{OpWriteStream, syscall.ENOBUFS, ClassReset, loner},
	{OpWriteStream, syscall.ENOMEM, ClassReset, loner},
	{OpWriteStream, syscall.EBADF, ClassFinal, ours},
	{OpWriteStream, syscall.ENOTSOCK, ClassFinal, ours},
	{OpWriteStream, syscall.EFAULT, ClassFinal, ours},
	{OpWriteStream, syscall.EINVAL, ClassFinal, ours},

	{OpReadDatagram, 0, ClassPacket, icmp},
	{OpReadDatagram, syscall.EAGAIN, ClassAgain, again},
	{OpReadDatagram, syscall.EINTR, ClassAgain, signal},
	{OpReadDatagram, syscall.EMSGSIZE, ClassPacket, tooLong},
	{OpReadDatagram, syscall.ECONNREFUSED, ClassPacket, icmp},
	{OpReadDatagram, syscall.ECONNRESET, ClassPacket, "a Local peer has closed; a server that starts again may take its place"},
	{OpReadDatagram, syscall.ETIMEDOUT, ClassPacket, icmp},
	{OpReadDatagram, syscall.ENETDOWN, ClassPacket, "the interface may come up again"},
	{OpReadDatagram, syscall.ENETUNREACH, ClassPacket, icmp},
	{OpReadDatagram, syscall.EHOSTDOWN, ClassPacket, icmp},
	{OpReadDatagram, syscall.EHOSTUNREACH, ClassPacket, icmp},
	{OpReadDatagram, syscall.ENOPROTOOPT, ClassPacket, icmp},
	{OpReadDatagram, syscall.EPROTO, ClassPacket, icmp},
	{OpReadDatagram, syscall.EACCES, ClassPacket, icmp},
	{OpReadDatagram, syscall.EPERM, ClassPacket, icmp},
	{OpReadDatagram, syscall.ENOBUFS, ClassPacket, "no memory for this datagram; the next one may fit"},
	{OpReadDatagram, syscall.ENOMEM, ClassPacket, "no memory for this datagram; the next one may fit"},
	{OpReadDatagram, syscall.EBADF, ClassFinal, ours},
	{OpReadDatagram, syscall.ENOTSOCK, ClassFinal, ours},
	{OpReadDatagram, syscall.EFAULT, ClassFinal, ours},

	{OpWriteDatagram, 0, ClassPacket, thisOne},
	{OpWriteDatagram, syscall.EAGAIN, ClassAgain, again},
	{OpWriteDatagram, syscall.EINTR, ClassAgain, signal},
	{OpWriteDatagram, syscall.EMSGSIZE, ClassPacket, tooLong},
	{OpWriteDatagram, syscall.EINVAL, ClassPacket, "port 0, or a source that is none: what a datagram with a forged source asks for"},
	{OpWriteDatagram, syscall.EPERM, ClassPacket, "a firewall forbids it"},
	{OpWriteDatagram, syscall.EACCES, ClassPacket, "a broadcast address without permission, or a firewall"},
	{OpWriteDatagram, syscall.EADDRNOTAVAIL, ClassPacket, "the source address has left this machine"},
	{OpWriteDatagram, syscall.EAFNOSUPPORT, ClassPacket, thisOne},
	{OpWriteDatagram, syscall.EDESTADDRREQ, ClassPacket, "it has no destination and the socket no peer"},
	{OpWriteDatagram, syscall.ENETDOWN, ClassPacket, "the interface may come up again"},
	{OpWriteDatagram, syscall.ENETUNREACH, ClassPacket, thisOne},
	{OpWriteDatagram, syscall.EHOSTDOWN, ClassPacket, thisOne},
	{OpWriteDatagram, syscall.EHOSTUNREACH, ClassPacket, thisOne},
	{OpWriteDatagram, syscall.ECONNREFUSED, ClassPacket, icmp},
	{OpWriteDatagram, syscall.ECONNRESET, ClassPacket, "a Local peer has closed; a server that starts again may take its place"},
	{OpWriteDatagram, syscall.ENOTCONN, ClassPacket, "a Local peer has closed; a server that starts again may take its place"},
	{OpWriteDatagram, syscall.EPIPE, ClassPacket, "a Local peer reads no more; a server that starts again may take its place"},
	{OpWriteDatagram, syscall.ENOENT, ClassPacket, "there is no such socket file; a server that starts makes it"},
	{OpWriteDatagram, syscall.EPROTOTYPE, ClassPacket, "the socket file of this destination is a stream's"},
	{OpWriteDatagram, syscall.ENODEV, ClassPacket, "the interface it should leave from is gone"},
	{OpWriteDatagram, syscall.ENXIO, ClassPacket, "the interface it should leave from is gone"},
	{OpWriteDatagram, syscall.ENOBUFS, ClassBlocked, "a queue below the socket is full: the socket stays writable, so that waiting for it would spin; the datagram is given up, as a router would"},
	{OpWriteDatagram, syscall.ENOMEM, ClassBlocked, "no memory for this datagram; no event tells when there is some"},
	{OpWriteDatagram, syscall.EBADF, ClassFinal, ours},
	{OpWriteDatagram, syscall.ENOTSOCK, ClassFinal, ours},
	{OpWriteDatagram, syscall.EFAULT, ClassFinal, ours},
}

// errnoMax is above every errno of the systems we know (Linux 133, darwin 107, FreeBSD 97).
const errnoMax = 160

// Errors that a peer can cause at line rate are made once and are never changed: they may be kept for ever.
var (
	classes     [OpWriteDatagram + 1][errnoMax]Class
	resetErrors [errnoMax]frio.ResetError
	readErrors  [errnoMax]frio.PacketError
	writeErrors [errnoMax]frio.PacketError
	errTooLong  = &frio.PacketError{Op: OpReadDatagram.String(), Err: frio.ErrTooLong}
)

func init() {
	table := Table()
	for _, r := range table {
		if r.Errno == 0 {
			for e := range classes[r.Op] {
				classes[r.Op][e] = r.Class
			}
		}
	}
	for _, r := range table {
		if r.Errno != 0 {
			classes[r.Op][r.Errno] = r.Class
		}
	}
	for i := range errnoMax {
		e := syscall.Errno(i)
		resetErrors[i].Err = e
		readErrors[i] = frio.PacketError{Op: OpReadDatagram.String(), Err: e}
		writeErrors[i] = frio.PacketError{Op: OpWriteDatagram.String(), Err: e}
	}
	readErrors[syscall.EMSGSIZE] = *errTooLong
}

// Classify tells what err, which a Kernel returned for op, means. A *frio.PacketError is ClassPacket; an error that
// is no errno is ClassFinal. Thread: any.
func Classify(op Op, err error) Class {
	if err == nil {
		return ClassNone
	}
	e, ok := err.(syscall.Errno)
	switch {
	case ok && e < errnoMax:
		return classes[op][e]
	case ok:
		return classes[op][0]
	}
	if _, ok := err.(*frio.PacketError); ok {
		return ClassPacket
	}
	var wrapped syscall.Errno // apart from e, which must not escape
	if errors.As(err, &wrapped) {
		return Classify(op, wrapped)
	}
	return ClassFinal
}

// StreamError is the result for a stream of err from op: nil and EAGAIN as they are, a *frio.ResetError for a lost connection,
// err itself for all else. It does not allocate: a *frio.ResetError is shared by all connections. Thread: any.
func StreamError(op Op, err error) error {
	switch Classify(op, err) {
	case ClassNone:
		return nil
	case ClassAgain:
		return frio.ErrAgain
	case ClassReset:
		if e, ok := err.(syscall.Errno); ok && e < errnoMax {
			return &resetErrors[e]
		}
		return &frio.ResetError{Err: err}
	}
	return err
}

// PacketError is the result for a datagram socket of err from op: nil and EAGAIN as they are, a *frio.PacketError for what
// cost one datagram, err itself if it is final. With an invalid remote it does not allocate, and the error is shared, without
// Remote: that is for what a peer can cause at line rate, where the Packet at hand names the peer. With a valid remote the
// error is made for this call. Both may be kept for ever. Thread: any.
func PacketError(op Op, remote netip.AddrPort, err error) error {
	switch Classify(op, err) {
	case ClassNone:
		return nil
	case ClassAgain:
		return frio.ErrAgain
	case ClassPacket, ClassBlocked:
		shared := sharedPacketError(op, err)
		if !remote.IsValid() {
			return shared
		}
		return &frio.PacketError{Op: shared.Op, Remote: remote, Err: shared.Err}
	}
	return err
}

func sharedPacketError(op Op, err error) *frio.PacketError {
	if p, ok := err.(*frio.PacketError); ok {
		return p
	}
	e, ok := err.(syscall.Errno)
	switch {
	case !ok || e >= errnoMax:
		return &frio.PacketError{Op: op.String(), Err: err}
	case op == OpReadDatagram:
		return &readErrors[e]
	}
	return &writeErrors[e]
}
