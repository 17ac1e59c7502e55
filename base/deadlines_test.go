package base

import (
	"testing"
	"time"
)

func TestDeadlines(t *testing.T) {
	t0 := time.Unix(1000, 0)
	at := func(s float64) time.Time { return t0.Add(time.Duration(s * float64(time.Second))) }
	all := Limits{FirstByteTimeout: 2 * time.Second, IdleTimeout: 10 * time.Second, Lifetime: 60 * time.Second, WriteTimeout: 5 * time.Second}
	cases := []struct {
		name   string
		limits Limits
		do     func(d *Deadlines)
		next   time.Time
		now    time.Time
		want   string
	}{
		{"never", Limits{}, func(*Deadlines) {}, time.Time{}, at(1e6), ""},
		{"first byte", all, func(*Deadlines) {}, at(2), at(2), "first_byte_timeout"},
		{"first byte, not yet", all, func(*Deadlines) {}, at(2), at(1.999), ""},
		{"our own bytes are not the peer's first", all, func(d *Deadlines) { d.Took(at(1)) }, at(2), at(2), "first_byte_timeout"},
		{"idle after a byte", all, func(d *Deadlines) { d.Got(at(1)) }, at(11), at(11), "idle_timeout"},
		{"idle after our byte", all, func(d *Deadlines) { d.Got(at(1)); d.Took(at(3)) }, at(13), at(12), ""},
		{"write blocked", all, func(d *Deadlines) { d.Got(at(1)); d.Blocked(at(2)); d.Blocked(at(4)) }, at(7), at(7), "write_timeout"},
		{"write goes on", all, func(d *Deadlines) { d.Got(at(1)); d.Blocked(at(2)); d.Progress(at(6)) }, at(11), at(7), ""},
		{"lifetime, quiet", all, func(d *Deadlines) { d.Got(at(55)) }, at(60), at(60), "lifetime"},
		{"lifetime waits for quiet", all, func(d *Deadlines) { d.Got(at(59.95)) }, at(60.05), at(60), ""},
		{"lifetime waits for output", all, func(d *Deadlines) { d.Got(at(58)); d.Blocked(at(59)) }, at(64), at(61), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var d Deadlines
			d.Start(t0, &c.limits)
			c.do(&d)
			if got := d.Next(); !got.Equal(c.next) {
				t.Errorf("next at %v, want %v", got.Sub(t0), c.next.Sub(t0))
			}
			if got := d.Expired(c.now); got != c.want {
				t.Errorf("expired %q, want %q", got, c.want)
			}
		})
	}
}

func TestDeadlineThatPassedIsNotAskedForAgain(t *testing.T) {
	// A lifetime that waits for output must not leave Next in the past: the timer would fire every turn.
	t0 := time.Unix(1000, 0)
	var d Deadlines
	d.Start(t0, &Limits{Lifetime: time.Second})
	d.Blocked(t0)
	if at := d.Next(); !at.IsZero() {
		t.Errorf("next at %v while output waits", at.Sub(t0))
	}
	if !d.Took(t0.Add(5 * time.Second)) {
		t.Error("the end of the wait does not ask for the timer")
	}
	if at := d.Next(); !at.Equal(t0.Add(5*time.Second + quiet)) {
		t.Errorf("next at %v", at.Sub(t0))
	}
}
