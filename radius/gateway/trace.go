package gateway

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/dict"
)

// trace writes a packet as a person reads it, hop by hop. What is secret in it shows by length only.
func (l *lane) trace(number, what, who string, p radius.Packet) {
	text := dict.AppendText(nil, p)
	l.gateway.log(slog.LevelDebug, fmt.Sprintf("(%s) %s %s, id %d, %d bytes, %s\n%s", number, what, p.Code(), p.ID(), len(p), who, text))
}

func (l *lane) traceIn(r *request) {
	l.trace(r.name(), "received", "from client "+r.client.Name+" at "+peerName(r.peer())+", listen "+r.source.listen.Name, r.packet)
}

func (l *lane) traceSent(request string, h *homeState, msg []byte) {
	l.trace(request, "sent", "to home_server "+h.cfg.Name, msg)
}

func (l *lane) traceBack(request string, h *homeState, p radius.Packet) {
	l.trace(request, "received", "from home_server "+h.cfg.Name, p)
}

func (l *lane) traceOut(r *request, msg []byte) {
	l.trace(r.name(), "sent", "to client "+r.client.Name+" at "+peerName(r.peer()), msg)
}

// logAccounting is accounting_log of a realm.
func (l *lane) logAccounting(r *request) {
	attrs := []slog.Attr{slog.String("client", r.client.Name), slog.String("peer", peerName(r.peer()))}
	wanted := l.gateway.wanted.Load()
	asItCame := func(v []byte) string { return strings.ToValidUTF8(string(v), "?") }
	station := asItCame
	if wanted.Stations != nil {
		station = wanted.Stations.show
	}
	for _, one := range []struct {
		name string
		t    radius.Type
		show func([]byte) string
	}{
		{"user", radius.UserName, wanted.UserName.show}, {"session", radius.AcctSessionID, asItCame},
		{"station", radius.CallingStationID, station}, {"nas", radius.NASIdentifier, asItCame},
	} {
		if v, ok := r.packet.Find(one.t); ok {
			attrs = append(attrs, slog.String(one.name, one.show(v)))
		}
	}
	l.gateway.log(slog.LevelInfo, "accounting", attrs...)
}
