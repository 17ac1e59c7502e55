// Package talloc gives memory an owner. A Context owns buffers, destructors and
// other contexts; freeing it frees all below it, children first.
//
//	thread (root)
//	├── listener
//	│   ├── connection 1    buffers, a destructor that closes the descriptor
//	│   └── connection 2
//	└── loop
//
// What a context is embedded in is one allocation with it:
//
//	type conn struct {
//		ctx talloc.Context
//		in  talloc.Buffer
//	}
//
//	c := new(conn)
//	if err := c.ctx.Init(parent, "connection 1"); err != nil {
//		return err // a limit of parent
//	}
//	c.ctx.OnFree(c) // c.Destroy is called when c, or what is above it, is freed
//	c.in, err = c.ctx.Alloc(4096)
//
// A tree of contexts belongs to one thread at a time, the owner of its root (Own). To go to another
// thread, the old owner calls Detach, sends the context by a message, and the new owner calls Adopt.
// Buffers travel with their context; a buffer that is freed goes to the free list of the root it is
// freed under.
//
// What goes wrong in the hands of a caller:
//
//   - Use after Free, and Free twice, panic and name the context; contexts are not used again for
//     something else, and a Buffer knows its generation, so that both are always found.
//   - The slice that Buffer.Bytes returns does not know that its buffer was freed. Builds with -race
//     or -tags friocheck fill freed buffers with 0xdb, and panic when such a one was written to.
//   - Touching the tree of another thread is found in those builds only (Touch).
package talloc
