package main

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
)

// atOnce is how many clients ask at the same time.
const atOnce = 8

// radiusLab is what the tests of RADIUS with other programs share: certificates and a home server.
type radiusLab struct {
	certs   string
	home    *freeradius
	scratch string
	replies map[string]radiusReply // by the name of an exchange: what the home server itself says
}

// radiusWay is how a client's packets travel.
type radiusWay struct {
	door  radiusDoor
	realm string
	acct  int // the port of the home server where accounting must arrive
	// spoils: the client cannot read MS-CHAP-MPPE-Keys. radsecproxy, if it is on the way, does not encrypt them anew for the next hop,
	// and FreeRADIUS 3.2 encrypts them over TLS, unlike over the others, by something that is not the request's authenticator.
	spoils bool
}

// newRadiusLab makes the certificates and what the home server needs. Without one of the programs the test is skipped.
func newRadiusLab(t *testing.T) *radiusLab {
	t.Helper()
	for _, name := range []string{"freeradius", "radclient", "radsecproxy", "eapol_test"} {
		program(t, name)
	}
	certs := certificates(t, "client", "user")
	return &radiusLab{certs: certs, home: newFreeradius(t, certs), scratch: t.TempDir(), replies: map[string]radiusReply{}}
}

// start starts the home server and asks it what the clients will ask, to know what it says.
func (l *radiusLab) start(t *testing.T) {
	t.Helper()
	l.home.start(t)
	for _, e := range radiusExchanges {
		r, err := l.radclient(radiusWay{door: l.direct("udp"), realm: "direct"}, e.attributes)
		if err != nil || r.code != e.code {
			t.Fatalf("%s with the home server itself: %v, %v, want %s", e.name, r, err, e.code)
		}
		l.replies[e.name] = r
	}
}

// startBehind starts a radsecproxy before the home server's udp, with tls at port and dtls at the next.
func (l *radiusLab) startBehind(t *testing.T, port int) {
	t.Helper()
	startRadsecproxy(t, l.certs, []proxyInlet{{"tls", radsecSecret, port}, {"dtls", dtlsSecret, port + 1}},
		[]proxyServer{{"@", "udp", radiusSecret, l.home.udp, l.home.udp + 1}})
}

// direct is the home server's own door.
func (l *radiusLab) direct(proto string) radiusDoor {
	if proto == "tcp" {
		return radiusDoor{"tcp", l.home.tcp, l.home.tcp + 1}
	}
	return radiusDoor{"udp", l.home.udp, l.home.udp + 1}
}

// exchange has one of radiusExchanges on its way. The reply must be that of the home server itself, attribute for attribute:
// Tunnel-Password and the MS-MPPE keys among them, which each hop encrypts anew.
func (l *radiusLab) exchange(w radiusWay, i int) error {
	e := radiusExchanges[i]
	got, err := l.radclient(w, e.attributes)
	if err != nil {
		return err
	}
	want := l.replies[e.name]
	if w.spoils {
		got, want = got.without("MS-CHAP-MPPE-Keys"), want.without("MS-CHAP-MPPE-Keys")
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s: got %q, want %q", e.name, got, want)
	}
	return nil
}

// radclient sends an Access-Request with attributes. The reply comes without what differs from one to the next.
func (l *radiusLab) radclient(w radiusWay, attributes string) (radiusReply, error) {
	r, err := debianRadclient(l.home.raddb, w.door, "auth", fmt.Sprintf("User-Name = \"bob@%s\"\n"+attributes, w.realm, userPassword))
	return r.without("Message-Authenticator").withoutChance(), err
}

// speak has every exchange on its way.
func (l *radiusLab) speak(t *testing.T, w radiusWay) {
	for i, e := range radiusExchanges {
		good := t.Run(e.name, func(t *testing.T) {
			if err := l.exchange(w, i); err != nil {
				t.Error(err)
			}
		})
		if !good && i == 0 {
			t.FailNow() // the rest of this way would wait for answers one after the other
		}
	}
	t.Run("accounting", func(t *testing.T) {
		for _, status := range []string{"Start", "Stop"} {
			session := fmt.Sprintf("%s over %s, %s", w.realm, w.door.proto, status)
			r, err := debianRadclient(l.home.raddb, w.door, "acct",
				fmt.Sprintf("User-Name = \"bob@%s\"\nAcct-Session-Id = %q\nAcct-Status-Type = %s", w.realm, session, status))
			if err != nil || r.code != "Accounting-Response" || len(r.without("Message-Authenticator").attributes) != 0 {
				t.Errorf("got %q, %v", r, err)
			}
			if here, everywhere := l.home.accounted(t, session, w.acct); here != 1 || everywhere != 1 {
				t.Errorf("%s was written down %d times, and at port %d %d times", session, everywhere, w.acct, here)
			}
		}
	})
	t.Run("Status-Server", func(t *testing.T) {
		if r, err := debianRadclient(l.home.raddb, w.door, "status", "Message-Authenticator = 0x00"); err != nil || r.code != "Access-Accept" {
			t.Errorf("got %q, %v", r, err)
		}
	})
	if w.door.proto == "udp" {
		for i, m := range eapMethods {
			t.Run(m.name, func(t *testing.T) {
				if err := eapolTest(l.scratch, l.certs, w, i, 0); err != nil {
					t.Error(err)
				}
			})
		}
	}
	t.Run("at once", func(t *testing.T) { l.crowd(t, w) })
}

// crowd is atOnce clients at the same time, or one on each way if there are more: conversations of many packets where the door
// allows, else requests.
func (l *radiusLab) crowd(t *testing.T, ways ...radiusWay) {
	var all sync.WaitGroup
	for i := range max(atOnce, len(ways)) {
		w := ways[i%len(ways)]
		all.Go(func() {
			var err error
			if w.door.proto == "udp" {
				err = eapolTest(l.scratch, l.certs, w, i%len(eapMethods), i+1)
			} else {
				err = l.exchange(w, i%len(radiusExchanges))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// The neighbours understand each other before frio stands between them: what fails here is not frio's.
func TestInteropRadiusNeighbours(t *testing.T) {
	l := newRadiusLab(t)
	l.start(t)
	front, behind := quietPorts(t, 1), quietPorts(t, 2)
	l.startBehind(t, behind)
	startRadsecproxy(t, l.certs, []proxyInlet{{"udp", radiusSecret, front}}, []proxyServer{
		{"@tcp$", "tcp", radiusSecret, l.home.tcp, l.home.tcp + 1},
		{"@tls$", "tls", radsecSecret, l.home.tls, l.home.tls},
		{"@tls-neighbour$", "tls", radsecSecret, behind, behind},
		{"@dtls-neighbour$", "dtls", dtlsSecret, behind + 1, behind + 1},
	})
	for _, proto := range []string{"udp", "tcp"} {
		t.Run("home "+proto, func(t *testing.T) {
			door := l.direct(proto)
			l.speak(t, radiusWay{door: door, realm: "direct", acct: door.acct})
			if !l.home.asked(door.auth) {
				t.Errorf("no Status-Server at port %d", door.auth)
			}
		})
	}
	for _, to := range []struct {
		realm string
		acct  int
	}{{"tcp", l.home.tcp + 1}, {"tls", l.home.tls}, {"tls-neighbour", l.home.udp + 1}, {"dtls-neighbour", l.home.udp + 1}} {
		t.Run("through radsecproxy to "+to.realm, func(t *testing.T) {
			l.speak(t, radiusWay{radiusDoor{"udp", front, front}, to.realm, to.acct, true})
		})
	}
}
