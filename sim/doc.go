// Package sim is the other sock.Kernel: kernel, network, poller and clock in memory, with faults from a seed or a script.
//
// A World holds hosts, each a *Kernel, and one virtual clock. Hosts reach each other by their addresses over links that
// delay, lose, double, reorder and corrupt; a host reaches itself over loopback, at once, as on Linux. Calls answer as
// Linux answers them, with the same errnos.
//
//	w := sim.New(1, sim.Options{})
//	server := w.Host("server", netip.MustParseAddr("192.0.2.1"))
//	client := w.Host("client", netip.MustParseAddr("192.0.2.2"))
//	w.SetLink(client, server, sim.Link{DelayMin: time.Millisecond, DelayMax: 20 * time.Millisecond, Loss: 0.1})
//	sock.SetKernel(serverRoot, server)
//	loop, err := event.New(serverRoot, server, event.Config{})
//	...
//	err = w.Run(func() bool { return done }, loop)
//
// # Time
//
// Nothing waits. A Poller's Wait that finds nothing ready moves the clock to what comes first, the next event of the
// network or its own time-out, so an hour of time-outs passes in milliseconds. Several loops are turned by World.Run, which
// moves the clock only when all of them are idle. A Wait without end in a world where nothing will ever happen returns
// ErrStuck instead of hanging. A world that turns without its clock moving panics with "spins" (Options.MaxTurns).
//
// # Replay
//
// The same seed and the same calls give the same run; World.Hash tells two runs apart. That holds while one goroutine uses
// the world: it is safe for several, but then the order of their calls is the scheduler's.
//
// # What it is not
//
// TCP here has segments, a window, a backlog, FIN, RST, retransmission and TIME_WAIT, but no congestion control, no
// keepalive probes (the options are only kept) and no urgent data. There is no multicast, and every directory exists.
package sim
