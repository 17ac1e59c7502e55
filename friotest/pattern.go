package friotest

import (
	"encoding/binary"
	"fmt"
)

// Pattern is an endless run of bytes in which every place is known: a byte lost, repeated or swapped shows at once.
type Pattern struct{ Seed uint64 }

// Fill writes the bytes from offset on into b.
func (p Pattern) Fill(b []byte, offset int64) {
	var block [8]byte
	for i := range b {
		at := uint64(offset) + uint64(i)
		if i == 0 || at%8 == 0 {
			binary.LittleEndian.PutUint64(block[:], mix(p.Seed+at/8))
		}
		b[i] = block[at%8]
	}
}

// Check tells where b is not what belongs at offset.
func (p Pattern) Check(b []byte, offset int64) error {
	var block [8]byte
	for i := range b {
		at := uint64(offset) + uint64(i)
		if i == 0 || at%8 == 0 {
			binary.LittleEndian.PutUint64(block[:], mix(p.Seed+at/8))
		}
		if b[i] != block[at%8] {
			return fmt.Errorf("byte %d is %#02x, want %#02x", at, b[i], block[at%8])
		}
	}
	return nil
}

// mix is the finaliser of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Source is what is written from a Pattern.
type Source struct {
	Pattern
	Offset, Size int64
	buf          [4096]byte
}

// Put writes what p takes, at most one call, and returns its error.
func (s *Source) Put(p *Probe) error {
	chunk := s.buf[:min(int64(len(s.buf)), s.Size-s.Offset)]
	if len(chunk) == 0 {
		return nil
	}
	s.Fill(chunk, s.Offset)
	n, err := p.Write(chunk)
	s.Offset += int64(n)
	return err
}

// Done tells whether all is written.
func (s *Source) Done() bool { return s.Offset >= s.Size }

// Sink is what must read as a Pattern.
type Sink struct {
	Pattern
	Offset int64
	buf    [3000]byte // not a divisor of what is written
}

// Take reads once. An error of the pattern fails the test.
func (s *Sink) Take(p *Probe) (n int, err error) {
	p.env.Helper()
	n, err = p.Read(s.buf[:])
	if bad := s.Check(s.buf[:n], s.Offset); bad != nil {
		p.env.Fatalf("%s: %v", p.Name, bad)
	}
	s.Offset += int64(n)
	return n, err
}
