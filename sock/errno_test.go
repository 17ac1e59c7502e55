package sock_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/sock"
)

var ops = []sock.Op{sock.OpAccept, sock.OpConnect, sock.OpReadStream, sock.OpWriteStream, sock.OpReadDatagram, sock.OpWriteDatagram}

func TestTableRows(t *testing.T) {
	seen := map[string]bool{}
	defaults := map[sock.Op]int{}
	for _, r := range sock.Table() {
		key := fmt.Sprintf("%d %s, errno %d (%v)", r.Op, r.Op, int(r.Errno), r.Errno)
		if seen[key] {
			t.Errorf("%s: two rows", key)
		}
		seen[key] = true
		if len(strings.Fields(r.Reason)) < 2 {
			t.Errorf("%s: no reason: %q", key, r.Reason)
		}
		if r.Errno == 0 {
			defaults[r.Op]++
			continue
		}
		if r.Errno >= sock.ErrnoMax {
			t.Errorf("%s is above the table's bound", key)
		}
		if got := sock.Classify(r.Op, r.Errno); got != r.Class {
			t.Errorf("%s: Classify says %v, the row %v", key, got, r.Class)
		}
	}
	for _, op := range ops {
		if defaults[op] != 1 {
			t.Errorf("%d %s: %d rows for all other errnos", op, op, defaults[op])
		}
	}
}

// TestTableRules is what must hold of every errno, whether it has a row or not.
func TestTableRules(t *testing.T) {
	ours := map[syscall.Errno]bool{syscall.EBADF: true, syscall.ENOTSOCK: true, syscall.EFAULT: true}
	allowed := map[sock.Op][]sock.Class{
		sock.OpAccept:        {sock.ClassAgain, sock.ClassRetry, sock.ClassExhausted},
		sock.OpConnect:       {sock.ClassAgain, sock.ClassRefused, sock.ClassExhausted},
		sock.OpReadStream:    {sock.ClassAgain, sock.ClassReset},
		sock.OpWriteStream:   {sock.ClassAgain, sock.ClassReset},
		sock.OpReadDatagram:  {sock.ClassAgain, sock.ClassPacket},
		sock.OpWriteDatagram: {sock.ClassAgain, sock.ClassPacket, sock.ClassBlocked},
	}
	final := map[sock.Op][]syscall.Errno{
		sock.OpAccept:      {syscall.EINVAL},
		sock.OpConnect:     {syscall.EPROTOTYPE},
		sock.OpReadStream:  {syscall.EINVAL},
		sock.OpWriteStream: {syscall.EINVAL},
	}
	for _, op := range ops {
		for e := syscall.Errno(1); e < sock.ErrnoMax+10; e++ {
			mayEnd := ours[e]
			for _, f := range final[op] {
				mayEnd = mayEnd || f == e
			}
			got := sock.Classify(op, e)
			if mayEnd {
				if got != sock.ClassFinal {
					t.Errorf("%d %s %v: %v, want final", op, op, e, got)
				}
				continue
			}
			ok := false
			for _, class := range allowed[op] {
				ok = ok || got == class
			}
			if !ok {
				t.Errorf("%d %s %v: %v is not for this operation", op, op, e, got)
			}
			if again := e == syscall.EAGAIN || e == syscall.EINTR; again != (got == sock.ClassAgain) && op != sock.OpConnect {
				t.Errorf("%d %s %v: %v", op, op, e, got)
			}
		}
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		op   sock.Op
		err  error
		want sock.Class
	}{
		{sock.OpAccept, nil, sock.ClassNone},
		{sock.OpAccept, syscall.ECONNABORTED, sock.ClassRetry},
		{sock.OpAccept, syscall.EMFILE, sock.ClassExhausted},
		{sock.OpAccept, syscall.ENOTTY, sock.ClassExhausted},
		{sock.OpConnect, syscall.EINPROGRESS, sock.ClassAgain},
		{sock.OpConnect, syscall.ECONNREFUSED, sock.ClassRefused},
		{sock.OpConnect, syscall.ENOBUFS, sock.ClassExhausted},
		{sock.OpReadStream, syscall.ECONNRESET, sock.ClassReset},
		{sock.OpWriteStream, syscall.EPIPE, sock.ClassReset},
		{sock.OpReadDatagram, syscall.ECONNREFUSED, sock.ClassPacket},
		{sock.OpWriteDatagram, syscall.EINVAL, sock.ClassPacket},
		{sock.OpWriteDatagram, syscall.EPERM, sock.ClassPacket},
		{sock.OpWriteDatagram, syscall.ENOBUFS, sock.ClassBlocked},
		{sock.OpWriteDatagram, syscall.EBADF, sock.ClassFinal},
		{sock.OpWriteDatagram, fmt.Errorf("wrapped: %w", syscall.EPERM), sock.ClassPacket},
		{sock.OpWriteDatagram, &frio.PacketError{Op: "write", Err: io.EOF}, sock.ClassPacket},
		{sock.OpReadStream, io.EOF, sock.ClassFinal},
	} {
		if got := sock.Classify(c.op, c.err); got != c.want {
			t.Errorf("%v %v: %v, want %v", c.op, c.err, got, c.want)
		}
	}
}

func TestStreamError(t *testing.T) {
	if err := sock.StreamError(sock.OpReadStream, nil); err != nil {
		t.Errorf("no error: %v", err)
	}
	if err := sock.StreamError(sock.OpReadStream, syscall.EAGAIN); err != frio.ErrAgain {
		t.Errorf("EAGAIN: %v", err)
	}
	for _, e := range []error{syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.EPIPE, syscall.Errno(3000)} {
		err := sock.StreamError(sock.OpWriteStream, e)
		var reset *frio.ResetError
		if !errors.As(err, &reset) || !errors.Is(err, frio.ErrReset) || !errors.Is(err, e) {
			t.Errorf("%v: %#v", e, err)
		}
	}
	for _, e := range []error{syscall.EBADF, io.ErrClosedPipe} {
		if err := sock.StreamError(sock.OpReadStream, e); err != e {
			t.Errorf("%v: %v", e, err)
		}
	}
	if err := sock.StreamError(sock.OpConnect, syscall.ECONNREFUSED); err != syscall.ECONNREFUSED {
		t.Errorf("refused: %v", err)
	}
}

func TestPacketError(t *testing.T) {
	remote := netip.MustParseAddrPort("192.0.2.1:0")
	for _, to := range []netip.AddrPort{{}, remote} {
		for _, e := range []error{syscall.EINVAL, syscall.ENOBUFS, syscall.EPERM, syscall.Errno(3000)} {
			var p *frio.PacketError
			err := sock.PacketError(sock.OpWriteDatagram, to, e)
			if !errors.As(err, &p) || p.Op != "write" || p.Remote != to || p.Err != e {
				t.Errorf("%v to %v: %#v", e, to, err)
			}
		}
		var p *frio.PacketError
		err := sock.PacketError(sock.OpReadDatagram, to, syscall.EMSGSIZE)
		if !errors.As(err, &p) || p.Op != "read" || p.Remote != to || p.Err != frio.ErrTooLong {
			t.Errorf("too long: %#v", err)
		}
		if err := sock.PacketError(sock.OpReadDatagram, to, syscall.EAGAIN); err != frio.ErrAgain {
			t.Errorf("EAGAIN: %v", err)
		}
		if err := sock.PacketError(sock.OpReadDatagram, to, syscall.EBADF); err != syscall.EBADF {
			t.Errorf("EBADF: %v", err)
		}
		if err := sock.PacketError(sock.OpReadDatagram, to, nil); err != nil {
			t.Errorf("no error: %v", err)
		}
	}
	one := &frio.PacketError{Op: "write", Err: syscall.EPERM}
	if err := sock.PacketError(sock.OpWriteDatagram, netip.AddrPort{}, one); err != one {
		t.Errorf("a PacketError became %v", err)
	}
}

func TestErrorsOfPeersDoNotAllocate(t *testing.T) {
	var sink error
	if n := testing.AllocsPerRun(100, func() {
		sink = sock.PacketError(sock.OpWriteDatagram, netip.AddrPort{}, syscall.EINVAL)
		sink = sock.PacketError(sock.OpReadDatagram, netip.AddrPort{}, syscall.ECONNREFUSED)
		sink = sock.StreamError(sock.OpReadStream, syscall.ECONNRESET)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if !errors.Is(sink, frio.ErrReset) {
		t.Error(sink)
	}
}
