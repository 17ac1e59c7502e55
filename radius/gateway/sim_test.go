package gateway

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/sim"
)

// All links lose, double, hold back and damage datagrams, and the home servers fall silent and come back. No client gets a wrong answer, a second one
// that is different, or one without a request; and at the end nothing is left.
func TestSimRelay(t *testing.T) {
	stacks := []string{"udp", "tcp", "tls+tcp", "tls+udp"}
	seeds := uint64(8)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		from, to := stacks[seed%2], stacks[seed/2%4]
		t.Run(fmt.Sprintf("seed %d %s to %s", seed, from, to), func(t *testing.T) { simRelay(t, seed, from, to) })
	}
}

// simClient sends requests one after the other, with identifiers that do not come again.
type simClient struct {
	send    func([]byte)
	got     func() [][]byte // since the last call
	repeats bool
	sent    [][]byte // by identifier
	answers [][]byte
	next    time.Time // when the last is sent again
	tries   int
}

func simRelay(t *testing.T, seed uint64, from, to string) {
	pre := &world{T: t}
	link := sim.Link{DelayMin: time.Millisecond, DelayMax: 30 * time.Millisecond, Loss: 0.1, Duplicate: 0.1, Reorder: 0.2}
	more := acctHere(to)
	w := newWorldOf(t, sim.New(seed, sim.Options{Link: link}), 1,
		pre.listenText("l", from, gatewayAddr)+clientText+pre.homeOnText(0, to, more)+pre.homeOnText(1, to, more)+poolTwo)
	random := rand.New(rand.NewPCG(seed, 1))
	homes := []*home{w.homeOn(0, to), w.homeOn(1, to)}
	link.Corrupt = 0.05
	total := 0
	for i, h := range homes {
		w.sim.SetLink(w.host, w.homes[i], link)
		h.noisy = true
		h.answer = func(req radius.Packet) []byte {
			total++ // no two answers are the same
			b := radius.NewReply(nil, radius.AccessAccept, req)
			user, _ := req.Find(radius.UserName)
			b.Add(radius.ReplyMessage, user)
			b.AddString(radius.Class, fmt.Sprint(total))
			return h.seal(&b)
		}
	}
	var clients []*simClient
	for i := range 4 {
		clients = append(clients, w.simClient(from, i))
	}
	const requests = 60
	end := w.sim.Now().Add(100 * time.Second)
	for w.sim.Now().Before(end) {
		for n, c := range clients {
			c.turn(w, n, requests, random)
		}
		if random.IntN(60) == 0 {
			h := homes[random.IntN(2)]
			h.silent = !h.silent
		}
		w.pass(50 * time.Millisecond)
	}
	answered := 0
	for n, c := range clients {
		if len(c.sent) < requests/3 {
			t.Errorf("client %d sent %d requests", n, len(c.sent))
		}
		for _, a := range c.answers {
			if a != nil {
				answered++
			}
		}
	}
	if answered < len(clients)*requests/2 {
		t.Errorf("only %d were answered", answered)
	}
	for i, h := range homes {
		h.silent = false
		w.sim.SetLink(w.host, w.homes[i], sim.Link{DelayMin: time.Millisecond, DelayMax: time.Millisecond})
	}
	w.pass(60 * time.Second)
	w.idle()
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

func (w *world) simClient(stack string, i int) *simClient {
	if stack == "udp" {
		s := w.udp(w.nas, fmt.Sprint("192.0.2.2:", 4000+i), nil)
		return &simClient{repeats: true, send: func(p []byte) { s.send("192.0.2.1:1812", p) }, got: func() (all [][]byte) {
			for _, p := range s.got {
				all = append(all, p.Data)
			}
			s.got = nil
			return all
		}}
	}
	c := w.dial(stack)
	return &simClient{send: c.send, got: func() [][]byte {
		all := c.got
		c.got = nil
		return all
	}}
}

// turn takes what came, and sends what is due.
func (c *simClient) turn(w *world, number, requests int, random *rand.Rand) {
	for _, data := range c.got() {
		id := int(data[1])
		if id >= len(c.sent) {
			w.Fatalf("client %d: an answer to %d, which was not sent", number, id)
		}
		req := radius.Packet(c.sent[id])
		p, err := radius.Parse(data)
		if err == nil {
			err = keys.CheckReply(p, req.Authenticator(), true)
		}
		if err != nil {
			w.Fatalf("client %d: answer to %d: %v", number, id, err)
		}
		user, _ := req.Find(radius.UserName)
		if message, _ := p.Find(radius.ReplyMessage); p.Code() == radius.AccessAccept && !bytes.Equal(message, user) {
			w.Fatalf("client %d: answer to %d is of %q", number, id, message)
		}
		if c.answers[id] != nil && (!c.repeats || !bytes.Equal(data, c.answers[id])) {
			w.Fatalf("client %d: a second answer to %d", number, id)
		}
		c.answers[id] = data
	}
	now := w.sim.Now()
	last := len(c.sent) - 1
	switch {
	case now.Before(c.next):
	case last >= 0 && c.answers[last] == nil && c.tries < 5:
		if c.repeats {
			c.send(c.sent[last])
		}
		c.tries++
		c.next = now.Add(time.Second)
	case len(c.sent) < requests:
		id := len(c.sent)
		c.sent = append(c.sent, access(uint8(id), fmt.Sprintf("user %d of %d", id, number), "hello"))
		c.answers = append(c.answers, nil)
		c.send(c.sent[id])
		c.tries, c.next = 0, now.Add(time.Second)
		if random.IntN(2) == 0 {
			c.next = now.Add(200 * time.Millisecond)
		}
	}
}
