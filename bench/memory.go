//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"
)

const (
	// memoryWarm is how many clients come and go before the first look, so that what a program needs once is not counted. So many
	// come at a time later: their requests are in flight together.
	memoryWarm = 32

	// settleEvery and settleMax bound the wait for a figure to stop changing.
	settleEvery = 500 * time.Millisecond
	settleMax   = 60

	// settleSame is how many looks must agree, within settleShare percent.
	settleSame  = 4
	settleShare = 1
)

// footprint is what the idle clients of one transport cost a program.
type footprint struct {
	Program     program
	Front       string
	Clients     int
	Bytes       int // growth of the resident set, per client
	Threads     int // growth, of all
	Descriptors int // growth, of all
}

// settle waits until look no longer changes, or settleMax looks.
func settle(look func() (int, error)) (int, error) {
	last, same := 0, 0
	for range settleMax {
		n, err := look()
		if err != nil {
			return 0, err
		}
		if d := n - last; d*100 > last*settleShare || d*100 < -last*settleShare {
			last, same = n, 0
		} else if same++; same == settleSame {
			return n, nil
		}
		time.Sleep(settleEvery)
	}
	return look()
}

// measureMemory connects clients that each send one request and then nothing.
func measureMemory(p program, path, dir string, front kind, clients int, certs *certificates) (footprint, error) {
	f := footprint{Program: p, Front: front.stack(), Clients: clients}
	h := newHome(kindUDP, certs)
	if err := h.start(); err != nil {
		return f, err
	}
	defer h.kill()
	g, err := startGateway(p, path, dir, setup{fronts: []kind{front}, backs: []*home{h}, clients: clients + 2*memoryWarm}, certs)
	if err != nil {
		return f, err
	}
	defer g.stop()
	idle := func(count int) (*load, error) {
		l := &load{kind: front, addr: g.fronts[front], certs: certs, timeout: answerLimit}
		if err := l.open(count); err != nil {
			return nil, err
		}
		if err := l.run(count, count, 0, answerLimit+dialLimit); err != nil {
			l.close()
			return nil, err
		}
		if l.tally.Answered.Load() != uint64(count) {
			l.close()
			return nil, fmt.Errorf("not each client had its answer: %v", &l.tally)
		}
		return l, nil
	}
	warm, err := idle(memoryWarm)
	if err != nil {
		return f, err
	}
	warm.close()
	looks := []func() (int, error){g.memory, g.threads, g.descriptors}
	var before, after [3]int
	for i, look := range looks {
		if before[i], err = settle(look); err != nil {
			return f, err
		}
	}
	for left := clients; left > 0; left -= memoryWarm {
		l, err := idle(min(left, memoryWarm))
		if err != nil {
			return f, err
		}
		defer l.close()
	}
	for i, look := range looks {
		if after[i], err = settle(look); err != nil {
			return f, err
		}
	}
	f.Bytes, f.Threads, f.Descriptors = (after[0]-before[0])/clients, after[1]-before[1], after[2]-before[2]
	return f, nil
}

func memoryCommand(dir string, args []string) error {
	var only string
	var clients int
	var asJSON bool
	fs := flagSet("memory", &only)
	fs.IntVar(&clients, "clients", 1000, "idle clients")
	fs.BoolVar(&asJSON, "json", false, "print JSON")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if clients < 1 || clients > 20_000 {
		return fmt.Errorf("clients: %d is not between 1 and 20000", clients)
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
	var results []footprint
	for _, p := range programs {
		path, err := findProgram(p, dir)
		if err != nil {
			return err
		}
		for _, front := range []kind{kindTLS, kindDTLS} {
			f, err := measureMemory(p, path, dir, front, clients, certs)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", p, front, err)
			}
			results = append(results, f)
		}
	}
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "\t")
		return e.Encode(results)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "client\tprogram\tidle clients\tkB per client\tthreads\tdescriptors")
	for _, f := range results {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.1f\t+%d\t+%d\n", f.Front, f.Program, f.Clients, float64(f.Bytes)/1000, f.Threads, f.Descriptors)
	}
	return w.Flush()
}
