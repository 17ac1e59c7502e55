package event

// Runner is what a Task runs.
type Runner interface {
	RunTask()
	Describe() string
}

// Task is work for the end of this turn. It is embedded in its owner.
type Task struct {
	runner     Runner
	loop       *Loop // nil: not deferred
	prev, next *Task
}

// Init names what runs. Init of one that is deferred panics.
func (t *Task) Init(r Runner) {
	if t.loop != nil {
		panic("event: Init of a deferred task: " + describe(t.runner))
	}
	t.runner = r
}

// Defer has t run once at the end of this turn; a task deferred while the tasks run is for the next turn, which then does
// not wait. Deferring twice is once; on another loop it leaves the first. Outside of a turn it is for the coming one.
func (l *Loop) Defer(t *Task) {
	if t.runner == nil {
		panic("event: Defer of a task before Init")
	}
	if t.loop == l {
		return
	}
	t.Cancel()
	if l.closed {
		return
	}
	l.touch("defer")
	t.loop = l
	l.tasks.add(t)
}

// Cancel takes t back.
func (t *Task) Cancel() {
	if t.loop == nil {
		return
	}
	t.loop.touch("cancel task")
	t.leave()
}

// Pending tells whether t waits to run.
func (t *Task) Pending() bool { return t.loop != nil }

// ring makes t the head of an empty ring.
func (t *Task) ring() { t.prev, t.next = t, t }

// add puts task last in the ring of which t is the head.
func (t *Task) add(task *Task) {
	task.prev, task.next = t.prev, t
	t.prev.next, t.prev = task, task
}

func (t *Task) leave() {
	t.prev.next, t.next.prev = t.next, t.prev
	t.prev, t.next, t.loop = nil, nil, nil
}

// takeAll moves all of from to the end of the ring of which t is the head.
func (t *Task) takeAll(from *Task) {
	if from.next == from {
		return
	}
	t.prev.next, from.next.prev = from.next, t.prev
	from.prev.next, t.prev = t, from.prev
	from.ring()
}

// runTasks runs what was deferred before.
func (l *Loop) runTasks() {
	l.taskBatch.takeAll(&l.tasks)
	for l.taskBatch.next != &l.taskBatch {
		t := l.taskBatch.next
		t.leave()
		l.stats.Deferred++
		l.running.set(runsTask, t.runner)
		t.runner.RunTask()
	}
}
