//go:build linux

package main

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// kind is a transport, by the name that `proto` has in the configurations of both gateways.
type kind string

const (
	kindUDP  kind = "udp"
	kindTCP  kind = "tcp"
	kindTLS  kind = "tls"
	kindDTLS kind = "dtls"
)

var kinds = []kind{kindUDP, kindTCP, kindTLS, kindDTLS}

// stack is the kind as frio's `protocol`.
func (k kind) stack() string {
	switch k {
	case kindTLS:
		return "tls+tcp"
	case kindDTLS:
		return "tls+udp"
	}
	return string(k)
}

// secret is the RADIUS secret on this transport: RFC 6614, Section 2.3, and RFC 7360, Section 2.1, fix two.
func (k kind) secret() string {
	switch k {
	case kindTLS:
		return "radsec"
	case kindDTLS:
		return "radius/dtls"
	}
	return "bench-secret"
}

// datagrams reports whether packets travel as datagrams.
func (k kind) datagrams() bool { return k == kindUDP || k == kindDTLS }

// letter is the first of the names of users that come in over k, so that the home server can tell.
func (k kind) letter() byte {
	return map[kind]byte{kindUDP: 'u', kindTCP: 't', kindTLS: 's', kindDTLS: 'd'}[k]
}

const (
	// dialLimit bounds connecting and each handshake.
	dialLimit = 10 * time.Second

	// corkBytes is how much a stream keeps before it writes without being asked: what half a window of packets needs.
	corkBytes = 32 << 10

	// readBytes is the buffer that a stream reads into.
	readBytes = 64 << 10
)

// wire carries packets between the bench and a gateway. Write and Flush may be called from any goroutine, Read from one.
type wire interface {
	// write keeps p until flush, or until read is about to wait: what one batch of answers causes leaves in one system call.
	write(p []byte) error

	flush() error

	// read flushes, waits for packets and calls handle for each. A packet is valid until handle returns.
	read(handle func(p []byte)) error

	// close says goodbye as the transport has it; cut does not, and resets a TCP connection.
	close()
	cut()
}

// dial connects to a gateway.
func dial(k kind, addr netip.AddrPort, certs *certificates) (wire, error) {
	switch k {
	case kindUDP, kindDTLS:
		conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(addr))
		if err != nil {
			return nil, err
		}
		w, err := newDatagrams(conn)
		if err == nil && k == kindDTLS {
			if w.records, err = dialDTLS(conn, certs); err != nil {
				err = fmt.Errorf("dtls: %w", err)
			}
		}
		if err != nil {
			conn.Close()
			return nil, err
		}
		return w, nil
	default:
		conn, err := net.DialTimeout("tcp4", addr.String(), dialLimit)
		if err != nil {
			return nil, err
		}
		w := newStream(conn.(*net.TCPConn))
		if k == kindTLS {
			secure := tls.Client(w.socket, certs.client)
			conn.SetDeadline(time.Now().Add(dialLimit))
			if err := secure.Handshake(); err != nil {
				conn.Close()
				return nil, fmt.Errorf("tls: %w", err)
			}
			conn.SetDeadline(time.Time{})
			w.conn = secure
		}
		return w, nil
	}
}

// corked is a TCP socket whose writes are kept until flush, and whose reads are buffered and flush before they wait. It lies under
// TLS, so that many records leave in one system call.
type corked struct {
	*net.TCPConn
	in       []byte // what was read and not taken
	buffered []byte

	mu  sync.Mutex
	out []byte
}

func (c *corked) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, p...)
	if len(c.out) >= corkBytes {
		if err := c.flushLocked(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (c *corked) flushLocked() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.TCPConn.Write(c.out)
	c.out = c.out[:0]
	return err
}

func (c *corked) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushLocked()
}

func (c *corked) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		if err := c.flush(); err != nil {
			return 0, err
		}
		n, err := c.TCPConn.Read(c.buffered)
		if err != nil {
			return 0, err
		}
		c.in = c.buffered[:n]
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *corked) Close() error {
	c.flush()
	return c.TCPConn.Close()
}

// stream is TCP, or TLS over it.
type stream struct {
	socket *corked
	conn   net.Conn // socket, or TLS over it
	buffer []byte
	filled int
}

var _ wire = (*stream)(nil)

func newStream(conn *net.TCPConn) *stream {
	socket := &corked{TCPConn: conn, buffered: make([]byte, readBytes)}
	return &stream{socket: socket, conn: socket, buffer: make([]byte, readBytes)}
}

func (w *stream) write(p []byte) error {
	_, err := w.conn.Write(p)
	return err
}

func (w *stream) flush() error { return w.socket.flush() }

func (w *stream) read(handle func(p []byte)) error {
	n, err := w.conn.Read(w.buffer[w.filled:])
	w.filled += n
	rest := w.buffer[:w.filled]
	for len(rest) >= headBytes {
		size := int(binary.BigEndian.Uint16(rest[2:]))
		if size < headBytes || size > packetMax {
			return errShort
		}
		if size > len(rest) {
			break
		}
		handle(rest[:size])
		rest = rest[size:]
	}
	w.filled = copy(w.buffer, rest)
	return err
}

func (w *stream) close() {
	w.conn.Close()
}

func (w *stream) cut() {
	w.socket.SetLinger(0)
	w.socket.TCPConn.Close()
}

// datagrams is a connected UDP socket, with the records of DTLS or without.
type datagrams struct {
	conn    *net.UDPConn
	in      *batch
	records *records

	mu  sync.Mutex
	out *batch // guarded by mu
}

var _ wire = (*datagrams)(nil)

func newDatagrams(conn *net.UDPConn) (*datagrams, error) {
	growBuffers(conn)
	in, err := newBatch(conn, unix.SYS_RECVMMSG, false)
	if err != nil {
		return nil, err
	}
	out, err := newBatch(conn, unix.SYS_SENDMMSG, false)
	return &datagrams{conn: conn, in: in, out: out}, err
}

// growBuffers asks for what the bench would like to have; the system gives what it allows.
func growBuffers(conn *net.UDPConn) {
	conn.SetReadBuffer(socketBytes)
	conn.SetWriteBuffer(socketBytes)
}

func (w *datagrams) write(p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.out.next()
	if b == nil {
		if err := w.out.write(); err != nil {
			return err
		}
		b = w.out.next()
	}
	if w.records != nil {
		b = w.records.seal(b, recordData, p)
	} else {
		b = append(b, p...)
	}
	w.out.add(b, nil)
	return nil
}

func (w *datagrams) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.write()
}

func (w *datagrams) read(handle func(p []byte)) error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.in.read(); err != nil {
		return err
	}
	for _, p := range w.in.data[:w.in.count] {
		if w.records == nil {
			handle(p)
			continue
		}
		for len(p) > 0 {
			kind, plain, rest, err := w.records.open(p)
			if err == errRecord {
				break // not of this connection's keys: as if it had been lost
			}
			if err != nil {
				return err
			}
			if kind == recordData {
				handle(plain)
			}
			p = rest
		}
	}
	return nil
}

func (w *datagrams) close() {
	if w.records != nil {
		w.mu.Lock()
		w.conn.Write(w.records.seal(nil, recordAlert, []byte{1, 0}))
		w.mu.Unlock()
	}
	w.conn.Close()
}

func (w *datagrams) cut() { w.conn.Close() }
