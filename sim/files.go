package sim

import (
	"syscall"

	"github.com/frio-io/frio/sock"
)

// file is a name in a host's file system.
type file struct {
	sock.File
	owner *socket // nil: stale, or no socket
}

func (f *file) writableBy(uid, gid uint32) bool {
	switch {
	case uid == 0:
		return true
	case uid == f.UID:
		return f.Mode&0o200 != 0
	case gid == f.GID:
		return f.Mode&0o020 != 0
	}
	return f.Mode&0o002 != 0
}

func (k *Kernel) addFile(path string, f sock.File) *file {
	if f.Inode == 0 {
		k.inode++
		f.Inode = k.inode
	}
	f.Device = 1
	e := &file{File: f}
	k.files[path] = e
	return e
}

// AddFile puts a file, or a stale socket, at path, in place of what is there; a zero Inode becomes a fresh one.
func (k *Kernel) AddFile(path string, f sock.File) { k.set(func() { k.addFile(path, f) }) }

// RemoveFile takes away what is at path, as rm does: a socket goes on without a name.
func (k *Kernel) RemoveFile(path string) { k.set(func() { delete(k.files, path) }) }

// enterFile begins every call about a path.
func (k *Kernel) enterFile(c call) error {
	k.w.countCall()
	k.calls[c]++
	return k.fault(c)
}

// Lstat implements sock.Kernel.
func (k *Kernel) Lstat(path string) (f sock.File, err error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	if err = k.enterFile(callLstat); err == nil {
		if e := k.files[path]; e != nil {
			f = e.File
		} else {
			err = syscall.ENOENT
		}
	}
	return f, k.leave(callLstat, -1, int(f.Inode), err)
}

// SetMode implements sock.Kernel.
func (k *Kernel) SetMode(fd int, mode uint32) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s, err := k.enter(callSetMode, fd)
	if err == nil {
		s.mode = mode & 0o7777
	}
	return k.leave(callSetMode, fd, int(mode), err)
}

// same returns the socket file at path if it is the one that f tells of.
func (k *Kernel) same(path string, f sock.File) (*file, error) {
	e := k.files[path]
	if e == nil || !e.Socket || e.Inode != f.Inode || e.Device != f.Device {
		return nil, syscall.ESTALE
	}
	return e, nil
}

// SetFile implements sock.Kernel.
func (k *Kernel) SetFile(path string, f sock.File, uid, gid int, mode uint32) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	err := k.enterFile(callSetFile)
	if err == nil {
		err = k.setFile(path, f, uid, gid, mode)
	}
	return k.leave(callSetFile, -1, int(mode), err)
}

func (k *Kernel) setFile(path string, f sock.File, uid, gid int, mode uint32) error {
	e, err := k.same(path, f)
	if err != nil {
		return err
	}
	own := k.uid == 0 || k.uid == e.UID
	switch {
	case k.uid != 0 && uid != -1 && uint32(uid) != e.UID,
		k.uid != 0 && gid != -1 && uint32(gid) != e.GID && !(own && uint32(gid) == k.gid),
		!own:
		return syscall.EPERM
	}
	if uid != -1 {
		e.UID = uint32(uid)
	}
	if gid != -1 {
		e.GID = uint32(gid)
	}
	e.Mode = mode & 0o7777
	return nil
}

// Unlink implements sock.Kernel.
func (k *Kernel) Unlink(path string, f sock.File) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	err := k.enterFile(callUnlink)
	if err == nil {
		if _, err = k.same(path, f); err == nil {
			delete(k.files, path)
		}
	}
	return k.leave(callUnlink, -1, int(f.Inode), err)
}
