package tls_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/sim"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// piped is a client and a server on a pipe, before their handshake. Nobody drives them but the test.
type piped struct {
	testing.TB
	root           *talloc.Context
	listener       frio.IO
	client, server frio.IO
	below          [2]*pipeEnd // client's and server's
}

func newPiped(t testing.TB, more string) *piped {
	t.Helper()
	p := &piped{TB: t, root: talloc.Root("piped")}
	sock.SetKernel(p.root, sim.New(1, sim.Options{}).Host("piped")) // its clock stands: handshake_timeout is not for a slow machine
	listen, home := sections(t, more, more)
	p.listener = p.parse("listen {\nprotocol = tls+pipe\npipe {\n}\n" + listen + "}\n")
	p.client = p.parse("home_server {\nprotocol = tls+pipe\npipe {\n}\n" + home + "}\n")
	p.below = [2]*pipeEnd{thePipe.waiting[0].peer, thePipe.waiting[0]}
	var err error
	if p.server, err = p.listener.Accept(p.root); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.free)
	return p
}

// free ends both; twice is fine.
func (p *piped) free() {
	if !p.root.Freed() {
		p.root.Free()
	}
}

func (p *piped) parse(text string) frio.IO {
	p.Helper()
	return parseIn(p, p.root, text)
}

// parseIn parses a listen or a home_server.
func parseIn(t testing.TB, ctx *talloc.Context, text string) (io frio.IO) {
	t.Helper()
	root, err := conf.ParseString("test.conf", text, conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, cs := range append(root.TakeSections("listen"), root.TakeSections("home_server")...) {
		if io, err = frio.Parse(ctx, cs); err != nil {
			t.Fatal(err)
		}
	}
	return io
}

func state(io frio.IO) frio.State { return io.(frio.Stater).State() }

// open steps both until their handshake is over.
func (p *piped) open() {
	p.Helper()
	for range 100_000 {
		if err := p.client.Connect(); err != nil && err != frio.ErrAgain {
			p.Fatalf("client: %v", err)
		}
		if state(p.server) == frio.StateHandshaking {
			if _, err := p.server.Read(make([]byte, 1)); err != frio.ErrAgain {
				p.Fatalf("server: %v", err)
			}
		} else if _, err := p.server.Write(nil); err != nil { // its last flight may still be here
			p.Fatalf("server: %v", err)
		}
		if state(p.client) == frio.StateOpen && state(p.server) == frio.StateOpen {
			return
		}
	}
	p.Fatal("no end of the handshake")
}

// pass sends text from one end to the other, in as many steps as it takes.
func (p *piped) pass(from, to frio.IO, text []byte) {
	p.Helper()
	var got []byte
	buf := make([]byte, 4096)
	for rest := text; len(got) < len(text); {
		n, err := from.Write(rest)
		if err != nil && err != frio.ErrAgain {
			p.Fatalf("Write: %v", err)
		}
		rest = rest[n:]
		n, err = to.Read(buf)
		if err != nil && err != frio.ErrAgain {
			p.Fatalf("Read after %d bytes: %v", len(got), err)
		}
		got = append(got, buf[:n]...)
	}
	if !bytes.Equal(got, text) {
		p.Fatalf("%d bytes came, not those that were sent", len(got))
	}
}

var versions = []string{"tls_max_version = 1.2\n", "tls_min_version = 1.3\n"}

// TestOneByteAtATime: every Read and Write below moves one byte. In one run each says ErrAgain before, so that there is one at every
// place; in another about every other one does.
func TestOneByteAtATime(t *testing.T) {
	for _, version := range versions {
		random := rand.New(rand.NewPCG(1, 2))
		for _, again := range []func(before bool) bool{func(before bool) bool { return !before }, func(bool) bool { return random.IntN(2) == 0 }} {
			p := newPiped(t, version)
			for i := range p.below {
				before := false
				p.below[i].take = func(int) int {
					if before = again(before); before {
						return 0
					}
					return 1
				}
			}
			p.open()
			text := bytes.Repeat([]byte("0123456789"), 300)
			p.pass(p.client, p.server, text)
			p.pass(p.server, p.client, text)
			p.free()
		}
	}
}

// TestHelloSplit: a hello that comes in two pieces, cut at every place, is answered when it is whole, and nothing is said before.
func TestHelloSplit(t *testing.T) {
	p := newPiped(t, "")
	first := hello(t)
	for at := 1; at < len(first); at++ {
		end := &pipeEnd{peer: &pipeEnd{}}
		thePipe.waiting = append(thePipe.waiting, end)
		ctx := must(p.root.New("child"))
		server := must(p.listener.Accept(ctx))
		for i, piece := range [][]byte{first[:at], first[at:]} {
			end.in = piece
			if n, err := server.Read(make([]byte, 1)); n != 0 || err != frio.ErrAgain {
				t.Fatalf("cut at %d: Read gave %d, %v", at, n, err)
			}
			if said := len(end.peer.in) > 0; said != (i == 1) {
				t.Fatalf("cut at %d: answered is %v after piece %d", at, said, i+1)
			}
		}
		server.Close()
		ctx.Free()
	}
}

// TestHandshakeSplit: what each side reads and writes of the handshake is cut in two, with an ErrAgain between, at the places of its first
// record's head and at many others.
func TestHandshakeSplit(t *testing.T) {
	for _, version := range versions {
		for side := range 2 {
			for at := 1; ; at += 1 + min(at/8, 30) {
				p := newPiped(t, version)
				moved, cut := 0, false
				p.below[side].take = func(n int) int {
					if moved == at && !cut {
						cut = true
						return 0
					}
					if moved < at && moved+n > at {
						n = at - moved
					}
					moved += n
					return n
				}
				p.open()
				p.below[side].take = nil
				p.pass(p.client, p.server, []byte("after"))
				p.pass(p.server, p.client, []byte("before"))
				p.free()
				if !cut {
					if at < 1500 {
						t.Errorf("%sthe handshake of side %d has only %d bytes", version, side, at)
					}
					break
				}
			}
		}
	}
}

// TestRecordSplit: a record that has come in part gives nothing; whole, it gives all of it.
func TestRecordSplit(t *testing.T) {
	for _, version := range versions {
		p := newPiped(t, version)
		p.open()
		buf := make([]byte, 1000)
		p.client.Read(buf) // tickets
		for _, dir := range []struct {
			from, to frio.IO
			below    *pipeEnd
		}{{p.client, p.server, p.below[1]}, {p.server, p.client, p.below[0]}} {
			text := []byte("a message of some length")
			for cut := 0; ; cut++ {
				if _, err := dir.from.Write(text); err != nil {
					t.Fatal(err)
				}
				whole := dir.below.in
				if cut >= len(whole) {
					break
				}
				dir.below.in = whole[:cut:cut]
				if n, err := dir.to.Read(buf); n != 0 || err != frio.ErrAgain {
					t.Fatalf("%s, %d of %d bytes: Read gave %d, %v, want ErrAgain", version, cut, len(whole), n, err)
				}
				dir.below.in = whole[cut:]
				if n, err := dir.to.Read(buf); err != nil || string(buf[:n]) != string(text) {
					t.Fatalf("%s, cut at %d: Read gave %q, %v", version, cut, buf[:n], err)
				}
			}
			if n, err := dir.to.Read(buf); err != nil || string(buf[:n]) != string(text) {
				t.Fatalf("the last one: %q, %v", buf[:n], err)
			}
		}
	}
}

// TestShortReads: a record is read in pieces of every size, and nothing is left or lost.
func TestShortReads(t *testing.T) {
	for _, version := range versions {
		p := newPiped(t, version)
		p.open()
		text := []byte("exactly thirty-two bytes of text")
		for size := 1; size <= len(text)+1; size++ {
			if _, err := p.client.Write(text); err != nil {
				t.Fatal(err)
			}
			var got []byte
			buf := make([]byte, size)
			for {
				n, err := p.server.Read(buf)
				if err == frio.ErrAgain {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, buf[:n]...)
			}
			if string(got) != string(text) {
				t.Fatalf("in pieces of %d: %q", size, got)
			}
		}
	}
}

// TestUnseen: a client whose peer ends without a word, when it may have seen our certificate only then, is told so.
func TestUnseen(t *testing.T) {
	for _, version := range versions {
		for _, c := range []struct{ writes, heard, hint bool }{
			{true, false, version == versions[1]}, {false, false, false}, {true, true, false},
		} {
			p := newPiped(t, version)
			p.open()
			if c.heard {
				p.pass(p.server, p.client, []byte("hello"))
			}
			if c.writes {
				p.client.Write([]byte("hello"))
			}
			p.below[0].ended = true
			_, err := p.client.Read(make([]byte, 1))
			if hint := strings.Contains(fmt.Sprint(err), "the peer may have refused our certificate"); hint != c.hint || !errors.Is(err, frio.ErrTruncated) {
				t.Errorf("%s%+v: %v", version, c, err)
			}
			p.free()
		}
	}
}

// TestTruncation: the end of the stream below is an end in order after close_notify only, wherever it comes.
func TestTruncation(t *testing.T) {
	for _, version := range versions {
		for cut := range 60 {
			p := newPiped(t, version)
			p.open()
			p.client.Write([]byte("data"))
			if err := p.client.Close(); err != nil {
				t.Fatal(err)
			}
			end := p.below[1]
			whole := cut >= len(end.in)
			if !whole {
				end.in = end.in[:cut]
			}
			buf := make([]byte, 100)
			n, err := p.server.Read(buf)
			if n > 0 {
				if string(buf[:n]) != "data" {
					t.Fatalf("Read: %q", buf[:n])
				}
				_, err = p.server.Read(buf)
			}
			switch {
			case whole && err != io.EOF:
				t.Fatalf("%safter close_notify: %v, want io.EOF", version, err)
			case !whole && (!errors.Is(err, frio.ErrTruncated) || errors.Is(err, io.EOF)):
				t.Fatalf("%scut after %d bytes: %v, want ErrTruncated", version, cut, err)
			}
			if _, again := p.server.Read(buf); again != err {
				t.Errorf("then %v", again)
			}
			p.free()
			if whole {
				break
			}
		}
	}
}

// TestWriteGoesOnAfterCloseNotify: each direction ends by itself, and the end below follows close_notify.
func TestWriteGoesOnAfterCloseNotify(t *testing.T) {
	for _, version := range versions {
		p := newPiped(t, version)
		p.open()
		if err := p.client.(frio.CloseWriter).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if !p.below[1].ended {
			t.Errorf("CloseWrite did not end the direction below")
		}
		if _, err := p.server.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("Read: %v, want io.EOF", err)
		}
		p.pass(p.server, p.client, bytes.Repeat([]byte("x"), 100_000))
	}
}

// TestHighWater: what is sealed and unsent is bounded, in memory that the context counts.
func TestHighWater(t *testing.T) {
	p := newPiped(t, "")
	p.open()
	p.below[0].take = func(int) int { return 0 }
	taken := 0
	for range 100 {
		n, err := p.client.Write(make([]byte, 10_000))
		if err == frio.ErrAgain {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		taken += n
	}
	if taken == 0 || taken > 64<<10 {
		t.Errorf("Write took %d bytes that could not be sent, want at most 64 KiB", taken)
	}
	if bytes := p.root.Total().Bytes; bytes > 64<<10 {
		t.Errorf("%d bytes held", bytes)
	}
	p.below[0].take = nil
	p.pass(p.server, p.client, []byte("the other direction"))
}

// TestAllocations: neither a Write nor a Read allocates.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Log("not counted: the race detector allocates")
		return
	}
	for _, version := range versions {
		p := newPiped(t, version)
		p.open()
		text, buf := make([]byte, 1000), make([]byte, 4000)
		p.client.Read(buf) // tickets
		for range 200 {
			p.pass(p.client, p.server, text)
		}
		p.below[1].in = make([]byte, 0, 1<<20)
		if got := testing.AllocsPerRun(200, func() {
			if n, err := p.client.Write(text); n != len(text) || err != nil {
				t.Fatal(n, err)
			}
		}); got != 0 {
			t.Errorf("%sWrite: %v allocations, want none", version, got)
		}
		if got := testing.AllocsPerRun(200, func() {
			if n, err := p.server.Read(buf); n != len(text) || err != nil {
				t.Fatal(n, err)
			}
		}); got != 0 {
			t.Errorf("%sRead: %v allocations, want none", version, got)
		}
	}
}
