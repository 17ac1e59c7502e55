//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
)

// The handshake of DTLS is that of pion, which is none of the programs under test. Its way of reading costs more than all of what
// the bench does with a packet, so after the handshake the records are made here: DTLS 1.2, one cipher suite.

const (
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23

	recordHead     = 13 // type, version, epoch, sequence number, length: RFC 6347, Section 4.1
	recordExplicit = 8  // of the nonce, in front of what is encrypted: RFC 5288, Section 3
	recordTag      = 16

	// recordFirst is the number of the first record after the handshake; the handshake used fewer.
	recordFirst = 1 << 16
)

var (
	// errRecord is a record that the connection's keys do not open.
	errRecord = errors.New("dtls: record")

	errClosed = errors.New("dtls: closed by the peer")
)

// records are the keys of a connection. seal and open may be called at the same time, but each by one goroutine.
type records struct {
	in, out       cipher.AEAD
	inIV, outIV   [12]byte // the fixed four bytes, and room for those of a record
	inAAD, outAAD [recordHead]byte
	next          uint64
}

// snapshot is what pion tells of a connection, with the names that it has there.
type snapshot struct {
	LocalRandom, RemoteRandom [32]byte
	MasterSecret              []byte
	IsClient                  bool
}

func newRecords(conn *dtls.Conn) (*records, error) {
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, errors.New("no state")
	}
	encoded, err := state.MarshalBinary()
	if err != nil {
		return nil, err
	}
	var s snapshot
	if err := gob.NewDecoder(bytes.NewReader(encoded)).Decode(&s); err != nil {
		return nil, err
	}
	client, server := s.LocalRandom[:], s.RemoteRandom[:]
	if !s.IsClient {
		client, server = server, client
	}
	keys, err := prf.GenerateEncryptionKeys(s.MasterSecret, client, server, 0, 16, 4, sha256.New)
	if err != nil {
		return nil, err
	}
	r := &records{next: 1<<48 | recordFirst} // epoch 1
	outKey, inKey := keys.ClientWriteKey, keys.ServerWriteKey
	outIV, inIV := keys.ClientWriteIV, keys.ServerWriteIV
	if !s.IsClient {
		outKey, inKey, outIV, inIV = inKey, outKey, inIV, outIV
	}
	copy(r.outIV[:], outIV)
	copy(r.inIV[:], inIV)
	if r.out, err = newGCM(outKey); err != nil {
		return nil, err
	}
	r.in, err = newGCM(inKey)
	return r, err
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal appends a record with plain in it to b.
func (r *records) seal(b []byte, kind byte, plain []byte) []byte {
	number := r.next
	r.next++
	binary.BigEndian.PutUint64(r.outIV[4:], number)
	additional(&r.outAAD, number, kind, len(plain))
	b = append(b, kind, 0xfe, 0xfd)
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.BigEndian.AppendUint16(b, uint16(recordExplicit+len(plain)+recordTag))
	b = binary.BigEndian.AppendUint64(b, number)
	return r.out.Seal(b, r.outIV[:], plain, r.outAAD[:])
}

// additional fills in what is authenticated with a record: RFC 5246, Section 6.2.3.3.
func additional(a *[recordHead]byte, number uint64, kind byte, n int) {
	binary.BigEndian.PutUint64(a[:], number)
	a[8], a[9], a[10] = kind, 0xfe, 0xfd
	binary.BigEndian.PutUint16(a[11:], uint16(n))
}

// open takes the first record of datagram p apart, in place. The error is errRecord or errClosed.
func (r *records) open(p []byte) (kind byte, plain, rest []byte, err error) {
	if len(p) < recordHead {
		return 0, nil, nil, errRecord
	}
	n := int(binary.BigEndian.Uint16(p[11:]))
	if recordHead+n > len(p) {
		return 0, nil, nil, errRecord
	}
	kind, number := p[0], binary.BigEndian.Uint64(p[3:])
	body, rest := p[recordHead:recordHead+n], p[recordHead+n:]
	if number>>48 != 1 || n < recordExplicit+recordTag {
		return kind, nil, rest, nil // of the handshake, which is over
	}
	copy(r.inIV[4:], body[:recordExplicit])
	body = body[recordExplicit:]
	additional(&r.inAAD, number, kind, len(body)-recordTag)
	plain, err = r.in.Open(body[:0], r.inIV[:], body, r.inAAD[:])
	if err != nil {
		return 0, nil, nil, errRecord
	}
	if kind == recordAlert {
		return 0, nil, nil, errClosed
	}
	return kind, plain, rest, nil
}

// lent is a connected UDP socket that pion has for the time of a handshake. After that what it writes is swallowed.
type lent struct {
	*net.UDPConn
	over atomic.Bool
}

func (l *lent) ReadFrom(p []byte) (int, net.Addr, error) {
	if l.over.Load() {
		return 0, nil, net.ErrClosed
	}
	n, err := l.Read(p)
	return n, l.RemoteAddr(), err
}

func (l *lent) WriteTo(p []byte, _ net.Addr) (int, error) {
	if l.over.Load() {
		return len(p), nil
	}
	return l.Write(p)
}

func (l *lent) Close() error { return nil }

// dialDTLS shakes hands over conn.
func dialDTLS(conn *net.UDPConn, certs *certificates) (*records, error) {
	l := &lent{UDPConn: conn}
	c, err := dtls.ClientWithOptions(l, conn.RemoteAddr(),
		dtls.WithCertificates(certs.client.Certificates...), dtls.WithRootCAs(certs.client.RootCAs), dtls.WithServerName(certs.client.ServerName),
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	var r *records
	if err = c.HandshakeContext(ctx); err == nil {
		r, err = newRecords(c)
	}
	l.over.Store(true)
	conn.SetReadDeadline(time.Now()) // pion's reader wakes, and sees that it is over
	c.Close()
	conn.SetReadDeadline(time.Time{})
	return r, err
}

// fed is the connection that pion has on the side of the home server: datagrams come by a channel.
type fed struct {
	conn *net.UDPConn
	peer netip.AddrPort
	in   chan []byte
	done chan struct{}
	over atomic.Bool
}

// fedMax is how many datagrams of a handshake may wait.
const fedMax = 32

func newFed(conn *net.UDPConn, peer netip.AddrPort) *fed {
	return &fed{conn: conn, peer: peer, in: make(chan []byte, fedMax), done: make(chan struct{})}
}

// give hands a datagram over; one too many is lost.
func (f *fed) give(p []byte) {
	select {
	case f.in <- append([]byte(nil), p...):
	default:
	}
}

// stop ends the handshake, if it has not ended.
func (f *fed) stop() {
	if !f.over.Swap(true) {
		close(f.done)
	}
}

func (f *fed) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case b := <-f.in:
		return copy(p, b), net.UDPAddrFromAddrPort(f.peer), nil
	case <-f.done:
		return 0, nil, net.ErrClosed
	}
}

func (f *fed) WriteTo(p []byte, _ net.Addr) (int, error) {
	if f.over.Load() {
		return len(p), nil
	}
	return f.conn.WriteToUDPAddrPort(p, f.peer)
}

func (f *fed) Close() error                     { return nil }
func (f *fed) LocalAddr() net.Addr              { return f.conn.LocalAddr() }
func (f *fed) SetDeadline(time.Time) error      { return nil }
func (f *fed) SetReadDeadline(time.Time) error  { return nil }
func (f *fed) SetWriteDeadline(time.Time) error { return nil }

// acceptDTLS shakes hands with one peer of a home server.
func acceptDTLS(f *fed, certs *certificates) (*records, error) {
	c, err := dtls.ServerWithOptions(f, net.UDPAddrFromAddrPort(f.peer),
		dtls.WithCertificates(certs.server.Certificates...), dtls.WithClientAuth(dtls.RequireAndVerifyClientCert), dtls.WithClientCAs(certs.server.ClientCAs),
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	var r *records
	if err = c.HandshakeContext(ctx); err == nil {
		r, err = newRecords(c)
	}
	f.stop()
	c.Close()
	return r, err
}
