package talloc_test

import (
	"fmt"
	"os"

	"github.com/frio-io/frio/talloc"
)

// conn and its context are one allocation.
type conn struct {
	ctx talloc.Context
	in  talloc.Buffer
}

// Destroy is called when the context is freed.
func (c *conn) Destroy() { fmt.Println("destroy", c.ctx.Name()) }

func Example() {
	root := talloc.Root("thread")
	root.SetLimit(1<<20, 1000)

	c := new(conn)
	if err := c.ctx.Init(root, "conn 1"); err != nil {
		fmt.Println(err)
		return
	}
	c.ctx.OnFree(c)
	in, err := c.ctx.Alloc(1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	c.in = in

	root.Report(os.Stdout)
	root.Free()
	// Output:
	// thread: 0 bytes in 0 buffers; total 1024 bytes in 1 buffers, 1 contexts; limit 1048576 bytes; limit 1000 contexts
	//   conn 1: 1024 bytes in 1 buffers
	// destroy conn 1
}
