// Package haproxy is the layer haproxy: the PROXY protocol, versions 1 and 2, by which a proxy in front tells on whose behalf it
// connects. It stands on any stream: haproxy+tcp, haproxy+unix, tls+haproxy+tcp. The protocol is specified in
// doc/proxy-protocol.txt of HAProxy; sections given in comments are of that text.
//
//	listen radsec {
//		protocol = haproxy+tcp
//		tcp {
//			ipaddr = *
//			port = 2083
//		}
//		haproxy {
//			trusted {                           # required: the senders whose headers count
//				allow = 192.0.2.0/24
//			}
//			networks {                          # of the real peers; default everybody
//				allow = 198.51.100.0/24
//			}
//			max_connections_per_source = 16     # of the real peers; default unlimited
//		}
//		limit {
//			header_timeout = 10s                # from the accept to the header's last byte; default 10 s, or never
//		}
//	}
//
// A connection from outside of trusted is closed unread. Of the others, one whose header is wrong, late or cut off, or whose
// real peer is refused, fails before the upper saw a byte; why is the error of its next call, and counted (Counts). networks
// and max_connections_per_source of the layer look at the address that the header gives, or at the socket's where it gives none
// (LOCAL, UNKNOWN); the ones of the base method look at the socket's. A peer without an address (a Unix socket's, over which the
// header says LOCAL) is denied where networks allows somebody by name. Above a Unix socket its mode, owner and peercred say who is
// trusted: `trusted { }` must be there all the same, and empty.
//
// After the header LocalAddr, RemoteAddr and Describe give the real addresses, SocketAddr the socket's. The address of a Unix
// socket that a header gives shows in Describe and Header only. first_byte_timeout is kept by the layer as well, for the
// first byte after the header.
//
//	home_server behind {
//		protocol = haproxy+tcp
//		tcp { ... }
//		haproxy {
//			version = 2                         # or 1; default 2
//			source = 198.51.100.7:40112         # default none: LOCAL, in version 1 UNKNOWN
//			destination = 192.0.2.1:2083        # both or neither
//		}
//	}
//
// A relay gives the addresses of each connection by AddrSetter, before Connect.
//
// No byte behind the header is ever taken from the lower: each read asks for as many bytes as the header must still have, at least.
// So nothing is left over to keep, and once the header is through, all calls and callbacks go straight to the lower.
package haproxy
