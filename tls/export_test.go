package tls

import ctls "crypto/tls"

// StreamConfig is what the listener's next connections use, for tests to change.
func (l *Listener) StreamConfig() *ctls.Config { return l.how.set.snap.Load().stream }

// CanLend tells whether crypto/tls is as lend.go expects it.
var CanLend = canLend
