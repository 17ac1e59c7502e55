package tcp_test

import (
	"errors"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/friotest"
)

// stuck makes an accepted connection whose kernel takes nothing more and which holds corked output itself.
func stuck(e *friotest.Env) (server *friotest.Probe, client int) {
	e.Helper()
	l := listen(e, anyPort+"send_buff = 4k\n", "")
	client = connect(e, l, "")
	e.Until("the connection can be accepted", func() bool {
		var err error
		server, err = l.Accept(nil)
		return err == nil
	})
	fill(e, server)
	server.IO.(frio.Corker).Cork()
	if _, err := server.Write(make([]byte, 5000)); err != nil {
		e.Fatal(err)
	}
	if err := server.IO.(frio.Corker).Uncork(); err != nil {
		e.Fatal(err)
	}
	return server, client
}

// fill writes until the kernel takes no more for a while.
func fill(e *friotest.Env, p *friotest.Probe) {
	e.Helper()
	for quiet := 0; quiet < 5; quiet++ {
		for {
			if _, err := p.Write(make([]byte, 8192)); err == frio.ErrAgain {
				break
			} else if err != nil {
				e.Fatal(err)
			}
			quiet = 0
		}
		e.Spin(5)
	}
}

// Output that waits when the peer resets the connection is lost, but not the news: the loop neither spins on the dead
// descriptor nor keeps the end from who waits for room.
func TestResetWhileOutputWaits(t *testing.T) {
	for _, test := range []struct {
		name  string
		wants bool
	}{{"nobody wants anything", false}, {"somebody waits for room", true}} {
		t.Run(test.name, func(t *testing.T) {
			e := friotest.NewEnv(t, true, 1)
			server, client := stuck(e)
			var ended error
			var write func()
			if test.wants {
				write = func() { _, ended = server.Write([]byte("x")) }
			}
			server.Wish(nil, nil, write)
			e.Spin(3)
			if err := e.Host().Abort(client); err != nil {
				t.Fatal(err)
			}
			e.Spin(5)
			events := e.Loop.Stats().Events
			waits := e.Loop.Stats().Waits
			e.Pass(10 * time.Second)
			if n := e.Loop.Stats().Events - events; n > 5 {
				t.Errorf("%d events of a dead connection", n)
			}
			if n := e.Loop.Stats().Waits - waits; n > 20 {
				t.Errorf("the loop waited %d times in 10 s of nothing", n)
			}
			if test.wants && !errors.Is(ended, frio.ErrReset) {
				t.Errorf("the writer was told %v, want ErrReset", ended)
			}
			var unsent *frio.UnsentError
			if err := server.Close(); !errors.As(err, &unsent) || unsent.Bytes != 5000 {
				t.Errorf("close: %v, want 5000 bytes unsent", err)
			}
		})
	}
}

// Without a loop a limit of time ends the connection in a call; what Write took and nobody sends is in Close's error.
func TestTimeoutTellsWhatIsUnsent(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := listen(e, anyPort+"send_buff = 4k\n", "idle_timeout = 1h\n")
	client := connect(e, l, "")
	var server *friotest.Probe
	e.Until("the connection can be accepted", func() (ok bool) {
		var err error
		server, err = l.Accept(nil)
		return err == nil
	})
	server.Leave()
	fill(e, server)
	server.IO.(frio.Corker).Cork()
	if _, err := server.Write(make([]byte, 5000)); err != nil {
		t.Fatal(err)
	}
	if err := server.IO.(frio.Corker).Uncork(); err != nil {
		t.Fatal(err)
	}
	e.World().Advance(2 * time.Hour)
	var late *frio.TimeoutError
	if _, err := server.Read(make([]byte, 1)); !errors.As(err, &late) {
		t.Fatalf("read: %v, want a time-out", err)
	}
	var unsent *frio.UnsentError
	if err := server.IO.(frio.Lingerer).CloseTail([]byte("tail")); !errors.As(err, &unsent) || unsent.Bytes != 5004 {
		t.Errorf("close: %v, want 5004 bytes unsent", err)
	}
	e.Kernel.Close(client)
}

// Without a loop CloseWrite after corked output ends the direction as soon as calls have brought that away.
func TestCloseWriteWithoutLoopFlushes(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	server, client := stuck(e)
	server.Leave()
	if err := server.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	buf, ended := make([]byte, 4096), false
	e.Until("the peer sees all and the end", func() bool {
		if n, err := e.Kernel.Recv(client, buf); err == nil && n == 0 {
			ended = true
		}
		if _, err := server.Read(buf); err != frio.ErrAgain {
			t.Fatalf("read: %v", err)
		}
		return ended
	})
	e.Kernel.Close(client)
}
