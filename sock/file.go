package sock

import (
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lstat tells what path itself is.
func (*system) Lstat(path string) (File, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Lstat(path, &st) }); err != nil {
		return File{}, err
	}
	return fileOf(&st), nil
}

// Unlink holds the directory open, so that the name that was looked at is the name that goes. The kernel has no call that
// removes by inode: whoever may write to the directory could still swap the name between the two calls.
func (*system) Unlink(path string, f File) error {
	return inDirectory(path, func(dir int, name string) error {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if !same(fileOf(&st), f) {
			return syscall.ESTALE
		}
		return unix.Unlinkat(dir, name, 0)
	})
}

// inDirectory has change do its work in the directory of path, held open.
func inDirectory(path string, change func(dir int, name string) error) error {
	dir := -1
	err := retry(func() (err error) {
		dir, err = unix.Open(filepath.Dir(path), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return stale(err)
	}
	defer unix.Close(dir)
	return stale(change(dir, filepath.Base(path)))
}

func fileOf(st *unix.Stat_t) File {
	return File{
		Socket: uint32(st.Mode)&unix.S_IFMT == unix.S_IFSOCK,
		UID:    st.Uid, GID: st.Gid,
		Mode:  uint32(st.Mode) & 0o7777,
		Inode: st.Ino, Device: uint64(st.Dev),
	}
}

func same(got, want File) bool {
	return got.Socket && got.Inode == want.Inode && got.Device == want.Device
}

// stale says that a file that is gone is not the one that was meant.
func stale(err error) error {
	if err == syscall.ENOENT {
		return syscall.ESTALE
	}
	return err
}

// retry makes a call of the file system again while signals interrupt it.
func retry(call func() error) error {
	for range interruptsMax {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
	return syscall.EAGAIN
}
