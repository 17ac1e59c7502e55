package main

// freeradiusConf is a whole configuration of FreeRADIUS 3: every method of authentication that the tests use, a listener for each
// transport, and a file for each port where accounting and questions after its health are written. Words in capitals are filled in by startFreeradius.
const freeradiusConf = `
prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = RADDB
logdir = RADDB
run_dir = RADDB
name = freeradius
max_request_time = 30
cleanup_delay = 2
max_requests = 4096
proxy_requests = no
log {
	destination = stdout
	auth = yes
}
security {
	allow_core_dumps = no
	max_attributes = 200
	reject_delay = 0
	status_server = yes
}
thread pool {
	start_servers = 2
	max_servers = 4
	min_spare_servers = 1
	max_spare_servers = 4
	max_requests_per_server = 0
}
modules {
	pap {
	}
	chap {
	}
	mschap {
	}
	files {
		usersfile = RADDB/users
	}
	detail {
		filename = RADDB/accounting.%{Packet-Dst-Port}
	}
	detail status {
		filename = RADDB/status.%{Packet-Dst-Port}
	}
	eap {
		default_eap_type = md5
		timer_expire = 60
		max_sessions = 1024
		md5 {
		}
		mschapv2 {
		}
		tls-config common {
			private_key_file = CERTS/server.key
			certificate_file = CERTS/server.pem
			ca_file = CERTS/ca.pem
			fragment_size = 300
			tls_min_version = "1.2"
			tls_max_version = "1.2"
			cache {
				enable = no
			}
		}
		tls {
			tls = common
		}
		ttls {
			tls = common
			default_eap_type = md5
			virtual_server = inner
		}
		peap {
			tls = common
			default_eap_type = mschapv2
			virtual_server = inner
		}
	}
}
client udp {
	ipaddr = 127.0.0.1
	proto = udp
	secret = SECRET
}
client tcp {
	ipaddr = 127.0.0.1
	proto = tcp
	secret = SECRET
	limit {
		max_connections = 64
		lifetime = 0
		idle_timeout = 0
	}
}
clients radsec {
	client tls {
		ipaddr = 127.0.0.1
		proto = tls
		secret = RADSEC
		limit {
			max_connections = 64
			lifetime = 0
			idle_timeout = 0
		}
	}
}
server outer {
	listen {
		type = auth
		ipaddr = 127.0.0.1
		port = UDP_AUTH
	}
	listen {
		type = acct
		ipaddr = 127.0.0.1
		port = UDP_ACCT
	}
	listen {
		type = auth
		proto = tcp
		ipaddr = 127.0.0.1
		port = TCP_AUTH
		limit {
			max_connections = 64
			lifetime = 0
			idle_timeout = 0
		}
	}
	listen {
		type = acct
		proto = tcp
		ipaddr = 127.0.0.1
		port = TCP_ACCT
		limit {
			max_connections = 64
			lifetime = 0
			idle_timeout = 0
		}
	}
	listen {
		type = auth+acct
		proto = tcp
		ipaddr = 127.0.0.1
		port = TLS_PORT
		clients = radsec
		limit {
			max_connections = 64
			lifetime = 0
			idle_timeout = 0
		}
		tls {
			private_key_file = CERTS/server.key
			certificate_file = CERTS/server.pem
			ca_file = CERTS/ca.pem
			fragment_size = 8192
			tls_min_version = "1.2"
			tls_max_version = "1.3"
			require_client_cert = yes
			cache {
				enable = no
			}
		}
	}
	authorize {
		chap
		mschap
		eap {
			ok = return
		}
		files
		pap
		Autz-Type Status-Server {
			status
		}
	}
	authenticate {
		Auth-Type PAP {
			pap
		}
		Auth-Type CHAP {
			chap
		}
		Auth-Type MS-CHAP {
			mschap
		}
		eap
	}
	post-auth {
		update reply {
			Reply-Message = "MESSAGE"
			Tunnel-Type:1 = VLAN
			Tunnel-Password:1 = "TUNNEL"
		}
	}
	accounting {
		detail
	}
}
server inner {
	authorize {
		chap
		mschap
		eap {
			ok = return
		}
		files
		pap
	}
	authenticate {
		Auth-Type PAP {
			pap
		}
		Auth-Type CHAP {
			chap
		}
		Auth-Type MS-CHAP {
			mschap
		}
		eap
	}
}
`
