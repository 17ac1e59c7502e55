package haproxy_test

import (
	"errors"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/haproxy"
)

// late wants conn to have failed by the named limit.
func (b *bench) late(conn *friotest.Probe, limit string) {
	b.Helper()
	if s := conn.State(); s != frio.StateFailed {
		b.Fatalf("state %v, want failed", s)
	}
	end := b.fails(conn)
	var timeout *frio.TimeoutError
	if !errors.As(end, &timeout) || timeout.Limit != limit {
		b.Errorf("%v, want the time-out of %s", end, limit)
	}
}

// TestHeaderTimeout: 10 s from the accept on, whether nothing comes, half a header, or a byte each second.
func TestHeaderTimeout(t *testing.T) {
	for name, send := range map[string]func(b *bench, raw *friotest.Probe, second int){
		"silent": func(*bench, *friotest.Probe, int) {},
		"half": func(b *bench, raw *friotest.Probe, second int) {
			if second == 1 {
				b.Send(raw, []byte(header1[:20]))
			}
		},
		"slow": func(b *bench, raw *friotest.Probe, second int) { b.Send(raw, []byte(header1[second:second+1])) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "", "")
			raw, conn := b.pair(true)
			conn.Wish(nil, func() {}, nil)
			for second := range 10 {
				send(b, raw, second)
				b.Pass(time.Second - 10*time.Millisecond)
				if s := conn.State(); s != frio.StateHandshaking {
					t.Fatalf("state %v in second %d", s, second)
				}
				if second < 9 {
					b.Pass(10 * time.Millisecond)
				}
			}
			if conn.Reads > 0 {
				t.Errorf("%d callbacks before the time is up", conn.Reads)
			}
			b.Pass(20 * time.Millisecond)
			b.Until("the callback", func() bool { return conn.Reads > 0 })
			b.late(conn, "header_timeout")
			b.refused(haproxy.Late, 1)
			b.ExpectEnd(raw)
		})
	}
}

// TestHeaderTimeoutUnattended: on the listener's loop, from the accept on, though nobody touches the connection; and a header that is
// there is read.
func TestHeaderTimeoutUnattended(t *testing.T) {
	b := newBench(t, "", "header_timeout = 3s\n")
	raw := b.dial("")
	lucky := b.dial("")
	conn, other := b.AcceptFrom(b.l, nil), b.AcceptFrom(b.l, nil)
	b.Send(lucky, []byte(header1))
	b.Pass(2900 * time.Millisecond)
	if s := conn.State(); s != frio.StateHandshaking {
		t.Errorf("state %v before its time", s)
	}
	b.Pass(200 * time.Millisecond)
	b.late(conn, "header_timeout")
	b.shows(other, lucky)
	b.Pass(time.Hour)
	b.shows(other, lucky)
	b.ExpectEnd(raw)
}

// TestHeaderTimeoutBare: without a loop each call looks at the clock, and a deadline that passed meanwhile is found.
func TestHeaderTimeoutBare(t *testing.T) {
	b := newBench(t, "", "header_timeout = 3s\n")
	raw, conn := b.pair(false)
	b.Pass(2 * time.Second)
	b.silent(conn, "after 2 s")
	b.Pass(2 * time.Second)
	b.Send(raw, []byte(header1))
	var buf [8]byte
	if _, err := conn.Read(buf[:]); !errors.Is(err, frio.ErrTimeout) {
		t.Errorf("Read after header_timeout: %v", err)
	}
	b.late(conn, "header_timeout")
}

// TestHeaderTimeoutMoves: it is absolute: neither moves nor wishes put it off.
func TestHeaderTimeoutMoves(t *testing.T) {
	b := newBench(t, "", "header_timeout = 6s\n")
	_, conn := b.pair(true)
	other := b.NewSide("other")
	b.Pass(2 * time.Second)
	conn.Wish(nil, func() {}, nil)
	b.Pass(2 * time.Second)
	b.Move(conn, other, func() {}, nil)
	b.Pass(1900 * time.Millisecond)
	if s := conn.State(); s != frio.StateHandshaking {
		t.Errorf("state %v before its time", s)
	}
	b.Pass(200 * time.Millisecond)
	b.Until("the callback", func() bool { return conn.Reads > 0 })
	b.late(conn, "header_timeout")
}

// TestHeaderTimeoutNever: then nothing wakes the loop, and a late header is as good as any.
func TestHeaderTimeoutNever(t *testing.T) {
	b := newBench(t, "", "header_timeout = never\n")
	raw, conn := b.pair(true)
	before := b.Loop.Stats().Timers
	b.Pass(1000 * time.Hour)
	if n := b.Loop.Stats().Timers - before; n > 0 {
		t.Errorf("%d timers", n)
	}
	b.Send(raw, []byte(header1+"x"))
	b.Expect(conn, []byte("x"))
	b.shows(conn, raw)
}

// TestFirstByteTimeout: the header does not count as the first byte, what follows it does.
func TestFirstByteTimeout(t *testing.T) {
	b := newBench(t, "", "first_byte_timeout = 5s\n")
	quiet, quietConn := b.pair(true)
	quietConn.Wish(nil, func() {}, nil)
	speaker, conn := b.pair(true)
	b.Send(quiet, []byte(header1))
	b.Send(speaker, []byte(header1+"x"))
	b.Until("the headers", func() bool { return quietConn.State() == frio.StateOpen && conn.State() == frio.StateOpen })
	b.Send(conn, []byte("before the first byte"))
	b.Expect(speaker, []byte("before the first byte"))
	b.Expect(conn, []byte("x"))
	b.Pass(4900 * time.Millisecond)
	b.shows(quietConn, quiet)
	if quietConn.Reads > 0 {
		t.Errorf("%d callbacks for nothing", quietConn.Reads)
	}
	b.Pass(200 * time.Millisecond)
	b.Until("the callback", func() bool { return quietConn.Reads > 0 })
	b.late(quietConn, "first_byte_timeout")
	b.ExpectEnd(quiet)
	if n := b.counts().Timeouts.Load(); n != 1 {
		t.Errorf("%d time-outs counted, want 1", n)
	}
	b.Pass(time.Hour)
	b.shows(conn, speaker)
}

// TestFirstByteTimeoutInHeader: it runs from the accept on, so it may come before the header is there.
func TestFirstByteTimeoutInHeader(t *testing.T) {
	b := newBench(t, "", "first_byte_timeout = 5s\n")
	raw, conn := b.pair(true)
	b.Send(raw, []byte(header1[:20])) // for what is below, the first byte has come
	b.Pass(5100 * time.Millisecond)
	b.late(conn, "first_byte_timeout")
	b.refused(haproxy.Late, 1)
}

// TestFirstByteTimeoutUnsent: bytes that Write took and that the time-out lost are told by Close.
func TestFirstByteTimeoutUnsent(t *testing.T) {
	b := newBench(t, "", "first_byte_timeout = 5s\n")
	raw, conn := b.pair(false)
	b.Send(raw, []byte(header1))
	b.Until("the header", func() bool { return b.Step(conn) })
	source := make([]byte, 1<<20)
	written := 0
	for {
		n, err := conn.Write(source)
		if err == frio.ErrAgain {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		written += n
	}
	conn.IO.(frio.Corker).Cork()
	n, err := conn.Write(source[:1000])
	if err != nil || n == 0 {
		t.Fatalf("Write of what is corked: %d, %v", n, err)
	}
	b.Pass(6 * time.Second)
	b.fails(conn)
	b.late(conn, "first_byte_timeout")
	var unsent *frio.UnsentError
	if err := conn.Close(); !errors.As(err, &unsent) || unsent.Bytes != n {
		t.Errorf("Close: %v, want %d bytes unsent", err, n)
	}
}
