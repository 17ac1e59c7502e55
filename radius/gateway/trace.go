package gateway

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/radius/dict"
)

// trace writes a packet as a person reads it, hop by hop. What is secret in it shows by length only.
func (b *branch) trace(number, what, who string, p radius.Packet) {
	text := dict.AppendText(nil, p)
	b.gateway.log(slog.LevelDebug, fmt.Sprintf("(%s) %s %s, id %d, %d bytes, %s\n%s", number, what, p.Code(), p.ID(), len(p), who, text))
}

func (b *branch) traceIn(r *request) {
	b.trace(r.name(), "received", "from client "+r.client.Name+" at "+peerName(r.peer())+", listen "+r.source.listen.Name, r.packet)
}

func (b *branch) traceSent(request string, h *homeState, msg []byte) {
	b.trace(request, "sent", "to home_server "+h.cfg.Name, msg)
}

func (b *branch) traceBack(request string, h *homeState, p radius.Packet) {
	b.trace(request, "received", "from home_server "+h.cfg.Name, p)
}

func (b *branch) traceOut(r *request, msg []byte) {
	b.trace(r.name(), "sent", "to client "+r.client.Name+" at "+peerName(r.peer()), msg)
}

// logAccounting is accounting_log of a realm.
func (b *branch) logAccounting(r *request) {
	attrs := []slog.Attr{slog.String("client", r.client.Name), slog.String("peer", peerName(r.peer()))}
	wanted := b.gateway.wanted.Load()
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
	b.gateway.log(slog.LevelInfo, "accounting", attrs...)
}
