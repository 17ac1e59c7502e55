// Package server makes running objects of a configuration: each `server NAME { }` with its listens and what its
// namespace does with what they read.
//
//	root := talloc.Root("main")
//	s, err := server.LoadFile(root, "frio.conf", server.Options{Logger: slog.Default()})
//	if err != nil {
//		fmt.Fprintln(os.Stderr, err) // conf.Errors: every mistake of the file
//		os.Exit(2)
//	}
//	report := func(err error) { slog.Warn("close", "error", err) }
//	if err := s.Start(report); err != nil { // all listeners or none
//		log.Fatal(err)
//	}
//	...
//	cut, err := s.Shutdown() // waits until sessions are quiet
//
// # Namespaces
//
// echo sends back what it reads. On a stream it reads only while what it read before was taken, and ends its own writing
// direction after the peer's. A datagram, an empty one too, goes back to its sender from the address that was asked.
//
// discard reads and drops, and closes a stream when the peer has ended it.
//
// relay carries bytes or datagrams between a peer and `target = NAME`, the home_server of that name, on any stack of the same
// kind. Each peer has a connection of its own to the target, made when the peer's is open; one that fails ends the peer's.
// The two directions of a stream end one by one. Each direction reads only while the other side takes what was
// read; one that waits for nothing holds no memory. If one side is lost the other still gets what was read from it, and is closed. Over
// datagrams a peer's session ends after idle_timeout of the listen, 60 s if that is not given; its listener has a
// child per peer (in `udp { }`: children = demux is the default here), and a datagram that the other side has no room for is dropped
// and counted.
//
// # Threads
//
// Start runs a Server on the threads of `thread { network, workers }`, by default a network thread per core: the sockets of the
// listens live on one after the other, and sessions are placed on the least loaded, but for those on a datagram socket, which stay with it. A
// udp listen has a socket for each of the threads, where the system can keep a peer to one of them; `shards` in `udp { }` says
// otherwise. Then only Shutdown, ReloadFile, Hasten, Notes, Debug and DebugThreads may be called, from any goroutine that is none of the Server's; the
// first two from one only.
package server
