package unix

import (
	"fmt"
	"syscall"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/base"
	"github.com/frio-io/frio/sock"
)

// file is the name of a listening socket, in the file system or abstract.
type file struct {
	kernel   sock.Kernel
	path     string
	mode     uint32
	uid, gid int // -1: as the system makes it
	made     sock.File
	exists   bool // made is there, and ours to remove
}

func (f *file) abstract() bool { return f.path[0] == '@' }

// open makes a socket with the name; one that was inherited has it. A file is never there with more rights than in the end: its socket gets no more
// than the mode before bind, and is given its owner before what the umask took away.
func (f *file) open(heir *base.Inheritance, kind frio.Kind, before, after func(fd int) error) (int, error) {
	k := f.kernel
	if !f.abstract() && !heir.Waits() {
		if err := f.clear(); err != nil {
			return -1, err
		}
	}
	fd, err := heir.Open(k, sock.Addr{Path: f.path}, kind, "", func(fd int) error {
		if !f.abstract() {
			// Where the system has it not, the file has what the umask gives for the moment until own.
			if err := k.SetMode(fd, f.mode&0700); err != nil && err != syscall.EOPNOTSUPP {
				return err
			}
		}
		return before(fd)
	}, func(fd int) error {
		if !f.abstract() {
			if err := f.own(); err != nil {
				return err
			}
		}
		return after(fd)
	})
	if err != nil {
		f.remove()
	}
	return fd, err
}

// own gives the file that bind made its exact owner and mode.
func (f *file) own() (err error) {
	if f.made, err = f.kernel.Lstat(f.path); err != nil {
		return err
	}
	f.exists = true
	if err := f.kernel.SetFile(f.path, f.made, f.uid, f.gid, f.mode); err != nil {
		return fmt.Errorf("set owner and mode: %w", err)
	}
	return nil
}

// clear removes what a dead process left at the path. A socket that answers, one of somebody else, and what is no
// socket are refused.
func (f *file) clear() error {
	old, err := f.kernel.Lstat(f.path)
	switch {
	case err == syscall.ENOENT:
		return nil
	case err != nil:
		return err
	case !old.Socket:
		return fmt.Errorf("it exists and is no socket: %w", syscall.ENOTSOCK)
	case old.UID != f.kernel.Getuid():
		return fmt.Errorf("it belongs to user %d: %w", old.UID, syscall.EPERM)
	}
	switch err := f.probe(); err {
	case syscall.ECONNREFUSED:
	case syscall.ENOENT:
		return nil
	default:
		return fmt.Errorf("somebody listens on it: %w", syscall.EADDRINUSE)
	}
	err = f.kernel.Unlink(f.path, old)
	if err == nil || err == syscall.ENOENT {
		return nil
	}
	return fmt.Errorf("remove the stale socket: %w", err)
}

// probe connects: only ECONNREFUSED says that nobody is behind the file. A datagram socket asks without being noticed: a
// listener for streams answers EPROTOTYPE and does not find a connection that ends at once.
func (f *file) probe() error {
	fd, err := f.kernel.Socket(sock.Local, frio.Datagram)
	if err != nil {
		return err
	}
	defer f.kernel.Close(fd)
	return f.kernel.Connect(fd, sock.Addr{Path: f.path})
}

// remove takes the file away, if it is still the one that open made.
func (f *file) remove() {
	if f.exists {
		f.exists = false
		_ = f.kernel.Unlink(f.path, f.made) // gone already, or somebody else's now
	}
}
