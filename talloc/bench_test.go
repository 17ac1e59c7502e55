package talloc

import "testing"

func BenchmarkAllocFree(b *testing.B) {
	root := Root("root")
	listener, _ := root.New("listener")
	c, _ := listener.New("conn")
	b.ReportAllocs()
	b.SetBytes(1024)
	for b.Loop() {
		buf, err := c.Alloc(1024)
		if err != nil {
			b.Fatal(err)
		}
		buf.Free()
	}
}

func BenchmarkContext(b *testing.B) {
	root := Root("root")
	b.ReportAllocs()
	for b.Loop() {
		var c Context
		if err := c.Init(root, "conn"); err != nil {
			b.Fatal(err)
		}
		c.Free()
	}
}
