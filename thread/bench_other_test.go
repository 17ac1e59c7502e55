//go:build !linux

package thread_test

import (
	"io"
	"net"
	"testing"
)

func patient(_ *testing.B, conn net.Conn, _ int) io.ReadWriteCloser { return conn }
