//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// homePeersMax bounds the DTLS peers of a home server that are remembered; a gateway has a few connections, and new ones after each restart.
	homePeersMax = 1024

	// settleLimit is how long the first record of a peer waits for our side of the handshake, which was done before the peer's.
	settleLimit = 100 * time.Millisecond
)

// home is a home server that answers at once whatever is right, and counts what is not. It may be stopped and started again.
type home struct {
	kind  kind
	addr  netip.AddrPort // fixed with the first start
	certs *certificates
	seen  *bitmap     // of the numbers that it was asked for; nil if nobody wants to know
	mute  atomic.Bool // reads everything and answers nothing

	requests, statuses, bad atomic.Uint64
	copies                  atomic.Uint64          // requests of clients on udp that came again, where seen is given
	complaint               atomic.Pointer[string] // the last one

	mu      sync.Mutex
	running bool
	socket  interface{ Close() error } // *net.UDPConn or *net.TCPListener
	conns   map[*stream]bool
	work    sync.WaitGroup
}

func newHome(k kind, certs *certificates) *home {
	return &home{kind: k, certs: certs, addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), conns: map[*stream]bool{}}
}

// start opens the socket and serves it.
func (h *home) start() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kind.datagrams() {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(h.addr))
		if err != nil {
			return err
		}
		growBuffers(conn)
		in, err := newBatch(conn, unix.SYS_RECVMMSG, true)
		if err != nil {
			return err
		}
		out, err := newBatch(conn, unix.SYS_SENDMMSG, true)
		if err != nil {
			return err
		}
		h.addr = conn.LocalAddr().(*net.UDPAddr).AddrPort()
		h.socket = conn
		h.work.Go(func() { h.serveDatagrams(conn, in, out) })
	} else {
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(h.addr))
		if err != nil {
			return err
		}
		h.addr = l.Addr().(*net.TCPAddr).AddrPort()
		h.socket = l
		h.work.Go(func() { h.accept(l) })
	}
	h.running = true
	return nil
}

// kill closes everything at once, as the end of a process does: nobody says goodbye.
func (h *home) kill() {
	h.mu.Lock()
	if !h.running {
		h.mu.Unlock()
		return
	}
	h.running = false
	h.socket.Close()
	for w := range h.conns {
		w.socket.TCPConn.Close()
	}
	h.mu.Unlock()
	h.work.Wait()
}

// cut resets the connections that are open.
func (h *home) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.conns {
		w.cut()
	}
}

func (h *home) complain(err error) {
	h.bad.Add(1)
	text := fmt.Sprintf("home server %s %s: %v", h.kind, h.addr, err)
	h.complaint.Store(&text)
}

// answer appends the answer to p to b; a wrong request has none.
func (h *home) answer(s *signer, f *found, b, p []byte) []byte {
	letter, number, err := s.checkRequest(p, f)
	if err != nil {
		h.complain(err)
		return b
	}
	if p[0] == statusServer {
		h.statuses.Add(1)
	} else {
		h.requests.Add(1)
		if h.seen != nil && h.seen.set(number) && letter == kindUDP.letter() {
			h.copies.Add(1)
		}
	}
	if h.mute.Load() {
		return b
	}
	return s.appendReply(b, p, f, number)
}

func (h *home) accept(l *net.TCPListener) {
	for {
		conn, err := l.AcceptTCP()
		if err != nil {
			return
		}
		w := newStream(conn)
		h.mu.Lock()
		if !h.running {
			h.mu.Unlock()
			w.cut()
			return
		}
		h.conns[w] = true
		h.mu.Unlock()
		h.work.Go(func() {
			h.serveStream(w)
			h.mu.Lock()
			delete(h.conns, w)
			h.mu.Unlock()
		})
	}
}

func (h *home) serveStream(w *stream) {
	defer w.socket.TCPConn.Close()
	if h.kind == kindTLS {
		secure := tls.Server(w.socket, h.certs.server)
		w.socket.SetDeadline(time.Now().Add(dialLimit))
		if err := secure.Handshake(); err != nil {
			return
		}
		w.socket.SetDeadline(time.Time{})
		w.conn = secure
	}
	s, f, reply := newSigner(h.kind.secret()), new(found), make([]byte, 0, packetMax)
	handle := func(p []byte) {
		if b := h.answer(s, f, reply, p); len(b) > 0 {
			w.write(b)
		}
	}
	for w.read(handle) == nil {
	}
}

// peer is a DTLS connection of a home server.
type peer struct {
	fed     *fed
	done    chan struct{} // closed when the handshake has ended
	ready   *records      // if it went well; valid once done is closed
	started time.Time
}

// over waits up to limit for the end of the handshake and reports whether it has come.
func (p *peer) over(limit time.Duration) bool {
	select {
	case <-p.done:
		return true
	default:
	}
	if limit == 0 {
		return false
	}
	select {
	case <-p.done:
		return true
	case <-time.After(limit):
		return false
	}
}

func (h *home) serveDatagrams(conn *net.UDPConn, in, out *batch) {
	defer conn.Close()
	s, f, reply := newSigner(h.kind.secret()), new(found), make([]byte, 0, packetMax)
	peers := map[netip.AddrPort]*peer{}
	for in.read() == nil {
		for i, p := range in.data[:in.count] {
			name := &in.names[i]
			if h.kind == kindDTLS {
				h.datagramDTLS(conn, peers, addrPort(name), p, func(r *records, plain []byte) {
					if b := h.answer(s, f, reply, plain); len(b) > 0 {
						h.room(out)
						out.add(r.seal(out.next(), recordData, b), name)
					}
				})
				continue
			}
			h.room(out)
			if b := h.answer(s, f, out.next(), p); len(b) > 0 {
				out.add(b, name)
			}
		}
		out.write()
	}
	for _, p := range peers {
		p.fed.stop()
	}
}

// room writes what waits if there is no room for one more.
func (h *home) room(out *batch) {
	if out.next() == nil {
		out.write()
	}
}

// datagramDTLS handles one datagram of a peer: what belongs to a handshake goes to pion, the rest is opened here.
func (h *home) datagramDTLS(conn *net.UDPConn, peers map[netip.AddrPort]*peer, from netip.AddrPort, p []byte, handle func(r *records, plain []byte)) {
	if len(p) < recordHead {
		return
	}
	peerOf := peers[from]
	// A handshake in the clear after the first: the peer has begun again.
	fresh := p[0] == recordHandshake && p[3] == 0 && p[4] == 0
	if fresh && (peerOf == nil || peerOf.over(0) || time.Since(peerOf.started) > dialLimit) {
		if len(peers) >= homePeersMax {
			clear(peers)
		}
		peerOf = &peer{fed: newFed(conn, from), done: make(chan struct{}), started: time.Now()}
		peers[from] = peerOf
		h.work.Go(func() {
			defer close(peerOf.done)
			peerOf.ready, _ = acceptDTLS(peerOf.fed, h.certs)
		})
	}
	if peerOf == nil {
		return
	}
	if p[0] != recordData && !peerOf.over(0) {
		peerOf.fed.give(p)
		return
	}
	if !peerOf.over(settleLimit) || peerOf.ready == nil {
		return
	}
	for len(p) > 0 {
		kind, plain, rest, err := peerOf.ready.open(p)
		if err != nil {
			if err == errClosed {
				delete(peers, from)
			}
			return
		}
		if kind == recordData && plain != nil {
			handle(peerOf.ready, plain)
		}
		p = rest
	}
}

// bitmap is a set of numbers below its size. Thread: any.
type bitmap struct {
	words []atomic.Uint64
}

func newBitmap(size uint64) *bitmap { return &bitmap{make([]atomic.Uint64, size/64+1)} }

// set puts number in and reports whether it was there; numbers beyond the size never are.
func (m *bitmap) set(number uint64) bool {
	if number/64 >= uint64(len(m.words)) {
		return false
	}
	bit := uint64(1) << (number % 64)
	return m.words[number/64].Or(bit)&bit != 0
}
