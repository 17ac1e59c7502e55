package friotest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// recorder takes what a check has to say, so that a failing check is a result and not a failure.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()      {}
func (r *recorder) Failed() bool { return len(r.failures) > 0 }
func (r *recorder) Fail()        { r.failures = append(r.failures, "Fail") }
func (r *recorder) FailNow()     { r.Fail(); runtime.Goexit() }

func (r *recorder) Log(...any)          {}
func (r *recorder) Logf(string, ...any) {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

// record runs one check and returns what it found. A panic is a finding as well.
func record(t *testing.T, target Target, k kernels, name string) []string {
	t.Helper()
	list := allChecks()
	i := slices.IndexFunc(list, func(c check) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("no check is called %q", name)
	}
	if !list[i].applies(&target, k) {
		t.Fatalf("check %q is not for this target", name)
	}
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if what := recover(); what != nil {
				r.failures = append(r.failures, fmt.Sprintf("panic: %v", what))
			}
			for _, f := range slices.Backward(r.cleanups) {
				f()
			}
		}()
		list[i].do(r, target, k)
	}()
	<-done
	return r.failures
}

func mutated(target Target) Target {
	target.Stack = "mutant+" + target.Stack
	return target
}

// TestHonestLayer runs the whole suite over a layer that does nothing: what is found in the mutants is theirs.
func TestHonestLayer(t *testing.T) {
	mutating = honest
	t.Run("tcp", func(t *testing.T) { TestIO(t, mutated(tcpTarget())) })
	t.Run("udp", func(t *testing.T) { TestIO(t, mutated(udpTarget(false))) })
	t.Run("demux", func(t *testing.T) { TestIO(t, mutated(udpTarget(true))) })
}

// TestMutants proves that the suite can fail: each mutation is found by the check that is about it.
func TestMutants(t *testing.T) {
	defer func() { mutating = honest }()
	type test struct {
		wrong mutation
		check string
		says  string // a part of one finding
	}
	streams := []test{
		{dropsByte, "data without a loop", "read"},
		{dropsByte, "pattern both ways", "want 0x"},
		{dropsByte, "echo under faults", "want 0x"},
		{mixesUp, "back-pressure", "want 0x"},
		{doublesWrite, "short reads", "want \"t\""},
		{doublesWrite, "back-pressure", "want"},
		{holdsByte, "close delivers what write took", "that Write took"},
		{resetIsEOF, "reset", "want ErrReset"},
		{resetIsEOF, "resets at any call", "an end in order"},
		{endsOnce, "eof repeats", "Read ended with EOF"},
		{wrapsAgain, "nothing to read", "wrapped ErrAgain"},
		{countAndErr, "data without a loop", "returned"},
		{callsInside, "data with a loop", "inside of a call"},
		{callsInside, "no callback inside a call", "inside of a call"},
		{callsClosed, "close in its own read callback", "after Close"},
		{callsClosed, "close of a listener in its callback", "after Close"},
		{callsOnce, "level-triggered", "five callbacks"},
		{callsOnce, "an end is announced each turn until it is read", "want 1"},
		{callsGone, "a wish is removed", "replaced or removed"},
		{spins, "attached without a wish", "events in"},
		{losesOnMove, "move inside its own callback", "waited in vain"},
		{losesOnMove, "a wish is removed", "waited in vain"},
		{leavesOpen, "close twice and use after close", "after Close"},
		{noTimeout, "idle_timeout", "want the time-out of idle_timeout"},
		{lateOpen, "close twice and use after close", "want net.ErrClosed"},
		{hidesPanic, "callbacks without a loop panic", "no panic"},
	}
	datagrams := []test{
		{mixesUp, "boundaries", "want"},
		{doublesWrite, "boundaries", "too long"},
		{failsOnBad, "a datagram longer than the buffer", "want 0 and a *PacketError"},
		{failsOnBad, "bad datagrams on a loop", "Read ended with"},
		{cutsLong, "a datagram longer than the buffer", "want 0 and a *PacketError"},
		{givesEmpty, "empty datagrams", "returned 0 and nil"},
		{skipsTwo, "a bad datagram within a batch written", "in vain"},
		{setsErr, "a bad datagram within a batch written", "set Err"},
		{callsOnce, "level-triggered", "five callbacks"},
		{callsClosed, "close in its own read callback", "after Close"},
		{dropsByte, "sizes of datagrams", "want"},
		{wrapsAgain, "datagrams under faults", "wrapped ErrAgain"},
		{noTimeout, "idle_timeout", "want the time-out of idle_timeout"},
	}
	run := func(target Target, list []test) {
		for _, test := range list {
			t.Run(target.Stack+"/"+string(test.wrong)+"/"+test.check, func(t *testing.T) {
				mutating = honest
				if found := record(t, target, onSim, test.check); len(found) > 0 {
					t.Fatalf("an honest layer fails: %q", found)
				}
				mutating = test.wrong
				found := record(t, target, onSim, test.check)
				if len(found) == 0 {
					t.Fatalf("the suite did not see a layer that %s", test.wrong)
				}
				if !strings.Contains(strings.Join(found, "\n"), test.says) {
					t.Errorf("a layer that %s is found for another reason, not %q: %q", test.wrong, test.says, found)
				}
			})
		}
	}
	run(mutated(tcpTarget()), streams)
	run(mutated(udpTarget(true)), datagrams)
}

func TestMain(m *testing.M) { Main(m) }
