package tcp_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/friotest"
	"github.com/frio-io/frio/sock"
)

func TestBuffersAreReportedAsGranted(t *testing.T) {
	for _, sim := range []bool{false, true} {
		e := friotest.NewEnv(t, sim, 1)
		l := listen(e, anyPort+"recv_buff = 32k\nsend_buff = 1G\n", "")
		text := l.DebugText()
		if !strings.Contains(text, "recv_buff 32768,") || !strings.Contains(text, "(of 1073741824 asked for)") {
			t.Errorf("sim %v:\n%s", sim, text)
		}
		fd := connect(e, l, "")
		c := e.AcceptFrom(l, nil)
		if text := c.DebugText(); !strings.Contains(text, "recv_buff 32768,") {
			t.Errorf("sim %v: the accepted one:\n%s", sim, text)
		}
		e.Kernel.Close(fd)
	}
}

// spy notes what is done to the sockets of another Kernel.
type spy struct {
	sock.Kernel
	options map[string]int
	order   []string
}

func (s *spy) SetOption(fd int, o sock.Option, value int) error {
	s.options[fmt.Sprintf("%d/%d", fd, o)] = value
	return s.Kernel.SetOption(fd, o, value)
}

func (s *spy) Bind(fd int, a sock.Addr) error {
	s.order = append(s.order, "bind")
	return s.Kernel.Bind(fd, a)
}

func (s *spy) BindDevice(fd int, name string) error {
	s.order = append(s.order, "device "+name)
	return s.Kernel.BindDevice(fd, name)
}

func (s *spy) Listen(fd, backlog int) error {
	s.order = append(s.order, fmt.Sprintf("listen %d", backlog))
	return s.Kernel.Listen(fd, backlog)
}

func TestOrderAndOptions(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	s := &spy{Kernel: e.Kernel, options: map[string]int{}}
	ctx := e.Context(nil, "spied")
	sock.SetKernel(ctx, s)
	text := "listen x {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 0\ninterface = lo\n}\n}\n"
	root, err := conf.ParseString("conf", text, conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	io, err := frio.Parse(ctx, root.Sections("listen")[0])
	if err != nil {
		t.Fatal(err)
	}
	l := e.Watch(io, ctx, "listen")
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	// The interface before bind; the backlog is the system's maximum unless it is given.
	if got := strings.Join(s.order, ", "); got != "device lo, bind, listen 0" {
		t.Errorf("order: %s", got)
	}
	fd := connect(e, l, "")
	c, err := l.Accept(nil)
	if err != nil {
		t.Fatal(err)
	}
	set := func(o sock.Option) (on bool) {
		for key, value := range s.options {
			on = on || strings.HasSuffix(key, fmt.Sprintf("/%d", o)) && value == 1
		}
		return on
	}
	for name, o := range map[string]sock.Option{"SO_REUSEADDR": sock.ReuseAddr, "TCP_NODELAY": sock.NoDelay, "SO_KEEPALIVE": sock.KeepAlive} {
		if !set(o) {
			t.Errorf("%s is not set", name)
		}
	}
	c.Close()
	e.Kernel.Close(fd)
}

func TestInterfaceThatIsNotThere(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := e.ParseText(nil, "listen", "listen x {\nprotocol = tcp\ntcp {\n"+anyPort+"interface = nope0\n}\n}\n")
	if err := l.Open(); !errors.Is(err, syscall.ENODEV) || !strings.Contains(err.Error(), "interface nope0") {
		t.Errorf("open: %v", err)
	}
}

func TestBothFamiliesOnOnePort(t *testing.T) {
	for _, sim := range []bool{false, true} {
		e := friotest.NewEnv(t, sim, 1)
		four := e.ParseText(nil, "four", "listen x {\nprotocol = tcp\ntcp {\nipv4addr = *\nport = 0\n}\n}\n")
		if err := four.Open(); err != nil {
			t.Fatal(err)
		}
		six := e.ParseText(nil, "six", fmt.Sprintf("listen x {\nprotocol = tcp\ntcp {\nipv6addr = *\nport = %d\n}\n}\n", e.Port(four)))
		if err := six.Open(); err != nil {
			t.Errorf("sim %v: :: beside 0.0.0.0: %v", sim, err)
		}
		again := e.ParseText(nil, "again", fmt.Sprintf("listen x {\nprotocol = tcp\ntcp {\nipaddr = *\nport = %d\n}\n}\n", e.Port(four)))
		if err := again.Open(); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("sim %v: the same port twice: %v", sim, err)
		}
	}
}

func TestTwoLinesAreASharder(t *testing.T) {
	e := friotest.NewEnv(t, true, 1)
	l := e.ParseText(nil, "both", "listen x {\nprotocol = tcp\ntcp {\nipv4addr = 127.0.0.1\nipv6addr = ::1\nport = 7007\n}\nlimit {\nmax_connections = 1\n}\n}\n")
	shards := l.IO.(frio.Sharder).Shards()
	if len(shards) != 2 {
		t.Fatalf("%d shards", len(shards))
	}
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	if got := l.IO.Describe(); got != "tcp 127.0.0.1:7007, tcp [::1]:7007" {
		t.Errorf("describe: %s", got)
	}
	ctx := e.Context(nil, "accepted")
	defer ctx.Free()
	if _, err := l.IO.Accept(ctx); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("accept on the whole: %v", err)
	}
	// The limit is that of the whole.
	for i, to := range []string{"127.0.0.1", "::1"} {
		c := client(e, "ipaddr = "+to+"\nport = 7007\n")
		if err := result(e, c); err != nil {
			t.Fatal(err)
		}
		_, err := shards[i].Accept(ctx)
		if (err == nil) != (i == 0) {
			t.Errorf("accept %d: %v", i, err)
		}
	}
}

func TestConfigMistakes(t *testing.T) {
	cases := []struct{ inside, want string }{
		{"", "conf:3:1: tcp: ipaddr is missing"},
		{"ipaddr = 127.0.0.1", "port"},
		{"ipaddr = 127.0.0.1\nport = 70000", "conf:5:8"},
		{"ipaddr = somewhere\nport = 1", `conf:4:10: ipaddr: "somewhere" is not an IP address`},
		{"ipv4addr = ::1\nport = 1", "conf:4:12: ipv4addr: ::1 is of the other address family"},
		{"ipaddr = 127.0.0.1\nipv4addr = 127.0.0.2\nport = 1", "conf:5:12: ipv4addr: an address of this family is given already at conf:4:1"},
		{"ipaddr = *\nport = 1\nrecv_buff = 10", "conf:6:13"},
		{"ipaddr = *\nport = 1\nnetworks {\nallow = 10.0.0.0/33\n}", "conf:7:9"},
		{"ipaddr = *\nport = 1\nkeepalive = maybe", "conf:6:13"},
	}
	for _, c := range cases {
		e := friotest.NewEnv(t, true, 1)
		root, err := conf.ParseString("conf", "listen x {\nprotocol = tcp\ntcp {\n"+c.inside+"\n}\n}\n", conf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx := e.Context(nil, "mistake")
		if _, err = frio.Parse(ctx, root.Sections("listen")[0]); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n%v\nwant %s", c.inside, err, c.want)
		}
		ctx.Free()
	}
}
