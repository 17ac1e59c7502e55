// Package netconn gives IOs to code that was written for package net: any stack as net.Conn, net.Listener and net.PacketConn, on the
// threads of a pool.
//
//	pool, err := thread.New(thread.Config{})
//	pool.Start()
//	mem := talloc.Root("listener")            // a context that no thread owns
//	one, err := frio.ParseServer(mem, listen) // protocol = tls+tcp
//	l, err := netconn.Listen(pool.Threads()[0], mem, one)
//	err = http.Serve(l, handler)
//
// # How a call travels
//
//	any goroutine                    the IO's thread
//	Read(p): leaves p, wakes   ───>  IO.Read(p); ErrAgain: Event(loop, read, ...)
//	waits                            ... the callback: IO.Read(p)
//	n, err                     <───  tells
//
// So the IO stays on its thread, and nothing is read that nobody has asked for: there is no buffer here, and no goroutine. Of several
// calls in one direction one is under way and the others wait. The price is a wake-up each way: code that cares for it uses the IO itself.
//
// # What a caller can fall into
//
//   - All calls of this package block, Close too: none may come from a thread of the pool, which would wait for itself.
//   - A pool that stops waits for connections to be closed by whoever has them, and after its limit ends them: calls get net.ErrClosed.
//     Stop what serves first (http.Server.Shutdown), then the pool. Listeners end at once.
//   - The limits of the section go on: idle_timeout ends a connection whose peer is silent, with frio.ErrTimeout. It is final, and a
//     Timeout by its net.Error as well; os.ErrDeadlineExceeded is found in both. A deadline of SetDeadline is not final.
//   - Connections of a listener have contexts of their own below the roots of their threads, not below the listener's.
package netconn
