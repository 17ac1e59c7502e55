package sock

import (
	"bytes"
	"sync"
)

// pathCount is how many peers' names are remembered: a server's usual peers, at 110 bytes each 14 KiB at most.
const pathCount = 128

// paths remembers the names of Local peers as strings, so that a peer's second datagram does not allocate.
type paths struct {
	mu    sync.Mutex
	slots [pathCount]slot
}

type slot struct {
	raw  string // as the kernel gave it
	path string
}

// get returns the path for the bytes of a sun_path. Thread: any.
func (p *paths) get(raw []byte) string {
	hash := uint32(2166136261) // FNV-1a
	for _, c := range raw {
		hash = (hash ^ uint32(c)) * 16777619
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.slots[hash%pathCount]
	if s.raw != string(raw) {
		*s = slot{raw: string(raw), path: pathOf(raw)}
	}
	return s.path
}

// pathOf gives an abstract name its '@', and a file whose relative path begins with one a "./", so that an answer
// cannot go to a name that the sender does not own.
func pathOf(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	if raw[0] == 0 {
		return "@" + string(raw[1:])
	}
	if end := bytes.IndexByte(raw, 0); end >= 0 {
		raw = raw[:end]
	}
	if raw[0] == '@' {
		return "./" + string(raw)
	}
	return string(raw)
}
