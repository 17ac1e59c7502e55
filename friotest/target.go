// Package friotest is the conformance suite of frio: what the contract of frio.IO says of its operations, their results,
// readiness, closing and limits, provoked one by one on every method, layer and stack, on the system's kernel and on the
// simulated one.
//
//	func TestConformance(t *testing.T) {
//		section := func(p friotest.Place) string {
//			return fmt.Sprintf("tcp {\nipaddr = %v\nport = %d\n%s}\n", p.Addr, p.Port, p.Base)
//		}
//		friotest.TestIO(t, friotest.Target{
//			Stack: "tcp", Kind: frio.Stream, Listen: section, HomeServer: section, Children: true, HalfClose: true,
//		})
//	}
//
// What the checks stand on serves a method's own tests as well: an Env has a kernel, a root context and a loop, and fails
// the test for whatever is left at its end; a Probe watches one IO. Both are turned by the test's own goroutine, so that
// nothing happens that the test did not ask for.
//
//	e := friotest.NewEnv(t, true, 1) // simulated, from seed 1
//	l := e.ParseText(nil, "listener", "listen { protocol = tcp ... }")
//	...
//	e.Until("a child", func() bool { child, err = l.Accept(nil); return err == nil })
//	e.Pass(time.Hour)
package friotest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/frio-io/frio"
)

// Place is where the two sides of one sub-test meet. Every sub-test has its own.
type Place struct {
	Addr netip.Addr // what is bound and connected to
	Port uint16     // 0 in a listen: the kernel's choice; in a home_server it is the listener's
	File string     // a path that is free, for what needs one
	Base string     // lines that the sub-section of the base method must hold as well
}

// Target describes a stack to TestIO.
type Target struct {
	Stack string // what `protocol =` says
	Kind  frio.Kind
	Addr  netip.Addr // where both sides meet; not set: 127.0.0.1

	// Listen and HomeServer return what is inside of a listen and a home_server: the sub-sections of the methods, without
	// protocol and without limit.
	Listen, HomeServer func(Place) string
	// Setup is called for each sub-test; what it returns is added to the two sections. It may be nil.
	Setup func(t testing.TB) (listen, homeServer string)
	// LimitText is added to the limit section of every listen.
	LimitText string

	Children  bool // Accept gives children
	NoLimits  bool // a datagram method that has none of the limits of connections
	NoReply   bool // a listener without children cannot answer (unix datagrams)
	NoRefusal bool // Connect succeeds where nobody listens (datagrams)
	NoReset   bool // the reset of a connection cannot be seen
	HalfClose bool // CloseWrite ends one direction only
	Handshake bool // Connect begins an exchange before data can pass, and the end of one side ends the other's
	NoMove    bool // children stay on their parent's loop
	NoAddress bool // there is no netip address (unix)

	Buffers     string  // lines of Base for small socket buffers; "" leaves the kernel's own
	DatagramMax int     // the longest datagram that passes; 0: 1,200
	TooLong     int     // a length that does not pass; 0: not checked
	ReadAllocs  float64 // allocations allowed for a Read and a Write in steady state
	NoSim       bool    // it cannot run on the simulated kernel
	Seeds       int     // runs with faults; 0: 20
}

// check is one sub-test.
type check struct {
	name  string
	needs func(*Target) bool // nil: every target
	on    kernels            // 0: both
	seed  uint64             // of the simulated world; 0: 1
	run   func(*Env)
}

// kernels says where a check runs.
type kernels uint8

const (
	onSystem kernels = 1 << iota
	onSim
)

// TestIO runs the suite on both kernels, each check as a sub-test of its own: "sim/eof".
func TestIO(t *testing.T, target Target) {
	t.Run("system", func(t *testing.T) { runAll(t, target, onSystem) })
	if !target.NoSim {
		t.Run("sim", func(t *testing.T) { runAll(t, target, onSim) })
	}
}

func runAll(t *testing.T, target Target, k kernels) {
	for _, c := range allChecks() {
		if c.applies(&target, k) {
			t.Run(c.name, func(t *testing.T) { c.do(t, target, k) })
		}
	}
}

func (c *check) applies(target *Target, k kernels) bool {
	return (c.on == 0 || c.on&k != 0) && (c.needs == nil || c.needs(target))
}

// do runs c in an environment of its own.
func (c *check) do(t testing.TB, target Target, k kernels) {
	seed := c.seed
	if seed == 0 {
		seed = 1
	}
	e := newEnv(t, k, seed)
	e.Target = target
	if target.Addr.IsValid() {
		e.Place.Addr = target.Addr
	}
	if target.Setup != nil {
		e.setupListen, e.setupHome = target.Setup(t)
	}
	c.run(e)
	e.Finish()
}

func allChecks() []check {
	var list []check
	for _, group := range [][]check{
		parseChecks, lifeChecks, childChecks, closeChecks, dataChecks, endChecks, pressureChecks, readyChecks, endReadyChecks,
		moveChecks, misuseChecks, limitChecks, tailChecks, packetChecks, batchChecks, connectChecks, debugChecks,
		faultChecks, allocChecks,
	} {
		list = append(list, group...)
	}
	return list
}

// What checks need of a target.
func isStream(t *Target) bool    { return t.Kind == frio.Stream }
func isDatagram(t *Target) bool  { return t.Kind == frio.Datagram }
func hasChildren(t *Target) bool { return t.Children }
func noChildren(t *Target) bool  { return !t.Children }
func hasHalf(t *Target) bool     { return t.Kind == frio.Stream && t.HalfClose }
func canReset(t *Target) bool    { return t.Kind == frio.Stream && !t.NoReset }
func canMove(t *Target) bool     { return t.Children && !t.NoMove }
func hasLimits(t *Target) bool   { return t.Children && !t.NoLimits }
func canRefuse(t *Target) bool   { return !t.NoRefusal }

func (t *Target) datagramMax() int {
	if t.DatagramMax == 0 {
		return 1200
	}
	return t.DatagramMax
}

// listenText writes the listen section of p with the given lines of limit.
func (e *Env) listenText(p Place, limit string) string {
	limit += e.Target.LimitText
	if strings.TrimSpace(limit) != "" {
		limit = "limit {\n" + limit + "\n}\n"
	}
	return fmt.Sprintf("listen conformance {\nprotocol = %s\n%s\n%s%s}\n", e.Target.Stack, e.Target.Listen(p), e.setupListen, limit)
}

func (e *Env) homeText(p Place) string {
	return fmt.Sprintf("home_server conformance {\nprotocol = %s\n%s\n%s}\n", e.Target.Stack, e.Target.HomeServer(p), e.setupHome)
}
