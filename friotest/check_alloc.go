package friotest

import (
	"testing"

	"github.com/frio-io/frio"
)

var allocChecks = []check{
	{name: "steady state allocates nothing", on: onSystem, run: checkAllocs},
	{name: "wishes allocate nothing", on: onSystem, run: checkAllocsWish},
	{name: "memory of idle connections", needs: isStream, run: checkIdleMemory},
}

// allocs runs f often and compares. Builds that check threads allocate for that; they only run it.
func (e *Env) allocs(what string, allowed float64, f func()) {
	e.Helper()
	for range 100 {
		f()
	}
	if got := testing.AllocsPerRun(200, f); got > allowed && !checkedBuild {
		e.Errorf("%s: %v allocations, want at most %v", what, got, allowed)
	}
}

// checkAllocs: write, callback, read, and the same back, over a loop. The IOs are called as they are: Probe allocates.
func checkAllocs(e *Env) {
	p := e.Pair(Options{Loop: true})
	client, server := p.Client.IO, p.Server.IO
	buf, text := make([]byte, 256), make([]byte, 100)
	packets := []frio.Packet{{Data: buf}}
	replies := e.Target.Children || !e.Target.NoReply
	got, served := 0, 0
	var failed error
	serve := func() {
		if e.Target.Children || !replies {
			n, err := server.Read(buf)
			if err == nil && replies {
				_, err = server.Write(buf[:n])
			}
			if err != nil && err != frio.ErrAgain {
				failed = err
			}
			served += n
			return
		}
		packets[0].Data = buf[:0]
		n, err := server.(frio.PacketIO).ReadPackets(packets)
		if err == nil {
			served += len(packets[0].Data)
			_, err = server.(frio.PacketIO).WritePackets(packets[:n])
		}
		if err != nil && err != frio.ErrAgain {
			failed = err
		}
	}
	answer := make([]byte, 256)
	take := func() {
		n, err := client.Read(answer)
		if err != nil && err != frio.ErrAgain {
			failed = err
		}
		got += n
	}
	if err := server.Event(e.Loop, serve, nil); err != nil {
		e.Fatalf("Event: %v", err)
	}
	if err := client.Event(e.Loop, take, nil); err != nil {
		e.Fatalf("Event: %v", err)
	}
	rounds := 0
	e.allocs("a message and its answer", e.Target.ReadAllocs, func() {
		rounds++
		if _, err := client.Write(text); err != nil {
			failed = err
			return
		}
		for turns := 0; turns < 1000 && failed == nil; turns++ {
			if err := e.Loop.Turn(0); err != nil {
				failed = err
			}
			if served == rounds*len(text) && (!replies || got == served) {
				return
			}
		}
	})
	if failed != nil || served != rounds*len(text) || replies && got != served {
		e.Errorf("%d rounds of %d bytes: the server read %d, the client %d, %v", rounds, len(text), served, got, failed)
	}
}

func checkAllocsWish(e *Env) {
	p := e.Pair(Options{Loop: true})
	client := p.Client.IO
	writes := 0
	write := func() { writes++ }
	read := func() {}
	var failed error
	e.allocs("a change of wishes", 0, func() {
		for _, w := range []func(){write, nil} {
			if err := client.Event(e.Loop, read, w); err != nil {
				failed = err
			}
			if err := e.Loop.Turn(0); err != nil {
				failed = err
			}
		}
	})
	if failed != nil || writes == 0 {
		e.Errorf("%d write callbacks, %v", writes, failed)
	}
}

// checkIdleMemory: an idle connection holds no buffer.
func checkIdleMemory(e *Env) {
	p := e.Pair(Options{Loop: true})
	big := make([]byte, 20_000)
	e.sendSome(p.Client, len(big))
	sink := 0
	e.Until("what was sent", func() bool {
		n, _ := p.Server.Read(big)
		sink += n
		return sink >= 10_000
	})
	for {
		if _, err := p.Server.Read(big); err != nil {
			break
		}
	}
	e.Spin(5)
	for _, one := range []*Probe{p.Client, p.Server} {
		if total := one.Ctx.Total(); total.Buffers > 0 {
			e.Errorf("%s holds %d buffers while idle", one.Name, total.Buffers)
		}
	}
}
