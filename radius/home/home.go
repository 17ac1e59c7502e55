// Package home is a small home server: it knows a few users by their passwords and answers every kind of request. It is what
// `frio run` without a file relays to, and what the tests of a gateway put behind it.
//
// It takes packets and returns packets; there is no socket in it.
//
//	s := home.New(home.Config{Users: []home.User{{Name: "bob", Password: "hello"}}})
//	reply, err := s.Handle(buf[:0], packet, keys)
package home

import (
	"fmt"
	"io"

	"github.com/frio-io/frio/radius"
)

// User is one of those that get an Access-Accept.
type User struct {
	Name       string
	Password   string // at most 128 bytes; never printed
	Attributes []byte // of the Access-Accept, as on the wire
}

// Format prints the name for every verb.
func (u User) Format(f fmt.State, verb rune) { io.WriteString(f, u.Name) }

// Config says who is let in. Its zero value lets nobody in.
type Config struct {
	Users []User
	// Unsigned takes an Access-Request without a Message-Authenticator, as clients send it that do not know of BlastRADIUS.
	Unsigned bool
	// Accounting is set behind a port of its own for accounting: a Status-Server is answered with an Accounting-Response there
	// (RFC 5997, Section 2.2).
	Accounting bool
}

// Counts are what became of the requests.
type Counts struct {
	Accepted, Rejected, Challenged, Accounting, Status uint64
	Refused                                            uint64                     // CoA-NAK and Disconnect-NAK
	Dropped                                            [radius.ReasonCount]uint64 // no reply
}

// Server answers requests.
//
// Thread: one at a time.
type Server struct {
	config     Config
	users      map[string]*user
	counts     Counts
	challenges challenges
}

// user is a User with its password as package chap takes it.
type user struct {
	User
	password []byte
}

// New returns a server. Where two users share a name the last counts.
func New(c Config) *Server {
	s := &Server{config: c, users: map[string]*user{}}
	for _, u := range c.Users {
		s.users[u.Name] = &user{u, []byte(u.Password)}
	}
	return s
}

// Counts returns what became of the requests so far.
func (s *Server) Counts() Counts { return s.counts }

// Handle appends to dst the reply to request, from a client whose keys are given. An error says why there is none, and is counted by
// its reason; dst is as it was. A request with a User-Password costs no allocation if dst has room for MaxSize bytes.
func (s *Server) Handle(dst []byte, request radius.Packet, k *radius.Keys) ([]byte, error) {
	out, err := dst, k.CheckRequest(request, !s.config.Unsigned)
	if err == nil {
		out, err = s.answer(dst, request, k)
	}
	if err != nil {
		s.counts.Dropped[radius.ReasonOf(err)]++
	}
	return out, err
}

func (s *Server) answer(dst []byte, request radius.Packet, k *radius.Keys) ([]byte, error) {
	switch request.Code() {
	case radius.AccessRequest:
		return s.access(dst, request, k)
	case radius.AccountingRequest:
		s.counts.Accounting++
		return empty(dst, radius.AccountingResponse, request, k)
	case radius.StatusServer:
		s.counts.Status++
		if s.config.Accounting {
			return empty(dst, radius.AccountingResponse, request, k)
		}
		return empty(dst, radius.AccessAccept, request, k)
	}
	// What changes a session: there is none here.
	code := radius.CoANAK
	if request.Code() == radius.DisconnectRequest {
		code = radius.DisconnectNAK
	}
	s.counts.Refused++
	b := radius.NewReply(dst, code, request)
	b.AddUint32(radius.ErrorCause, radius.CauseSessionNotFound)
	return b.Seal(k)
}

func empty(dst []byte, code radius.Code, request radius.Packet, k *radius.Keys) ([]byte, error) {
	b := radius.NewReply(dst, code, request)
	return b.Seal(k)
}
