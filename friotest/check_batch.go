package friotest

import (
	"errors"
	"strings"
	"syscall"

	"github.com/frio-io/frio"
)

var batchChecks = []check{
	{name: "batches", needs: isDatagram, run: checkBatch},
	{name: "nothing in a batch", needs: isDatagram, run: checkBatchNothing},
	{name: "empty datagrams", needs: isDatagram, run: checkEmpty},
	{name: "a bad datagram within a batch read", needs: isDatagram, run: checkBatchBadRead},
	{name: "a bad datagram within a batch written", needs: func(t *Target) bool { return isDatagram(t) && t.TooLong > 0 }, run: checkBatchBadWrite},
	{name: "addresses of packets", needs: func(t *Target) bool { return isDatagram(t) && !t.NoAddress }, run: checkBatchAddresses},
	{name: "streams have no packets", needs: isStream, run: checkNoPackets},
}

// ReadPackets is the ability's; what holds of every call is checked.
func (p *Probe) ReadPackets(packets []frio.Packet) (int, error) {
	p.env.Helper()
	io, ok := p.IO.(frio.PacketIO)
	if !ok {
		p.env.Fatalf("%s: no PacketIO", p.Name)
	}
	p.enter()
	n, err := io.ReadPackets(packets)
	p.leave()
	p.again("ReadPackets", err)
	p.batch("ReadPackets", len(packets), n, err)
	for i := range packets[:max(0, min(n, len(packets)))] {
		q := &packets[i]
		var lost *frio.PacketError
		if q.Err != nil && (len(q.Data) != 0 || !errors.As(q.Err, &lost)) {
			p.errorf("a bad Packet has %d bytes and %v", len(q.Data), q.Err)
		}
		if len(q.Data) > cap(q.Data) || q.Remote.Addr().Zone() != "" || q.Local.Addr().Zone() != "" {
			p.errorf("Packet of %d bytes, %v, %v", len(q.Data), q.Remote, q.Local)
		}
	}
	return n, err
}

// WritePackets is the ability's; what holds of every call is checked.
func (p *Probe) WritePackets(packets []frio.Packet) (int, error) {
	p.env.Helper()
	io, ok := p.IO.(frio.PacketIO)
	if !ok {
		p.env.Fatalf("%s: no PacketIO", p.Name)
	}
	p.enter()
	n, err := io.WritePackets(packets)
	p.leave()
	p.again("WritePackets", err)
	p.batch("WritePackets", len(packets), n, err)
	for i := range packets {
		if packets[i].Err != nil {
			p.errorf("WritePackets set Err of Packet %d: %v", i, packets[i].Err)
		}
	}
	return n, err
}

func (p *Probe) batch(op string, length, n int, err error) {
	p.env.Helper()
	if n < 0 || n > length || n > 0 && err != nil || n == 0 && err == nil && length > 0 {
		p.errorf("%s of %d: %d, %v", op, length, n, err)
	}
}

// packetsOf tells whether both ends have the ability.
func packetsOf(p *Pair) bool {
	_, a := p.Client.IO.(frio.PacketIO)
	_, b := p.Server.IO.(frio.PacketIO)
	return a && b
}

// buffers makes Packets to read into.
func buffers(count, size int) []frio.Packet {
	packets := make([]frio.Packet, count)
	for i := range packets {
		packets[i].Data = make([]byte, 0, size)
	}
	return packets
}

// collect reads want Packets in batches of at most eight. The Packets stay as they came.
func (e *Env) collect(p *Probe, want, size int) (got []frio.Packet) {
	e.Helper()
	e.Until("the packets", func() bool {
		batch := buffers(8, size)
		n, err := p.ReadPackets(batch)
		if err != nil && err != frio.ErrAgain {
			e.Fatalf("%s: ReadPackets after %d: %v", p.Name, len(got), err)
		}
		got = append(got, batch[:n]...)
		return len(got) >= want
	})
	if len(got) != want {
		e.Errorf("%s: %d packets, want %d", p.Name, len(got), want)
	}
	return got
}

// sendAll writes packets in as many calls as it takes.
func (e *Env) sendAll(p *Probe, packets []frio.Packet) {
	e.Helper()
	e.Until("all packets are written", func() bool {
		n, err := p.WritePackets(packets)
		if err != nil && err != frio.ErrAgain {
			e.Fatalf("%s: WritePackets: %v", p.Name, err)
		}
		packets = packets[n:]
		return len(packets) == 0
	})
}

func texts(list ...string) (packets []frio.Packet) {
	for _, s := range list {
		packets = append(packets, frio.Packet{Data: []byte(s)})
	}
	return packets
}

func checkBatch(e *Env) {
	for _, loop := range []bool{false, true} {
		p := e.Pair(Options{Loop: loop})
		if !packetsOf(p) {
			return
		}
		for round := range 5 {
			list := make([]string, 8) // Linux queues ten datagrams of a Unix socket (net.unix.max_dgram_qlen)
			for i := range list {
				list[i] = "packet " + itoa(round) + "." + itoa(i)
			}
			e.sendAll(p.Client, texts(list...))
			for i, q := range e.collect(p.Server, len(list), 64) {
				if string(q.Data) != list[i] || q.Err != nil {
					e.Errorf("packet %d is %q, %v", i, q.Data, q.Err)
				}
			}
		}
		if n, err := p.Server.ReadPackets(buffers(2, 64)); err != frio.ErrAgain {
			e.Errorf("ReadPackets with nothing there: %d, %v, want ErrAgain", n, err)
		}
		p.Client.Close()
		p.Server.Close()
		p.Listener.Close()
	}
}

func checkBatchNothing(e *Env) {
	p := e.Pair(Options{})
	if !packetsOf(p) {
		return
	}
	e.Send(p.Client, []byte("kept"))
	e.Spin(3)
	if n, err := p.Server.ReadPackets(nil); n != 0 || err != nil {
		e.Errorf("ReadPackets of none: %d, %v, want 0, nil", n, err)
	}
	if n, err := p.Client.WritePackets(nil); n != 0 || err != nil {
		e.Errorf("WritePackets of none: %d, %v, want 0, nil", n, err)
	}
	e.Expect(p.Server, []byte("kept"))
}

// checkEmpty: Read skips an empty datagram, ReadPackets gives it with length 0; neither takes it for an end.
func checkEmpty(e *Env) {
	p := e.Pair(Options{})
	if !packetsOf(p) {
		return
	}
	e.sendAll(p.Client, texts("", "after one", "", "", "after two"))
	e.Expect(p.Server, []byte("after one"))
	e.Expect(p.Server, []byte("after two"))
	e.Nothing(p.Server)
	e.sendAll(p.Client, texts("", "x", ""))
	for i, q := range e.collect(p.Server, 3, 64) {
		if len(q.Data) != i%2 || q.Err != nil {
			e.Errorf("packet %d has %d bytes, %v, want %d", i, len(q.Data), q.Err, i%2)
		}
	}
	// A batch of empty ones only is no reason to call Read's caller with nothing.
	e.sendAll(p.Client, texts("", ""))
	e.Spin(3)
	e.Nothing(p.Server)
	e.stillOpen(p)
}

// checkBatchBadRead: one that does not fit costs itself; those before and after it are whole.
func checkBatchBadRead(e *Env) {
	p := e.Pair(Options{})
	if !packetsOf(p) {
		return
	}
	e.sendAll(p.Client, texts("a", "bb", "longer than sixteen bytes", "cc", "d"))
	got := e.collect(p.Server, 5, 16)
	for i, want := range []string{"a", "bb", "", "cc", "d"} {
		if string(got[i].Data) != want {
			e.Errorf("packet %d is %q, want %q", i, got[i].Data, want)
		}
		if bad := want == ""; errors.Is(got[i].Err, frio.ErrTooLong) != bad {
			e.Errorf("packet %d has error %v", i, got[i].Err)
		}
	}
	e.stillOpen(p)
}

// checkBatchBadWrite: it stops before the bad one, the next call uses up exactly that, and the rest goes out.
func checkBatchBadWrite(e *Env) {
	p := e.Pair(Options{})
	if !packetsOf(p) {
		return
	}
	for _, bad := range []int{0, 2, 4} {
		packets := texts("0", "1", "2", "3", "4")
		packets[bad].Data = make([]byte, e.Target.TooLong)
		sent := 0
		if bad > 0 {
			e.Until("the packets before the bad one", func() bool {
				n, err := p.Client.WritePackets(packets[sent:])
				if err != nil && err != frio.ErrAgain {
					e.Fatalf("WritePackets before packet %d: %v", bad, err)
				}
				sent += n
				return sent >= bad
			})
		}
		if sent != bad {
			e.Fatalf("WritePackets sent %d, packet %d is bad", sent, bad)
		}
		n, err := p.Client.WritePackets(packets[bad:])
		e.packetError(p.Client, "WritePackets", n, err, frio.ErrTooLong, syscall.EMSGSIZE)
		e.sendAll(p.Client, packets[bad+1:])
		want := strings.Replace("01234", itoa(bad), "", 1)
		got := ""
		for _, q := range e.collect(p.Server, len(want), 64) {
			got += string(q.Data)
		}
		if got != want {
			e.Errorf("with packet %d bad: %q came, want %q", bad, got, want)
		}
	}
	e.stillOpen(p)
}

// checkBatchAddresses: a Packet says where it came from and to, and a reply made of it gets there.
func checkBatchAddresses(e *Env) {
	p := e.Pair(Options{})
	if !packetsOf(p) {
		return
	}
	e.sendAll(p.Client, texts("request"))
	q := e.collect(p.Server, 1, 64)[0]
	if q.Remote != e.Local(p.Client) {
		e.Errorf("Remote is %v, want %v", q.Remote, e.Local(p.Client))
	}
	if local := e.Local(p.Listener); q.Local.IsValid() && q.Local.Port() != 0 && q.Local != local || q.Local.IsValid() && q.Local.Addr() != local.Addr() {
		e.Errorf("Local is %v, want %v", q.Local, local)
	}
	q.Data = append(q.Data[:0], "reply"...)
	e.sendAll(p.Server, []frio.Packet{q})
	e.Expect(p.Client, []byte("reply"))
}

func checkNoPackets(e *Env) {
	p := e.Pair(Options{})
	for _, one := range []*Probe{p.Client, p.Server} {
		io, ok := one.IO.(frio.PacketIO)
		if !ok {
			continue
		}
		if n, err := io.ReadPackets(buffers(1, 8)); n != 0 || !errors.Is(err, errors.ErrUnsupported) {
			e.Errorf("%s: ReadPackets of a stream: %d, %v, want ErrUnsupported", one.Name, n, err)
		}
	}
}
