package event

import (
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
)

// Panic is what Turn panics with after a callback has panicked.
type Panic struct {
	What  string // what ran: "read event", "timer", "task", "posted function"
	Owner string // whose it was: what Describe said, or the function's name
	Value any    // what the callback panicked with
	Stack []byte // of the callback
}

// Error prints "event: panic in read event of tcp 192.0.2.1:7 <- 192.0.2.2:40112: index out of range".
func (p *Panic) Error() string {
	return fmt.Sprintf("event: panic in %s of %s: %v", p.What, p.Owner, p.Value)
}

// Unwrap returns Value if that is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

type describer interface{ Describe() string }

// running is what the loop called last, kept so that callbacks need no recover of their own.
type running struct {
	kind  runs
	ready Ready
	owner describer
	f     func()
}

type runs uint8

const (
	runsNothing runs = iota
	runsFD
	runsTimer
	runsTask
	runsPosted
)

func (r *running) set(kind runs, owner describer) { r.kind, r.owner, r.f = kind, owner, nil }

func (r *running) fd(owner describer, ready Ready) {
	r.kind, r.owner, r.ready, r.f = runsFD, owner, ready, nil
}

func (r *running) function(f func()) { r.kind, r.owner, r.f = runsPosted, nil, f }

// wrap adds to a panic's value whose callback it was. A panic of the loop's own says it itself.
func (r *running) wrap(value any) any {
	p := &Panic{Value: value, Stack: debug.Stack()}
	switch r.kind {
	case runsNothing:
		return value
	case runsFD:
		p.What = r.ready.String() + " event"
	case runsTimer:
		p.What = "timer"
	case runsTask:
		p.What = "task"
	case runsPosted:
		p.What = "posted function"
		p.Owner = runtime.FuncForPC(reflect.ValueOf(r.f).Pointer()).Name()
	}
	if r.owner != nil {
		p.Owner = describe(r.owner)
	}
	*r = running{}
	return p
}

// describe asks o for its name; what cannot be described must not hide the panic that is reported.
func describe(o describer) (name string) {
	defer func() {
		if v := recover(); v != nil {
			name = fmt.Sprintf("%T, whose Describe panics: %v", o, v)
		}
	}()
	if o == nil {
		return "nobody"
	}
	return o.Describe()
}
