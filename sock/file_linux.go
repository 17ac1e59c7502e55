package sock

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// SetFile holds the file itself open while it checks and changes it, so that nothing can be put in its place.
func (*backend) SetFile(path string, f File, uid, gid int, mode uint32) error {
	fd := -1
	err := retry(func() (err error) {
		fd, err = unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return stale(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if !same(fileOf(&st), f) {
		return syscall.ESTALE
	}
	// The owner comes first: a mode that opens the file to a group must not meet the group it was made with.
	if uid != -1 || gid != -1 {
		if err := unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	// fchmodat2 is of Linux 6.6; older kernels, and sandboxes that forbid what they do not know, reach the same file
	// through /proc.
	err = unix.Fchmodat(fd, "", mode, unix.AT_EMPTY_PATH)
	if err == syscall.EOPNOTSUPP || err == syscall.EPERM {
		return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode)
	}
	return err
}

// SetMode works before Bind only: the file takes its mode from the socket.
func (*backend) SetMode(fd int, mode uint32) error { return unix.Fchmod(fd, mode) }
