package main

import (
	"io"

	"github.com/frio-io/frio/event"
)

// chunkMax is what is read from standard input or from the peer at once: the largest datagram over UDP is 65507 bytes, and over
// other methods one of 64 KiB passes.
const (
	inputMax  = 65507
	outputMax = 64 << 10
)

// reader reads standard input, which may block, in a goroutine, one chunk at a time: the next only when the last was taken. Its
// fields belong to the loop's thread.
type reader struct {
	ended bool
	err   error // nil for an end in order
	more  chan<- struct{}
}

func newReader(from io.Reader, loop *event.Loop, over <-chan struct{}, got func([]byte)) *reader {
	more := make(chan struct{}, 1)
	r := &reader{more: more}
	go func() {
		buf := make([]byte, inputMax)
		for {
			n, err := from.Read(buf)
			posted := loop.Post(func() {
				r.ended = err != nil
				if err != io.EOF {
					r.err = err
				}
				if n == 0 && err == nil {
					r.next()
					return
				}
				got(buf[:n])
			})
			if posted != nil || err != nil {
				return
			}
			select {
			case <-more:
			case <-over:
				return
			}
		}
	}()
	return r
}

// next says that the chunk was taken.
func (r *reader) next() { r.more <- struct{}{} }

// writer writes standard output, which may block, in a goroutine: while it is busy nothing is read from the peer.
// Its fields belong to the loop's thread.
type writer struct {
	busy   bool
	buf    []byte
	chunks chan<- []byte
}

func newWriter(to io.Writer, loop *event.Loop, over <-chan struct{}, wrote func(error)) *writer {
	chunks := make(chan []byte, 1)
	w := &writer{buf: make([]byte, outputMax), chunks: chunks}
	go func() {
		for {
			select {
			case p := <-chunks:
				_, err := to.Write(p)
				loop.Post(func() {
					w.busy = false
					wrote(err)
				})
			case <-over:
				return
			}
		}
	}()
	return w
}

// buffer is where to read to before write; the writer must not be busy.
func (w *writer) buffer() []byte { return w.buf }

// write has the first n bytes of buffer written.
func (w *writer) write(n int) {
	w.busy = true
	w.chunks <- w.buf[:n]
}
