package transport

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// forgetter owns an exchange.
type forgetter struct {
	Exchange
	forgot int
}

func (f *forgetter) Forget(e *Exchange) {
	f.forgot++
	if e != &f.Exchange || e.table != nil || e.Answer() != nil {
		panic("forgotten while it is active")
	}
}

func key(i int) *Key {
	return &Key{Via: 1, Peer: netip.MustParseAddrPort(fmt.Sprintf("192.0.2.1:%d", 1000+i/256)), ID: uint16(i % 256)}
}

func onTable(t *testing.T, max int, run func(b *bench, table *Table)) {
	onSim(t, func(b *bench) {
		table := NewTable(b.lane, max)
		run(b, table)
		table.close()
	})
}

func TestTableFindsDuplicates(t *testing.T) {
	onTable(t, 100, func(b *bench, table *Table) {
		var f [100]forgetter
		for i := range f {
			if table.Find(key(i)) != nil || !table.Add(key(i), &f[i].Exchange, &f[i]) {
				t.Fatalf("%d is not new", i)
			}
		}
		for i := range f {
			e := table.Find(key(i))
			if e != &f[i].Exchange || e.Owner() != Exchanger(&f[i]) || e.Answered() || e.Answer() != nil {
				t.Fatalf("%d is not found", i)
			}
		}
		// Each part of the key tells two requests apart.
		for _, change := range []func(k *Key){
			func(k *Key) { k.Via++ },
			func(k *Key) { k.Peer = netip.MustParseAddrPort("192.0.2.2:1000") },
			func(k *Key) { k.Local = netip.MustParseAddrPort("192.0.2.9:1812") },
			func(k *Key) { k.ID = 300 },
		} {
			k := *key(0)
			if change(&k); table.Find(&k) != nil {
				t.Errorf("%+v is found for %+v", *key(0), k)
			}
		}
		answer := []byte("the answer")
		if !table.Keep(&f[3].Exchange, answer, 5*time.Second) {
			t.Fatal("not kept")
		}
		answer[0] = 'X'
		if e := table.Find(key(3)); !e.Answered() || string(e.Answer()) != "the answer" {
			t.Errorf("the answer is %q", e.Answer())
		}
		b.Pass(4900 * time.Millisecond)
		if table.Find(key(3)) == nil || f[3].forgot != 0 {
			t.Error("forgotten too early")
		}
		b.Pass(200 * time.Millisecond)
		if table.Find(key(3)) != nil || f[3].forgot != 1 || table.Len() != 99 {
			t.Errorf("forgotten %d times, %d in the table", f[3].forgot, table.Len())
		}
		b.Pass(time.Hour)
		if table.Len() != 99 {
			t.Errorf("%d in the table: what is under way stays", table.Len())
		}
		for i := range f {
			table.Remove(&f[i].Exchange)
			table.Remove(&f[i].Exchange)
			if f[i].table != nil || i != 3 && f[i].forgot != 0 {
				t.Errorf("%d is active %v, forgotten %d times", i, f[i].table != nil, f[i].forgot)
			}
		}
		if table.Len() != 0 {
			t.Errorf("%d in the table", table.Len())
		}
	})
}

// An answer whose time is over is not found, also where one that was answered before it is kept longer.
func TestTableForgetsInTime(t *testing.T) {
	onTable(t, 10, func(b *bench, table *Table) {
		var long, short, none forgetter
		table.Add(key(1), &long.Exchange, &long)
		table.Add(key(2), &short.Exchange, &short)
		table.Add(key(3), &none.Exchange, &none)
		table.Keep(&long.Exchange, nil, time.Hour)
		table.Keep(&short.Exchange, nil, time.Second)
		if table.Keep(&none.Exchange, []byte("x"), 0) || none.table != nil || none.forgot != 0 {
			t.Error("kept without a time")
		}
		b.Pass(time.Second)
		if table.Find(key(2)) != nil || short.forgot != 1 || table.Find(key(1)) == nil {
			t.Errorf("forgotten %d times", short.forgot)
		}
		table.Add(key(2), &short.Exchange, &short)
		table.Keep(&short.Exchange, []byte("x"), time.Second)
		b.Pass(time.Second + sweepDelay)
		if short.forgot != 2 || table.Len() != 1 {
			t.Errorf("forgotten %d times by itself, %d in the table", short.forgot, table.Len())
		}
		b.Pass(time.Hour + sweepDelay)
		if long.forgot != 1 || table.Len() != 0 {
			t.Errorf("forgotten %d times, %d in the table", long.forgot, table.Len())
		}
	})
}

// Answers are forgotten within sweepDelay of their times, which are in any order, and none before.
func TestTableManyDelays(t *testing.T) {
	onTable(t, 1000, func(b *bench, table *Table) {
		var f [1000]forgetter
		delays := [1000]time.Duration{}
		began := b.lane.loop.Now()
		for i := range f {
			delays[i] = time.Duration(i*7919%150_000+1) * time.Millisecond // two rounds of the slots, and more
			table.Add(key(i), &f[i].Exchange, &f[i])
			table.Keep(&f[i].Exchange, []byte("x"), delays[i])
		}
		for table.Len() > 0 {
			b.Pass(70 * time.Millisecond)
			age := b.lane.loop.Now().Sub(began)
			for i := range f {
				if over := f[i].forgot == 1; over && age < delays[i] || !over && age > delays[i]+sweepDelay {
					t.Fatalf("forgotten %d times after %v; its time was %v", f[i].forgot, age, delays[i])
				}
			}
		}
	})
}

// A full table gives up the answer whose time is over first, and never what is under way.
func TestTableFull(t *testing.T) {
	onTable(t, 8, func(b *bench, table *Table) {
		var f [8]forgetter
		var late [3]forgetter
		for i := range f {
			table.Add(key(i), &f[i].Exchange, &f[i])
		}
		if table.Add(key(100), &late[0].Exchange, &late[0]) || late[0].table != nil {
			t.Error("one more than fits")
		}
		table.Keep(&f[5].Exchange, []byte("5"), time.Minute)
		table.Keep(&f[2].Exchange, []byte("2"), time.Second)
		for i, victim := range []int{2, 5} {
			if !table.Add(key(100+i), &late[i].Exchange, &late[i]) || f[victim].forgot != 1 || table.Find(key(victim)) != nil {
				t.Errorf("%d had to go for number %d", victim, i)
			}
		}
		if table.Add(key(102), &late[2].Exchange, &late[2]) || table.Len() != 8 {
			t.Errorf("one more than fits, %d in the table", table.Len())
		}
		for i := range f {
			table.Remove(&f[i].Exchange)
		}
		for i := range late {
			table.Remove(&late[i].Exchange)
		}
	})
}

func TestTableClose(t *testing.T) {
	onTable(t, 8, func(b *bench, table *Table) {
		var f [2]forgetter
		for i := range f {
			table.Add(key(i), &f[i].Exchange, &f[i])
		}
		table.Keep(&f[0].Exchange, []byte("x"), time.Hour)
		table.close()
		if f[0].forgot != 1 || f[1].forgot != 0 || table.Len() != 1 {
			t.Errorf("forgotten %d, %d times", f[0].forgot, f[1].forgot)
		}
		table.Remove(&f[1].Exchange)
		defer func() {
			if recover() == nil {
				t.Error("Keep of an idle exchange does not panic")
			}
		}()
		table.Keep(&f[1].Exchange, nil, time.Second)
	})
}
