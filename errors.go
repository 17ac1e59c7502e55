package frio

import (
	"fmt"
	"net/netip"
	"os"
)

// PacketError cost one datagram and nothing else.
type PacketError struct {
	Op     string // "read" or "write"
	Remote netip.AddrPort
	Err    error // the errno, or ErrTooLong
}

func (e *PacketError) Error() string {
	if e.Remote.IsValid() {
		return fmt.Sprintf("%s datagram %s: %v", e.Op, e.Remote, e.Err)
	}
	return fmt.Sprintf("%s datagram: %v", e.Op, e.Err)
}

func (e *PacketError) Unwrap() error { return e.Err }

// ResetError is how a connection was lost. It wraps ErrReset and the errno.
type ResetError struct{ Err error }

func (e *ResetError) Error() string { return ErrReset.Error() + ": " + e.Err.Error() }

func (e *ResetError) Unwrap() []error { return []error{ErrReset, e.Err} }

// TimeoutError names the limit that closed an IO: "idle_timeout". It wraps ErrTimeout
// and os.ErrDeadlineExceeded.
type TimeoutError struct{ Limit string }

func (e *TimeoutError) Error() string { return e.Limit + ": " + ErrTimeout.Error() }

func (e *TimeoutError) Unwrap() []error { return []error{ErrTimeout, os.ErrDeadlineExceeded} }

// Timeout makes it a net.Error's time-out.
func (e *TimeoutError) Timeout() bool { return true }

// UnsentError is what Close returns when bytes that Write took could not be sent.
type UnsentError struct{ Bytes int }

func (e *UnsentError) Error() string { return fmt.Sprintf("closed with %d bytes unsent", e.Bytes) }
