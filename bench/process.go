//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The program under test has processor 0 for itself as far as the bench is concerned, and the bench processor 1.
const (
	processorGateway = 0
	processorBench   = 1
)

// gatewayProcessor is the name of the gateway's processor in /proc/stat.
var gatewayProcessor = fmt.Sprintf("cpu%d", processorGateway)

// stopLimit is how long a child has to end after SIGTERM, before it is killed.
const stopLimit = 5 * time.Second

// pinSelf puts all threads of the bench on its processor. It returns false where there is only one.
func pinSelf() (bool, error) {
	if runtime.NumCPU() < 2 {
		return false, nil
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return false, err
	}
	var set unix.CPUSet
	set.Set(processorBench)
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return false, err
		}
		// A thread may have ended; threads that start later inherit.
		if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return false, os.NewSyscallError("sched_setaffinity", err)
		}
	}
	runtime.GOMAXPROCS(1)
	return true, nil
}

// process is a child of the bench.
type process struct {
	cmd *exec.Cmd
	log string // file with what it printed
	end chan struct{}
	err error // valid after end
}

// startProcess runs a program on the gateway's processor, with its output in a file of dir.
func startProcess(dir, name string, args ...string) (*process, error) {
	out, err := os.CreateTemp(dir, filepath.Base(name)+"-*.log")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := &process{cmd: cmd, log: out.Name(), end: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The child inherits the processors of this thread, and dies with it: it waits here, locked, until the child has ended.
		runtime.LockOSThread()
		defer close(p.end)
		if runtime.NumCPU() > 1 {
			var set unix.CPUSet
			set.Set(processorGateway)
			if err := unix.SchedSetaffinity(0, &set); err != nil {
				started <- os.NewSyscallError("sched_setaffinity", err)
				return
			}
		}
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// ended reports whether the child has ended by itself.
func (p *process) ended() bool {
	select {
	case <-p.end:
		return true
	default:
		return false
	}
}

// stop ends the child, by SIGTERM and then by SIGKILL.
func (p *process) stop() {
	if p.ended() {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.end:
	case <-time.After(stopLimit):
		p.cmd.Process.Kill()
		<-p.end
	}
}

func (p *process) reload() error { return p.cmd.Process.Signal(syscall.SIGHUP) }

// lastWords is the end of what the child printed.
func (p *process) lastWords() string {
	b, _ := os.ReadFile(p.log)
	const most = 2000
	if len(b) > most {
		b = b[len(b)-most:]
	}
	return string(b)
}

// cpu is the processor time that all threads of the child have used, those that ended too.
func (p *process) cpu() (time.Duration, error) {
	// The clock of a process, as clock_getcpuclockid(3) names it; the ticks of /proc/PID/stat are 10 ms.
	const schedClock = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|schedClock), &t); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(t.Nano()), nil
}

// processorTime is how long a processor (cpu0, cpu1, or cpu: all) has worked for anybody, in the 10 ms of the system's ticks.
func processorTime(name string) (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	const tick = 10 * time.Millisecond
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) < 9 || fields[0] != name {
			continue
		}
		var sum time.Duration
		for i, field := range fields[1:9] {
			n, err := strconv.Atoi(field)
			if err != nil {
				return 0, err
			}
			if i != 3 && i != 4 { // idle, and waiting for a disk
				sum += time.Duration(n) * tick
			}
		}
		return sum, nil
	}
	return 0, fmt.Errorf("stat: there is no %s", name)
}

const (
	// quietShare is how much of a processor, in percent, others may have before a measurement counts as disturbed.
	quietShare = 5

	// quietLook is how long the processors are looked at before a measurement.
	quietLook = time.Second
)

// awaitQuiet waits until all processors are nearly idle, at most patience.
func awaitQuiet(patience time.Duration) error {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		before, err := processorTime("cpu")
		if err != nil {
			return err
		}
		time.Sleep(quietLook)
		after, err := processorTime("cpu")
		if err != nil {
			return err
		}
		if (after-before)*100 < quietShare*quietLook {
			return nil
		}
	}
	return nil
}

// memory is the resident set in bytes.
func (p *process) memory() (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0, errors.New("statm: too short")
	}
	pages, err := strconv.Atoi(string(fields[1]))
	return pages * os.Getpagesize(), err
}

// descriptors is how many the child has open.
func (p *process) descriptors() (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	return len(entries), err
}

// threads is how many the child has.
func (p *process) threads() (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid))
	return len(entries), err
}

// raiseDescriptors takes as many descriptors as the system allows, for the bench and its children.
func raiseDescriptors() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	// Said explicitly, so that children have it too: the runtime gives them back the limit that it found otherwise.
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// processorName is what the machine says of itself, for the head of a table.
func processorName() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}
