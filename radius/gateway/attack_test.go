package gateway

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/radius"
)

// resign makes the Message-Authenticator, which is the first attribute, and then what else is a hash, over whatever p is: a malformed packet of
// one who knows the secret. request is nil of an Access-Request, else whose authenticator the reply is made with.
func resign(p, request []byte) []byte {
	p = bytes.Clone(p)
	if request != nil {
		copy(p[4:20], request[4:20])
	}
	if len(p) >= 38 && p[20] == 80 {
		clear(p[22:38])
		mac := hmac.New(md5.New, []byte(secret))
		mac.Write(p)
		copy(p[22:38], mac.Sum(nil))
	}
	if request != nil {
		sum := md5.Sum(append(bytes.Clone(p), secret...))
		copy(p[4:20], sum[:])
	}
	return p
}

// malformed make, of a packet of the form of p, copies with each of its length fields off by one, at its bounds and beyond, those inside
// Vendor-Specific too, and all its beginnings, with the length that they had and their own.
func malformed(p radius.Packet) (list []func(p []byte) []byte) {
	change := func(f func(p []byte)) {
		list = append(list, func(p []byte) []byte {
			c := bytes.Clone(p)
			f(c)
			return c
		})
	}
	for _, n := range []int{0, 1, 19, 20, 21, 37, 38, 39, len(p) - 1, len(p) + 1, radius.MaxSize, radius.MaxSize + 1, 65535} {
		change(func(p []byte) { binary.BigEndian.PutUint16(p[2:], uint16(n)) })
	}
	lengths := func(at int) {
		for _, n := range []byte{0, 1, 2, 3, p[at] - 1, p[at] + 1, 254, 255} {
			change(func(p []byte) { p[at] = n })
		}
	}
	for a := range p.Attributes() {
		lengths(a.Offset + 1)
		for sub := range a.Subs() {
			lengths(a.Offset + 2 + sub.Offset + 1)
		}
	}
	for n := range p {
		list = append(list, func(p []byte) []byte { return bytes.Clone(p[:n]) })
		if n >= 4 {
			list = append(list, func(p []byte) []byte {
				c := bytes.Clone(p[:n])
				binary.BigEndian.PutUint16(c[2:], uint16(n))
				return c
			})
		}
	}
	return list
}

// attackRequest has an attribute of each kind that is treated in a way of its own.
func attackRequest(id uint8) radius.Packet {
	return build(id, func(b *radius.Builder) {
		b.AddString(radius.ProxyState, "one")
		b.AddString(radius.UserName, "bob")
		b.Add(radius.CHAPPassword, bytes.Repeat([]byte{7}, 17))
		b.AddString(radius.ProxyState, "two")
		b.AddString(radius.State, "state")
		b.AddEncoded([]byte{26, 6 + 19 + 6, 0, 0, 1, 55, 16, 19, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 1, 6, 1, 2, 3, 4})
		b.AddString(radius.ProxyState, "three")
	})
}

// Malformed requests, of those who know the secret too, are dropped or relayed, each once: what a home server gets is always whole and signed.
func TestAttackRequests(t *testing.T) {
	w, h, nas := hopWorld(t, "")
	relayed, sent := 0, 0
	whole := attackRequest(1)
	for _, spoil := range malformed(whole) {
		bad := spoil(whole)
		for _, bad := range [][]byte{bad, resign(append(bad, make([]byte, max(0, 20-len(bad)))...), nil)} {
			sent++
			before := h.count
			nas.send("192.0.2.1:1812", bad)
			w.pass(20 * time.Millisecond)
			if h.count > before+1 || len(nas.got) != h.count-before {
				t.Fatalf("%x: the home server got it %d times, the client %d answers", bad, h.count-before, len(nas.got))
			}
			for _, p := range nas.got {
				relayed++
				w.reply(p.Data, bad)
			}
			nas.got = nil
			w.pass(6 * time.Second) // its identifier is free again
		}
	}
	dropped := 0
	for reason := range radius.ReasonCount {
		dropped += int(w.listens[0].Counts.Dropped[reason].Load())
	}
	if relayed+dropped != sent || relayed < 20 || dropped < 400 {
		t.Errorf("%d were sent, %d relayed, %d dropped", sent, relayed, dropped)
	}
	w.idle()
	req := access(2, "bob", "hello")
	nas.send("192.0.2.1:1812", req)
	w.reply(nas.receive(), req)
	if w.logged("zombie") > 0 {
		t.Error("the home server was blamed")
	}
}

// Malformed replies, of a home server that makes all its hashes right, cost themselves: the client gets one answer, a good one.
func TestAttackReplies(t *testing.T) {
	for _, stack := range []string{"udp", "tcp"} {
		t.Run(stack, func(t *testing.T) {
			pre := &world{T: t}
			w := newWorld(t, udpListen+pre.homeOnText(0, stack, acctHere(stack))+poolText)
			h := w.homeOn(0, stack)
			h.answer = func(radius.Packet) []byte { return nil }
			nas := w.udp(w.nas, "192.0.2.2:4000", nil)
			model := func(req radius.Packet) radius.Packet {
				b := radius.NewReply(nil, radius.AccessChallenge, req)
				b.Add(radius.State, bytes.Repeat([]byte{1}, 253))
				b.Add(radius.State, bytes.Repeat([]byte{2}, 253))
				b.AddString(radius.ProxyState, "foreign")
				b.HideKey(keys, 16, []byte("sixteen bytes..."))
				return h.seal(&b)
			}
			req := access(0, "bob", "hello")
			nas.send("192.0.2.1:1812", req)
			w.until("it is there", func() bool { return h.count == 1 })
			list := malformed(model(h.last()))
			h.send(model(h.last()))
			if p := w.reply(nas.receive(), req); p.Code() != radius.AccessChallenge || len(values(p, radius.State)) != 2 {
				t.Errorf("the model: %v", p.Code())
			}
			w.pass(6 * time.Second)
			for i, spoil := range list {
				if bad := spoil(model(h.last())); stack == "tcp" && (len(bad) < radius.HeaderSize || int(binary.BigEndian.Uint16(bad[2:])) != len(bad)) {
					continue // the framing would be lost, which ends the connection
				}
				req := access(uint8(i), fmt.Sprint("user", i), "hello")
				before := h.count
				nas.send("192.0.2.1:1812", req)
				w.until("it is there", func() bool { return h.count == before+1 })
				to := h.last()
				bad := spoil(model(to))
				if len(bad) >= radius.HeaderSize {
					bad = resign(bad, to)
				}
				h.send(bad)
				h.send(h.accept(to))
				w.reply(nas.receive(), req)
				h.send(h.accept(to))
				w.pass(6 * time.Second)
				if len(nas.got) > 0 {
					t.Fatalf("%x: %d more answers", bad, len(nas.got))
				}
			}
			if home := w.gateway.Homes()[0]; w.logged("zombie") > 0 || stack == "tcp" && home.Ports[0].Peer.Counts.Opened.Load() != 1 {
				t.Errorf("the home server was blamed %d times; %d connections", w.logged("zombie"), home.Ports[0].Peer.Counts.Opened.Load())
			}
			w.idle()
		})
	}
}

// Replies from another port, with another identifier, and to a request before that had the same are nobody's.
func TestAttackStrayReplies(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "\tmax_outstanding = 1000\n")+poolText)
	h := w.home(0)
	h.answer = func(radius.Packet) []byte { return nil }
	var from string
	poll := h.socket.handle
	h.socket.handle = func(p frio.Packet) { from = p.Remote.String(); poll(p) }
	stranger := w.udp(w.homes[0], "192.0.2.3:1899", nil)
	other := w.udp(w.homes[1], "192.0.2.4:1812", nil)
	nas := w.udp(w.nas, "192.0.2.2:4000", nil)
	var late [][]byte // the one 256 before had the same identifier
	for i := range 400 {
		req := access(uint8(i), fmt.Sprint("user", i), "hello")
		before := h.count
		nas.send("192.0.2.1:1812", req)
		w.until("it is there", func() bool { return h.count == before+1 })
		good := h.accept(h.last())
		stranger.send(from, good)
		other.send(from, good)
		wrong := bytes.Clone(good)
		wrong[1]++
		h.send(resign(wrong, h.last()))
		if late = append(late, good); i >= 256 {
			h.send(late[i-256])
		}
		nas.none(10 * time.Millisecond)
		h.send(good)
		h.send(good)
		if p := w.reply(nas.receive(), req); string(values(p, radius.ReplyMessage)[0]) != fmt.Sprint("user", i) {
			t.Fatalf("%d got %q", i, values(p, radius.ReplyMessage))
		}
		nas.none(10 * time.Millisecond)
	}
	w.idle()
}

// Requests and replies of every length up to the longest: what fits with what this hop adds passes, and the rest is dropped with its reason. Our
// Proxy-State is left off where there is no room for it.
func TestAttackLongest(t *testing.T) {
	w, h, nas := hopWorld(t, "")
	id := uint8(0)
	for _, chap := range []bool{false, true} {
		for n := radius.MaxSize - 60; n <= radius.MaxSize; n++ {
			for reply := range 2 {
				id++
				// The reply is as long as the request, or as long as a reply can be.
				h.answer = func(req radius.Packet) []byte {
					b := radius.NewReply(nil, radius.AccessChallenge, req)
					used := radius.HeaderSize + 18
					for range values(req, radius.ProxyState) {
						used += 2 + 8 // those of the request, which are all of eight bytes
					}
					fill(&b, map[int]int{0: n - used, 1: radius.MaxSize - used}[reply])
					return h.seal(&b)
				}
				req := build(id, func(b *radius.Builder) {
					b.AddString(radius.ProxyState, "12345678")
					more := radius.HeaderSize + 18 + 10
					if chap {
						b.Add(radius.CHAPPassword, make([]byte, 17))
						more += 19
					}
					fill(b, n-more)
				})
				if len(req) != n {
					t.Fatalf("%d bytes, want %d", len(req), n)
				}
				before := h.count
				nas.send("192.0.2.1:1812", req)
				w.pass(100 * time.Millisecond)
				fits := n
				if chap {
					fits += 18
				}
				if (fits <= radius.MaxSize) != (h.count == before+1) || len(nas.got) != h.count-before {
					t.Fatalf("%d bytes, CHAP %v: the home server got %d, the client %d", n, chap, h.count-before, len(nas.got))
				}
				for _, p := range nas.got {
					back := w.reply(p.Data, req)
					if ours := len(values(h.last(), radius.ProxyState)) == 2; ours != (fits+10 <= radius.MaxSize) {
						t.Errorf("%d bytes, CHAP %v: our Proxy-State is there: %v", n, chap, ours)
					}
					if got := values(back, radius.ProxyState); len(got) != 1 || string(got[0]) != "12345678" || back.Code() != radius.AccessChallenge {
						t.Errorf("%d bytes: %v with Proxy-State %q", n, back.Code(), got)
					}
				}
				nas.got = nil
			}
		}
	}
	w.idle()
}

// A flood of Status-Server and of its copies is answered, and forgotten.
func TestAttackStatusFlood(t *testing.T) {
	w := newWorld(t, udpListen+homeText(0, "")+poolText)
	w.home(0)
	var from []*socket
	for i := range 8 {
		from = append(from, w.udp(w.nas, fmt.Sprint("192.0.2.2:", 4000+i), nil))
	}
	for round := range 3 {
		for id := range 256 {
			b := radius.NewRequest(nil, radius.StatusServer, uint8(id), [16]byte{byte(id), byte(round)})
			req := seal(&b)
			for _, s := range from {
				s.send("192.0.2.1:1812", req)
				s.send("192.0.2.1:1812", req)
			}
			w.pass(5 * time.Millisecond)
			for _, s := range from {
				if len(s.got) != 2 || !bytes.Equal(s.got[0].Data, s.got[1].Data) {
					t.Fatalf("%d answers to %d and its copy", len(s.got), id)
				}
				s.got = nil
			}
		}
		if n := w.gateway.branches[0].table.Len(); n > 256*len(from) {
			t.Fatalf("%d are kept", n)
		}
	}
	w.idle()
}
