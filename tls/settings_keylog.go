package tls

import (
	"os"
	"path/filepath"
	"sync"
)

// keyLog appends secrets to a file in the NSS key log format. It opens it for each line, which keeps no descriptor:
// this is for debugging.
type keyLog struct {
	path string
	mu   sync.Mutex
}

// Write appends one line. An error is kept from crypto/tls, whose handshake it would end.
func (k *keyLog) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, err := os.OpenFile(k.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		f.Write(p)
		f.Close()
	}
	return len(p), nil
}

// cannotAppend tells why a key log cannot be written, without making it.
func cannotAppend(path string) string {
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		if info, err = os.Stat(filepath.Dir(path)); err == nil && !info.IsDir() {
			return "its directory is none"
		}
	} else if err == nil && !info.Mode().IsRegular() {
		return "is not a regular file"
	} else if err == nil {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0); err == nil {
			f.Close()
		}
	}
	if err != nil {
		return withoutPath(err).Error()
	}
	return ""
}
