package netconn_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/netconn"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/thread"
)

// section makes an IO of one section of text, in a context of its own.
func section(text string) (*talloc.Context, frio.IO) {
	root, err := conf.ParseString("example", text, conf.Options{})
	if err != nil {
		panic(err)
	}
	mem := talloc.Root("example")
	one, err := frio.Parse(mem, root.Sections("")[0])
	if err != nil {
		panic(err)
	}
	return mem, one
}

func threads(count int) *thread.Pool {
	pool, err := thread.New(thread.Config{Network: count})
	if err != nil {
		panic(err)
	}
	pool.Start()
	return pool
}

// net/http serves on a stack of frio, here tcp, and its client connects by one.
func ExampleListen() {
	pool := threads(2)
	defer pool.Stop(time.Second)

	mem, one := listening()
	l, err := netconn.Listen(pool.Threads()[0], mem, one)
	if err != nil {
		panic(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "good day")
	})}
	go server.Serve(l)
	defer server.Shutdown(context.Background())

	port := l.Addr().(*net.TCPAddr).Port
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialing(ctx, pool, port)
	}}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("http://example.org/")
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	fmt.Printf("%s\n", text)
	// Output: good day
}

func listening() (*talloc.Context, frio.IO) {
	return section("listen {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = 0\n}\n}\n")
}

func dialing(ctx context.Context, pool *thread.Pool, port int) (net.Conn, error) {
	mem, one := section(fmt.Sprintf("home_server {\nprotocol = tcp\ntcp {\nipaddr = 127.0.0.1\nport = %d\n}\n}\n", port))
	return netconn.Dial(ctx, pool.Threads()[0], mem, one)
}

// A connection is a net.Conn that can end one direction.
func ExampleDial() {
	pool := threads(1)
	defer pool.Stop(time.Second)
	mem, one := listening()
	l, err := netconn.Listen(pool.Threads()[0], mem, one)
	if err != nil {
		panic(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		question, _ := io.ReadAll(c)
		fmt.Fprintf(c, "%s? Yes.", question)
	}()

	c, err := dialing(context.Background(), pool, l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(c, "Is anybody there")
	c.(*netconn.Conn).CloseWrite()
	answer, _ := io.ReadAll(c)
	fmt.Printf("%s\n", answer)
	// Output: Is anybody there? Yes.
}

// Datagrams: the answer to what ReadFrom returned leaves from the address that was asked.
func ExampleListenPacket() {
	pool := threads(1)
	defer pool.Stop(time.Second)
	mem, one := section("listen {\nprotocol = udp\nudp {\nipaddr = *\nport = 0\n}\n}\n")
	server, err := netconn.ListenPacket(pool.Threads()[0], mem, one)
	if err != nil {
		panic(err)
	}
	defer server.Close()
	go func() {
		b := make([]byte, 1500)
		n, from, err := server.ReadFrom(b)
		if err == nil {
			server.WriteTo(b[:n], from)
		}
	}()

	client, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", server.LocalAddr().(*net.UDPAddr).Port))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	fmt.Fprint(client, "ping")
	b := make([]byte, 1500)
	n, _ := client.Read(b)
	fmt.Printf("%s\n", b[:n])
	// Output: ping
}
