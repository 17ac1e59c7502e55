// Package all makes every method known to frio.Parse. Import it for that effect.
package all

import (
	_ "github.com/frio-io/frio/haproxy"
	_ "github.com/frio-io/frio/tcp"
	_ "github.com/frio-io/frio/tls"
	_ "github.com/frio-io/frio/udp"
	_ "github.com/frio-io/frio/unix"
)
