package sock

import (
	"syscall"

	"github.com/frio-io/frio"
)

// trainPause is for how many batches no train is tried after an interface could not cut one: a thousandth of the calls
// is what trying costs such a system.
const trainPause = 1024

// canTrain tells whether packets hold a train and fd can send it.
func (s *backend) canTrain(fd int, packets []frio.Packet) bool {
	k := 1
	for k < len(packets) && !follows(&packets[k-1], &packets[k]) {
		k++
	}
	if k >= len(packets) {
		return false
	}
	if s.trainPause.Load() > 0 {
		s.trainPause.Add(-1)
		return false
	}
	return s.learned.trains(fd)
}

// derailed tells whether a train that failed with e may succeed datagram by datagram. Other errors are reported as they
// are: a pending error of the socket is cleared by reporting it, and another attempt would lose it.
func (s *backend) derailed(e syscall.Errno) bool {
	switch e {
	case syscall.EIO, syscall.EOPNOTSUPP: // the interface computes no checksums, or cannot cut
		s.trainPause.Store(trainPause)
		return true
	case syscall.EINVAL, syscall.EMSGSIZE: // one datagram of it is longer than the path's MTU
		return true
	case syscall.ENOBUFS, syscall.ENOMEM: // no memory for all of it at once
		return true
	}
	return false
}

// follows tells whether b may stand behind a in a train.
func follows(a, b *frio.Packet) bool {
	return len(b.Data) > 0 && len(b.Data) <= len(a.Data) &&
		a.Remote == b.Remote && a.Local == b.Local && a.Ifindex == b.Ifindex
}

// trainLen is how many packets at the front go as one train: of one size, but for a shorter last one.
func trainLen(packets []frio.Packet) int {
	size, total := len(packets[0].Data), len(packets[0].Data)
	for k := 1; k < len(packets); k++ {
		total += len(packets[k].Data)
		if total > trainBytes || !follows(&packets[k-1], &packets[k]) {
			return k
		}
		if len(packets[k].Data) < size {
			return k + 1
		}
	}
	return len(packets)
}
