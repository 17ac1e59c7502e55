package frio_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/frio-io/frio"
	_ "github.com/frio-io/frio/all"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/event"
	"github.com/frio-io/frio/sock"
	"github.com/frio-io/frio/talloc"
)

// parse makes the IO that one section of text describes.
func parse(ctx *talloc.Context, text string) frio.IO {
	root, err := conf.ParseString("example", text, conf.Options{})
	if err != nil {
		panic(err)
	}
	io, err := frio.Parse(ctx, root.Sections("")[0])
	if err != nil {
		panic(err)
	}
	return io
}

func newLoop(name string) (*talloc.Context, *event.Loop) {
	ctx := talloc.Root(name)
	loop, err := event.New(ctx, sock.System, event.Config{Name: name})
	if err != nil {
		panic(err)
	}
	return ctx, loop
}

// A server: open a listener, accept, answer; and a client that asks it, on the same loop.
func Example() {
	root, loop := newLoop("main")
	defer root.Free() // closes everything

	listener := parse(root, `listen echo {
		protocol = tcp
		tcp {
			ipaddr = 127.0.0.1
			port = 0
		}
	}`)
	if err := listener.Open(); err != nil {
		panic(err)
	}
	listener.Event(loop, func() {
		child, err := listener.Accept(root)
		if err != nil {
			return // ErrAgain: the loop calls again
		}
		child.Event(loop, func() {
			buf := loop.Scratch()
			n, err := child.Read(buf)
			switch {
			case err == frio.ErrAgain:
			case err != nil:
				child.Close()
			default:
				child.Write(buf[:n])
			}
		}, nil)
	}, nil)

	client := parse(root, fmt.Sprintf(`home_server echo {
		protocol = tcp
		tcp {
			ipaddr = 127.0.0.1
			port = %d
		}
	}`, listener.(frio.Addresser).LocalAddr().Port()))
	read := func() {
		buf := loop.Scratch()
		n, err := client.Read(buf)
		if err == nil {
			fmt.Printf("%s\n", buf[:n])
			client.Close()
			listener.Close()
			loop.Stop()
		}
	}
	client.Event(loop, read, func() {
		client.Write([]byte("hello"))
		client.Event(loop, read, nil) // no wish to write any more
	})
	client.Connect()
	if err := loop.Run(); err != nil {
		panic(err)
	}
	// Output: hello
}

// A connection moves to another loop, and what it had not read is announced there.
func ExampleIO_event() {
	one, first := newLoop("first")
	defer one.Free()
	two, second := newLoop("second")
	defer two.Free()

	path := fmt.Sprintf("%s/frio-example-%d.sock", os.TempDir(), os.Getpid())
	listener := parse(one, fmt.Sprintf("listen x {\nprotocol = unix\nunix {\nfilename = %q\n}\n}\n", path))
	if err := listener.Open(); err != nil {
		panic(err)
	}
	client := parse(one, fmt.Sprintf("home_server x {\nprotocol = unix\nunix {\nfilename = %q\n}\n}\n", path))
	if err := client.Connect(); err != nil {
		panic(err)
	}
	client.Write([]byte("for the second loop"))

	listener.Event(first, nil, nil)
	child, err := listener.Accept(two) // its memory belongs to where it will live
	if err != nil {
		panic(err)
	}
	child.Event(nil, nil, nil) // out of the listener's loop
	child.Event(second, func() {
		buf := make([]byte, 100)
		n, err := child.Read(buf)
		if err == nil {
			fmt.Printf("%s\n", buf[:n])
		}
	}, nil)
	second.Turn(time.Second)
	child.Close()
	second.Turn(0)
	// Output: for the second loop
}

// Without a loop each call makes at most one step.
func ExampleIO_read() {
	root := talloc.Root("main")
	defer root.Free()
	path := fmt.Sprintf("%s/frio-read-%d.sock", os.TempDir(), os.Getpid())
	listener := parse(root, fmt.Sprintf("listen x {\nprotocol = unix\nunix {\nfilename = %q\n}\n}\n", path))
	if err := listener.Open(); err != nil {
		panic(err)
	}
	client := parse(root, fmt.Sprintf("home_server x {\nprotocol = unix\nunix {\nfilename = %q\n}\n}\n", path))
	if err := client.Connect(); err != nil {
		panic(err)
	}
	server, err := listener.Accept(root)
	if err != nil {
		panic(err)
	}
	buf := make([]byte, 100)
	_, err = server.Read(buf)
	fmt.Println(errors.Is(err, frio.ErrAgain))
	client.Write([]byte("data"))
	n, _ := server.Read(buf)
	fmt.Printf("%s\n", buf[:n])
	client.Close()
	_, err = server.Read(buf)
	fmt.Println(err == io.EOF)
	// Output:
	// true
	// data
	// true
}
