package sim

import (
	"fmt"
	"syscall"

	"github.com/frio-io/frio"
)

// Faults makes a host's calls answer as a real system may, but seldom does. Each is a probability per call.
type Faults struct {
	Again     float64 // EAGAIN though it could go on, from accept, connected, recv and send calls; the poller reports it still
	Partial   float64 // a stream's recv or send moves only some of the bytes, a batch only some of the datagrams
	Reset     float64 // a stream's recv or send finds that the connection was reset under way
	Exhaust   float64 // Socket and Accept find no descriptor: EMFILE
	Interrupt float64 // Wait returns at once with nothing, as after a signal
	Shuffle   float64 // Wait reports what is ready in another order
}

// call is a method of Kernel.
type call uint8

const (
	callSocket call = iota
	callBind
	callListen
	callAccept
	callConnect
	callConnected
	callRecv
	callSend
	callCloseWrite
	callRecvPackets
	callSendPackets
	callRecvTrain
	callRecvFrom
	callSendTo
	callSetOption
	callOption
	callBindDevice
	callSteerPackets
	callLocalAddr
	callRemoteAddr
	callPeerCred
	callClose
	callLstat
	callSetMode
	callSetFile
	callUnlink
	callNewPoller
	callLookup
	callWait
	callCount
)

var callNames = [callCount]string{"Socket", "Bind", "Listen", "Accept", "Connect", "Connected", "Recv", "Send",
	"CloseWrite", "RecvPackets", "SendPackets", "RecvTrain", "RecvFrom", "SendTo", "SetOption", "Option", "BindDevice",
	"SteerPackets", "LocalAddr", "RemoteAddr", "PeerCred", "Close", "Lstat", "SetMode", "SetFile", "Unlink", "NewPoller",
	"Lookup", "Wait"}

// mayAgain are the calls that Faults.Again is for.
var mayAgain = [callCount]bool{callAccept: true, callConnected: true, callRecv: true, callSend: true, callRecvPackets: true, callSendPackets: true, callRecvTrain: true, callRecvFrom: true, callSendTo: true}

func callNamed(name string) call {
	for c, s := range callNames {
		if s == name {
			return call(c)
		}
	}
	panic(fmt.Sprintf("sim: no call is named %q", name))
}

// script is what a test wants of one call.
type script struct {
	seen int // since New
	at   map[int]syscall.Errno
	all  syscall.Errno
}

// Inject makes the nth call from now on of the method called name ("Accept", "SendPackets") fail with err; 1 is the next
// one. It fails before it has done anything. For SendPackets datagrams are counted, not calls: a batch stops before that
// datagram, and the call that begins with it fails. Wait, NewPoller and Lookup can be given errors too.
func (k *Kernel) Inject(name string, nth int, err syscall.Errno) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s := &k.scripts[callNamed(name)]
	if s.at == nil {
		s.at = map[int]syscall.Errno{}
	}
	s.at[s.seen+nth] = err
}

// InjectAll makes every call of name fail with err, until it is called again with 0.
func (k *Kernel) InjectAll(name string, err syscall.Errno) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	k.scripts[callNamed(name)].all = err
}

// Calls returns how often the method called name was called on this host; "Wait" counts for all its pollers.
func (k *Kernel) Calls(name string) int {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	return k.calls[callNamed(name)]
}

// SetFaults replaces the host's faults.
func (k *Kernel) SetFaults(f Faults) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	k.faults = f
}

// next counts one attempt and returns the errno that is written for it.
func (s *script) next() syscall.Errno {
	s.seen++
	if err, ok := s.at[s.seen]; ok {
		delete(s.at, s.seen)
		return err
	}
	return s.all
}

// fails tells whether the coming attempt is to fail, without using it up.
func (s *script) fails() bool { return s.all != 0 || s.at[s.seen+1] != 0 }

// fault is what goes wrong with call c whatever it is about.
func (k *Kernel) fault(c call) error {
	if c != callSendPackets {
		if err := k.scripts[c].next(); err != 0 {
			return err
		}
	}
	if mayAgain[c] && k.w.rng.roll(k.faults.Again) {
		return syscall.EAGAIN
	}
	if (c == callSocket || c == callAccept) && k.w.rng.roll(k.faults.Exhaust) {
		return syscall.EMFILE
	}
	return nil
}

// cut is how many of n a call moves.
func (k *Kernel) cut(n int) int {
	if n > 1 && k.w.rng.roll(k.faults.Partial) {
		return 1 + k.w.rng.below(n-1)
	}
	return n
}

// streamFault resets the connection of s if the seed says so.
func (k *Kernel) streamFault(s *socket) {
	if s.kind == frio.Stream && s.state == stateOpen && s.peer != nil && k.w.rng.roll(k.faults.Reset) {
		k.w.note(k, "fault reset", s.fd, 0, nil)
		s.breakConnection()
	}
}

// Abort closes fd, and resets its connection instead of ending it in order.
func (k *Kernel) Abort(fd int) error {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	s := k.descriptor(fd)
	if s == nil {
		return syscall.EBADF
	}
	k.w.note(k, "Abort", fd, 0, nil)
	s.aborted = true
	k.closeDescriptor(s)
	return nil
}
