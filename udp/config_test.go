package udp_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/talloc"
	_ "github.com/frio-io/frio/udp"
)

// mistakes is what is wrong with a listen or home_server: one line each, without the file's name.
func mistakes(t *testing.T, text string, gate bool) []string {
	t.Helper()
	file, err := conf.ParseString("t", text, conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	root := talloc.Root("test")
	defer root.Free()
	var found conf.Errors
	sections := append(file.TakeSections("listen"), file.TakeSections("home_server")...)
	io, err := frio.Parse(root, sections[0])
	if err == nil && gate {
		err = io.(frio.Gated).SetGate(func(*frio.Packet, []byte) ([]byte, frio.Verdict) { return nil, frio.GateDrop })
	}
	if err != nil && !errors.As(err, &found) {
		t.Fatalf("%v, which are not conf.Errors", err)
	}
	var lines []string
	for _, one := range append(found, file.Unknown()...) {
		lines = append(lines, fmt.Sprintf("%d: %s", one.Pos.Line, one.Msg))
	}
	return lines
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name string
		udp  string // lines of udp { }, from line 4 on
		more string // after it
		gate bool
		want []string // how each mistake begins
	}{
		{name: "plain", udp: "ipaddr = 127.0.0.1\nport = 7"},
		{name: "everything", udp: "ipv4addr = *\nipv6addr = ::1\nport = 7\ninterface = lo\nrecv_buff = 64K\nsend_buff = 64K\n" +
			"reuse_port = yes\nexceed_mtu = no\ngro = yes\nchildren = demux\nnetworks {\nallow = 10/8\ndeny = 10.1/16\n}",
			more: "limit {\nmax_children = 7\nidle_timeout = 30s\nlifetime = 1h\n}"},
		{name: "words for limits", udp: "ipaddr = *\nport = 7\nchildren = demux",
			more: "limit {\nmax_children = unlimited\nidle_timeout = never\nlifetime = never\n}"},
		{name: "limits without children", udp: "ipaddr = *\nport = 7", more: "limit {\nmax_children = 7\nidle_timeout = 30s\n}",
			want: []string{"8: unknown key `max_children`", "9: unknown key `idle_timeout`"}},
		{name: "limits without children, none given", udp: "ipaddr = *\nport = 7\nchildren = none", more: "limit {\nlifetime = 30s\n}",
			want: []string{"9: unknown key `lifetime`"}},
		{name: "limits of connections", udp: "ipaddr = *\nport = 7\nchildren = demux", more: "limit {\nmax_connections = 7\n}",
			want: []string{"9: unknown key `max_connections`"}},
		{name: "a bare zero", udp: "ipaddr = *\nport = 7\nchildren = demux", more: "limit {\nmax_children = 0\nidle_timeout = 0\n}",
			want: []string{"9: max_children", "10: idle_timeout"}},
		{name: "children", udp: "ipaddr = *\nport = 7\nchildren = some", want: []string{"6: children: `some` is none of none, demux"}},
		{name: "shards", udp: "ipaddr = *\nipv6addr = *\nport = 7\nshards = 4\nchildren = connected", more: "limit {\nmax_children = 7\n}"},
		{name: "no shards", udp: "ipaddr = *\nport = 7\nshards = 0", want: []string{"6: shards: "}},
		{name: "too many shards", udp: "ipaddr = *\nport = 7\nshards = 257", want: []string{"6: shards: "}},
		{name: "gate, connected", udp: "ipaddr = *\nport = 7\nchildren = connected", gate: true,
			want: []string{"6: children: connected is not possible here"}},
		{name: "no address", udp: "port = 7", want: []string{"3: udp: ipaddr is missing"}},
		{name: "no port", udp: "ipaddr = *", want: []string{"3: "}},
		{name: "host name", udp: "ipaddr = localhost\nport = 7", want: []string{"4: ipaddr: "}},
		{name: "all at once", udp: "ipaddr = nowhere\nport = 70000\nrecv_buff = 12\nchildren = some\nnonsense = 1",
			want: []string{"4: ipaddr: ", "5: port: ", "6: recv_buff: ", "7: children: ", "8: unknown key `nonsense`"}},
		{name: "no section", udp: "-", want: []string{"1: listen: section udp { } is missing"}},
		{name: "limit twice", udp: "ipaddr = *\nport = 7\nchildren = demux", more: "limit {\n}\nlimit {\n}", want: []string{"10: limit: given already"}},
		{name: "gate", udp: "ipaddr = *\nport = 7", more: "limit {\nmax_children = 7\nidle_timeout = 30s\n}", gate: true},
		{name: "gate, two sockets", udp: "ipaddr = *\nipv6addr = *\nport = 7", more: "limit {\nmax_children = 7\n}", gate: true},
		{name: "gate, demux", udp: "ipaddr = *\nport = 7\nchildren = demux", more: "limit {\nmax_children = 7\n}", gate: true},
		{name: "gate, none", udp: "ipaddr = *\nport = 7\nchildren = none", gate: true,
			want: []string{"6: children: none is not possible here"}},
		{name: "gate, wrong limit", udp: "ipaddr = *\nport = 7", more: "limit {\nmax_children = many\n}", gate: true,
			want: []string{"8: max_children: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			section := "udp {\n" + c.udp + "\n}\n"
			if c.udp == "-" {
				section = ""
			}
			compare(t, mistakes(t, "listen {\nprotocol = udp\n"+section+c.more+"\n}\n", c.gate), c.want)
		})
	}
}

func TestParseClient(t *testing.T) {
	for _, c := range []struct {
		name, udp string
		want      []string
	}{
		{name: "plain", udp: "ipaddr = 127.0.0.1\nport = 7"},
		{name: "everything", udp: "ipv4addr = example.org\nport = 7\nsrc_ipaddr = 127.0.0.2\nsrc_port_start = 2000\nsrc_port_end = 2100\n" +
			"interface = lo\nrecv_buff = 64K\nsend_buff = 64K\nexceed_mtu = no\ngro = yes\nconnect_timeout = 3s\nconnect_retry = yes"},
		{name: "no address", udp: "port = 7", want: []string{"3: udp: ipaddr is missing"}},
		{name: "no name", udp: "ipaddr = 127.0.0.300\nport = 7", want: []string{"4: ipaddr: "}},
		{name: "port 0", udp: "ipaddr = 127.0.0.1\nport = 0", want: []string{"5: port: "}},
		{name: "families", udp: "ipaddr = 127.0.0.1\nport = 7\nsrc_ipaddr = ::1", want: []string{"4: ipaddr: "}},
		{name: "keys of a listen", udp: "ipaddr = 127.0.0.1\nport = 7\nchildren = demux\nreuse_port = yes",
			want: []string{"6: unknown key `children`", "7: unknown key `reuse_port`"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			compare(t, mistakes(t, "home_server {\nprotocol = udp\nudp {\n"+c.udp+"\n}\n}\n", false), c.want)
		})
	}
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range want {
		found := false
		for _, line := range got {
			found = found || strings.HasPrefix(line, want[i])
		}
		ok = ok && found
	}
	if !ok {
		t.Errorf("mistakes:\n\t%s\nwant those that begin with\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
