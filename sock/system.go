package sock

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/event"
)

// System is the operating system's Kernel.
//
// Its shared half is here, in file.go and in option.go. A backend is one group of files per system (sys_linux.go and its
// kin, sys_bsd.go with sys_darwin.go and sys_freebsd.go) and defines:
//
//	type backend            what the calls share: free lists and what was learned of the kernel; its zero value is ready;
//	                        it has all methods of Kernel that are not in the shared half
//	optionName              the level and name of an Option on a socket, or an errno where the system has none
//	setSpecial, getSpecial  the options that are not one plain integer; done is false for all others
//	steers                  whether SteerPackets does anything
//	bufferShare             by what a buffer size that the kernel reports is divided
//	systemRows              rows of the errno table that only this system has
var System Kernel = new(system)

type system struct {
	backend
	reserve reserve
}

var _ Kernel = (*system)(nil)

// interruptsMax bounds the calls that one operation makes while signals interrupt it; then it is "not now", and a
// level-triggered loop comes again. A non-blocking call is interrupted at most between two pieces of its work.
const interruptsMax = 8

func (*system) Now() time.Time { return time.Now() }

func (*system) NewPoller() (event.Poller, error) { return event.NewPoller() }

func (*system) Lookup(host string, notify func()) event.Lookup { return event.NewLookup(host, notify) }

// Duplicate is Duplicator's.
func (*system) Duplicate(fd int) (twin int, err error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
}

func (*system) Getuid() uint32 { return uint32(os.Geteuid()) }

// socketKind is what socket(2) calls a family and a kind.
func socketKind(f Family, k frio.Kind) (domain, kind int, err error) {
	kind = syscall.SOCK_STREAM
	if k == frio.Datagram {
		kind = syscall.SOCK_DGRAM
	}
	switch f {
	case Inet4:
		return syscall.AF_INET, kind, nil
	case Inet6:
		return syscall.AF_INET6, kind, nil
	case Local:
		return syscall.AF_UNIX, kind, nil
	}
	return 0, 0, syscall.EAFNOSUPPORT
}
