//go:build linux

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// soakWindow is what each transport has in flight, over soakLinks connections.
	soakWindow = 96
	soakLinks  = 4

	// soakTimeout is when a client gives up. A gateway has by then tried two home servers, response_window (1 s) each, and answered
	// itself: whatever comes later is late.
	soakTimeout = 10 * time.Second

	// One disturbance follows the other after a time between these.
	troubleMin = 20 * time.Millisecond
	troubleMax = 400 * time.Millisecond

	// downMax is how long a home server stays away.
	downMax = 1500 * time.Millisecond

	// soakWarm is the share of the requests, in percent, that come before the first look at memory and descriptors.
	soakWarm = 10

	// What may have grown between the two looks: memory in percent and bytes, descriptors in number (connections to home servers
	// that are kept open for a while).
	growthShare       = 25
	growthBytes       = 8 << 20
	growthDescriptors = 24

	// timedOutMax is the share of requests, one in so many, that may end by their time-out.
	timedOutMax = 100

	// soakSlowest is the rate that the time limit of the run is made for, all transports together.
	soakSlowest = 200
)

// soak relays requests over all transports at once and disturbs everything meanwhile.
type soak struct {
	gateway *gateway
	homes   []*home
	loads   []*load
	random  *rand.Rand
	log     io.Writer

	rate int

	kills, mutes, cuts, homeCuts, reloads int
	down                                  sync.WaitGroup
	away                                  atomic.Int32 // home servers that are down
}

// state is what a look at the gateway shows.
type state struct{ memory, descriptors, threads int }

func (s *soak) look() (st state, err error) {
	if st.memory, err = s.gateway.memory(); err != nil {
		return st, err
	}
	if st.descriptors, err = s.gateway.descriptors(); err != nil {
		return st, err
	}
	st.threads, err = s.gateway.threads()
	return st, err
}

// quiet waits until the descriptors of the gateway no longer change, and looks.
func (s *soak) quiet() (state, error) {
	if _, err := settle(s.gateway.descriptors); err != nil {
		return state{}, err
	}
	return s.look()
}

// trouble disturbs until stop is closed.
func (s *soak) trouble(stop chan struct{}) {
	for {
		wait := troubleMin + time.Duration(s.random.Int64N(int64(troubleMax-troubleMin)))
		select {
		case <-stop:
			s.down.Wait()
			return
		case <-time.After(wait):
		}
		switch s.random.IntN(8) {
		case 0, 1, 2:
			s.takeAway(s.homes[s.random.IntN(len(s.homes))], time.Duration(s.random.Int64N(int64(downMax))), s.random.IntN(4) == 0)
		case 3, 4:
			l := s.loads[s.random.IntN(len(s.loads))]
			if l.kind != kindUDP {
				l.links[s.random.IntN(len(l.links))].cut()
				s.cuts++
			}
		case 5:
			s.homes[s.random.IntN(len(s.homes))].cut()
			s.homeCuts++
		default:
			s.reload()
		}
	}
}

// takeAway kills a home server for a while, or mutes it: then only time tells. One always stays.
func (s *soak) takeAway(h *home, pause time.Duration, mute bool) {
	h.mu.Lock()
	running := h.running && !h.mute.Load()
	h.mu.Unlock()
	if !running || int(s.away.Load()) >= len(s.homes)-1 {
		return
	}
	s.away.Add(1)
	if mute {
		s.mutes++
		h.mute.Store(true)
	} else {
		s.kills++
		h.kill()
	}
	s.down.Go(func() {
		defer s.away.Add(-1)
		time.Sleep(pause)
		if mute {
			h.mute.Store(false)
		} else if err := h.start(); err != nil {
			h.complain(err)
		}
	})
}

// reload changes the configuration, by a client that never comes, and has it read again.
func (s *soak) reload() {
	s.reloads++
	text := s.gateway.text
	if s.gateway.program == programFrio {
		text += fmt.Sprintf("client other-%d {\n\tipaddr = 192.0.2.%d\n\tsecret = other-secret-%d\n}\n", s.reloads, 1+s.reloads%250, s.reloads)
	}
	// A rename, so that the gateway never reads half of a file.
	temporary := s.gateway.config + ".next"
	if err := os.WriteFile(temporary, []byte(text), 0o600); err == nil {
		os.Rename(temporary, s.gateway.config)
	}
	s.gateway.reload()
}

// run relays count requests, shared by the transports.
func (s *soak) run(count int) error {
	errs := make(chan error, len(s.loads))
	for _, l := range s.loads {
		go func() {
			n := count / len(s.loads)
			errs <- l.run(n, soakWindow, s.rate/len(s.loads), 2*soakTimeout+time.Duration(n)*time.Second*time.Duration(len(s.loads))/soakSlowest)
		}()
	}
	var first error
	for range s.loads {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// disturbed is run with trouble all the while.
func (s *soak) disturbed(count int) error {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		s.trouble(stop)
	}()
	err := s.run(count)
	close(stop)
	<-done
	return err
}

// progress prints how far it is, until stop.
func (s *soak) progress(stop chan struct{}) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			st, err := s.look()
			if err != nil {
				return
			}
			sent := uint64(0)
			for _, l := range s.loads {
				sent += l.tally.Sent.Load()
			}
			fmt.Fprintf(s.log, "%d requests, %.1f MB, %d descriptors, %d threads\n", sent, float64(st.memory)/1e6, st.descriptors, st.threads)
		}
	}
}

// verdict checks what must hold at the end.
func (s *soak) verdict(before, after state) error {
	var wrong []string
	for _, l := range s.loads {
		t := &l.tally
		sum := t.Answered.Load() + t.Rejected.Load() + t.TimedOut.Load() + t.Cut.Load()
		switch {
		case t.faults() != 0:
			wrong = append(wrong, fmt.Sprintf("%s: an answer was wrong, came twice or late: %v", l.kind, t))
		case sum != t.Sent.Load():
			wrong = append(wrong, fmt.Sprintf("%s: %d ends of %d requests: %v", l.kind, sum, t.Sent.Load(), t))
		case t.TimedOut.Load()*timedOutMax > t.Sent.Load():
			wrong = append(wrong, fmt.Sprintf("%s: more than one of %d timed out: %v", l.kind, timedOutMax, t))
		}
	}
	for _, h := range s.homes {
		if h.bad.Load() != 0 {
			wrong = append(wrong, fmt.Sprintf("%d wrong requests came: %s", h.bad.Load(), *h.complaint.Load()))
		}
		if h.kind == kindUDP && h.copies.Load() != 0 {
			wrong = append(wrong, fmt.Sprintf("%d requests came twice to the home server on udp, and the clients on udp sent one copy each", h.copies.Load()))
		}
	}
	if limit := before.memory + before.memory*growthShare/100 + growthBytes; after.memory > limit {
		wrong = append(wrong, fmt.Sprintf("memory grew from %d to %d bytes", before.memory, after.memory))
	}
	if after.descriptors > before.descriptors+growthDescriptors {
		wrong = append(wrong, fmt.Sprintf("descriptors grew from %d to %d", before.descriptors, after.descriptors))
	}
	if len(wrong) == 0 {
		return nil
	}
	text := "soak:"
	for _, w := range wrong {
		text += "\n\t" + w
	}
	return fmt.Errorf("%s", text)
}

func soakCommand(dir string, args []string) error {
	only := string(programFrio)
	var count, rate int
	var seed uint64
	fs := flagSet("soak", &only)
	fs.IntVar(&count, "count", 10_000_000, "requests")
	fs.IntVar(&rate, "rate", 0, "requests a second; 0: as fast as they are answered")
	fs.Uint64Var(&seed, "seed", 1, "of the disturbances")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if only == "" {
		only = string(programFrio)
	}
	if count < 1000 || count > 1_000_000_000 {
		return fmt.Errorf("count: %d is not between 1000 and 1000000000", count)
	}
	if rate != 0 && (rate < soakSlowest || rate > 1_000_000) {
		return fmt.Errorf("rate: %d is not between %d and 1000000", rate, soakSlowest)
	}
	programs, err := programsOf(only)
	if err != nil {
		return err
	}
	if err := pin(); err != nil {
		return err
	}
	certs, err := newCertificates(dir)
	if err != nil {
		return err
	}
	path, err := findProgram(programs[0], dir)
	if err != nil {
		return err
	}
	s := &soak{rate: rate, random: rand.New(rand.NewPCG(seed, seed)), log: os.Stderr}
	for _, k := range kinds {
		h := newHome(k, certs)
		h.seen = newBitmap(uint64(count) + uint64(len(kinds)))
		if err := h.start(); err != nil {
			return err
		}
		defer h.kill()
		s.homes = append(s.homes, h)
	}
	s.gateway, err = startGateway(programs[0], path, dir,
		setup{fronts: kinds, backs: s.homes, pool: "load-balance", clients: 1024, impatient: true}, certs)
	if err != nil {
		return err
	}
	defer s.gateway.stop()
	for i, k := range kinds {
		l := &load{kind: k, addr: s.gateway.fronts[k], certs: certs, timeout: soakTimeout, redial: true, first: uint64(i) * uint64(count/len(kinds)+1)}
		if err := l.open(soakLinks); err != nil {
			return err
		}
		defer l.close()
		s.loads = append(s.loads, l)
	}
	stop := make(chan struct{})
	defer close(stop)
	go s.progress(stop)
	start := time.Now()
	warm := count * soakWarm / 100
	if err := s.disturbed(warm); err != nil {
		return err
	}
	before, err := s.quiet()
	if err != nil {
		return err
	}
	if err := s.disturbed(count - warm); err != nil {
		return err
	}
	after, err := s.quiet()
	if err != nil {
		return err
	}
	fmt.Printf("%s, seed %d, %v: %d kills of home servers and %d mutes, %d connections of clients cut, %d times those of a home server, %d reloads\n",
		programs[0], seed, time.Since(start).Round(time.Second), s.kills, s.mutes, s.cuts, s.homeCuts, s.reloads)
	for _, l := range s.loads {
		fmt.Printf("clients on %-4s %v\n", l.kind, &l.tally)
	}
	for _, h := range s.homes {
		fmt.Printf("home server on %-4s %d requests, %d of Status-Server, %d wrong, %d copies of requests of udp\n", h.kind, h.requests.Load(), h.statuses.Load(),
			h.bad.Load(), h.copies.Load())
	}
	fmt.Printf("memory %.1f MB after the first tenth, %.1f MB at the end; descriptors %d, %d; threads %d, %d\n", float64(before.memory)/1e6, float64(after.memory)/1e6,
		before.descriptors, after.descriptors, before.threads, after.threads)
	if err := s.verdict(before, after); err != nil {
		return err
	}
	fmt.Println("ok")
	return nil
}
