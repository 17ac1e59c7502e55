package tls_test

import (
	"bytes"
	"testing"

	"github.com/frio-io/frio/friotest"
)

// TestLongRecordOverSmallMTU: over a path of 1280 bytes an association comes up, and records of 4096 bytes and of the greatest length arrive,
// in fragments of IP.
func TestLongRecordOverSmallMTU(t *testing.T) {
	if !friotest.InNamespace(t, "ip link set lo mtu 1280 up") {
		return
	}
	e := friotest.NewEnv(t, false, 1)
	c, s := joined(e, "tls+udp")
	for _, size := range []int{1, 1280, 4096, 16384} {
		message := bytes.Repeat([]byte{byte(size >> 7)}, size)
		for _, way := range [][2]*friotest.Probe{{c, s}, {s, c}} {
			if n, err := way[0].Write(message); n != size || err != nil {
				t.Fatalf("Write of %d: %d, %v", size, n, err)
			}
			got := make([]byte, 16384)
			e.Until("the message", func() bool {
				n, err := way[1].Read(got)
				if err == nil && !bytes.Equal(got[:n], message) {
					t.Fatalf("%d bytes came as %d others", size, n)
				}
				return err == nil
			})
		}
	}
}
