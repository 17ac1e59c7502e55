package gateway

import (
	"net/netip"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/frio-io/frio"
	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
	"github.com/frio-io/frio/talloc"
	"github.com/frio-io/frio/tls/cert"
)

// Config is what the sections client, clients, home_server, home_server_pool, realm, rewrite and proxy of a file say. It does
// not change after ParseConfig, so all threads read it.
type Config struct {
	Clients map[string]*ClientList // by the name of `clients NAME { }`; "" are the global ones
	Homes   []*Home                // in order of the file
	Pools   []*HomePool
	Realms  *Realms
	Notes   conf.Errors // keys without effect, and warnings

	rewrites []*rewrite      // in order of the file
	nas      map[any]*Client // by netip.Addr, or by the string of NAS-Identifier: those that have a coa_server

	// DefaultFallback is default_fallback of `proxy { }`: where no home server of a realm's pool lives, realm DEFAULT is asked.
	DefaultFallback bool
}

// Proto is a set of the ways that a client's packets come.
type Proto uint8

const (
	ProtoUDP  Proto = 1 << iota // udp
	ProtoTCP                    // tcp, and unix
	ProtoTLS                    // tls over any stream
	ProtoDTLS                   // tls over datagrams
	ProtoAny  = ProtoUDP | ProtoTCP | ProtoTLS | ProtoDTLS
)

// Demand is yes, no or auto.
type Demand uint8

const (
	DemandAuto Demand = iota
	DemandYes
	DemandNo
)

// Secret is a shared secret. Equal secrets of one Config are one *Secret, so that threads keep hash states by its address.
// It prints as <hidden>.
type Secret struct{ conf.Secret }

// Client is one `client NAME { }`: where requests come from.
type Client struct {
	Name        string
	At          conf.Pos
	Prefixes    []netip.Prefix // ipaddr, ipv4addr, ipv6addr; none with Everywhere
	Everywhere  bool           // it has no address: its certificate tells it
	Proto       Proto          // proto; `*` is ProtoAny
	Secret      *Secret        // "radsec" for tls, "radius/dtls" for dtls where the file gives none (RFC 6614, 7360)
	OwnSecret   bool           // Secret is from the file, and not one of those two, which everybody knows
	DTLSSecret  *Secret        // the same, of packets over DTLS where the file gives none and proto has both; else Secret
	Certificate *cert.Match    // certificate { }; nil without

	RequireMessageAuthenticator Demand // auto: from the first packet that has one on, it is required
	LimitProxyState             Demand // auto: Access-Requests with Proxy-State and without Message-Authenticator are refused once one with it was seen

	VisCountry, VisInst string // fticks_viscountry, fticks_visinst: in its lines of F-Ticks; no country: it has none. VisInst's default is Name

	In, Out *radius.Rewrite // rewrite_in, rewrite_out
	AddTTL  uint8           // add_ttl: 0 none
	// UserName is rewrite_user_name: what User-Name becomes on its way out; replies get the client's own back. nil: none.
	UserName *radius.Modify

	CoAServer string    // coa_server, a home_server or home_server_pool; "" none
	CoAPool   *HomePool // what that names
	NAS       NASNames  // nas_ip_address..., for CoA: which NAS it is; the addresses of Prefixes that are single ones
	Limit     ConnLimit // limit { }: max_connections, lifetime and idle_timeout
	// ResponseWindow is response_window: at most so long is waited for a home server's reply to this client; 0: as the home server says.
	ResponseWindow time.Duration
	Dedup          time.Duration // cleanup_delay, default 5 s: how long replies are kept for duplicates

	state *ClientState // what is known of it, from Gateway.Load on
}

// NASNames tell which NAS a client is (RFC 5176, Section 3).
type NASNames struct {
	Addrs      []netip.Addr
	Identifier string // nas_identifier, default the client's shortname, else its name
}

// ConnLimit is `limit { }` of a client or home_server. Zero is unlimited, or never.
type ConnLimit struct {
	MaxConnections int           // max_connections: all threads together; default 16 for home_servers, as FreeRADIUS, else unlimited
	MaxRequests    int           // max_requests of one connection in its life
	Lifetime       time.Duration // lifetime
	IdleTimeout    time.Duration // idle_timeout
	Start, Min     int           // home_server only: start, min: connections of a thread that has used it
	OpenDelay      time.Duration // open_delay: how long the need for one more must last
	CloseDelay     time.Duration // close_delay: how long one more than needed lives
	Connecting     int           // connecting: at most so many on their way
}

// HomeType says what a home server takes.
type HomeType uint8

const (
	HomeAuth HomeType = 1 << iota
	HomeAcct
	HomeCoA
)

// StatusCheck says how a home server is watched.
type StatusCheck uint8

const (
	CheckAuto    StatusCheck = iota // Status-Server while it does not answer; requests let through, one at a time, where it never answered one
	CheckNone                       // revive_interval only
	CheckStatus                     // status-server: always
	CheckRequest                    // request: an Access- or Accounting-Request with username and password
)

// Home is one `home_server NAME { }`: where requests go.
type Home struct {
	Name     string
	At       conf.Pos
	Type     HomeType
	Stack    string  // "tls+tcp"
	IO       frio.IO // as parsed, never connected: each connection is a Copy of it (frio.Copier)
	AcctIO   frio.IO // of Accounting, where that has a port of its own (type auth+acct over udp and tcp: port + 1); else nil
	Datagram bool    // of UDP or DTLS
	Secure   bool    // TLS or DTLS
	Secret   *Secret
	Text     string // stands for its section, to know after a reload whether it is the same; it tells nothing of what is in it

	RequireMessageAuthenticator Demand // of its replies to Access-Request

	ResponseWindow    time.Duration // default 3 s
	ZombiePeriod      time.Duration // default 10 s
	ReviveInterval    time.Duration // 0: not given
	StatusCheck       StatusCheck
	CheckInterval     time.Duration // default 10 s
	CheckTimeout      time.Duration // default 2 s
	NumAnswersToAlive int           // default 3
	CheckUser         string        // username
	CheckPassword     *Secret       // password
	MaxOutstanding    int           // max_outstanding, default 65536; 0 unlimited
	Limit             ConnLimit
	Retransmit        Retransmit // of a request that came over a stream, to a home server over datagrams

	In, Out *radius.Rewrite // rewrite_in: what its replies go through; rewrite_out: what goes to it
	AddTTL  uint8           // add_ttl: 0 none
	// LoopPrevention is loop_prevention: requests of a client of this name do not go here; auto: as the server says.
	LoopPrevention Demand

	memory []*talloc.Context // of IO and AcctIO
	state  *homeState        // what is known of it, from Gateway.Load on
}

// Retransmit are the times of RFC 5080, Section 2.2.1: irt, mrt, mrc, mrd.
type Retransmit struct {
	Initial  time.Duration // irt, default 2 s
	Max      time.Duration // mrt, default 16 s
	Count    int           // mrc, default 5; 0 unlimited
	Duration time.Duration // mrd, default 30 s
}

// Balance is the type of a pool.
type Balance uint8

const (
	FailOver          Balance = iota // fail-over: the first that lives
	LoadBalance                      // load-balance: the one with the fewest requests under way
	ClientBalance                    // client-balance: by the client's address
	ClientPortBalance                // client-port-balance: by address and port
	KeyedBalance                     // keyed-balance: by Calling-Station-Id, or what key says
)

// HomePool is one `home_server_pool NAME { }`.
type HomePool struct {
	Name         string
	At           conf.Pos
	Balance      Balance
	Homes        []*Home // in order; of type coa only in coa pools
	Key          string  // key of keyed-balance: an attribute's name; default Calling-Station-Id
	Fallback     Fallback
	FallbackHome *Home // fallback = NAME: asked when no other lives

	key radius.ID // of Key, from Gateway.Load on
	// down: none lives, and that was said: at their main ports, and at those of accounting if split.
	down  [2]atomic.Bool
	split bool // some have a port of its own for accounting; from Gateway.Load on
}

// Fallback is what a client gets when no home server of a pool lives.
type Fallback uint8

const (
	FallbackDefault Fallback = iota // reject for Access-Request, silence for Accounting-Request
	FallbackReject
	FallbackDrop
)

// Realm is one `realm NAME { }`.
type Realm struct {
	Name               string
	At                 conf.Pos
	Pattern            *regexp.Regexp // of `realm "~regex"`: matched against the whole User-Name, upper and lower case alike, as radsecproxy does
	Auth               *HomePool
	Acct               *HomePool
	CoA                *HomePool
	Strip              bool   // strip = yes
	Local              bool   // no pool at all and no reject_message: FreeRADIUS's LOCAL: rejected, as there is nobody here
	RejectMessage      string // reject_message: Access-Requests get Access-Reject with this Reply-Message
	Reject             bool   // there is no pool for Access-Request: it is rejected
	AccountingResponse bool   // accounting_response = yes: answered here
	AccountingLog      bool   // accounting_log = yes: a line each
}

// Realms finds the realm of a user name: Find.
type Realms struct {
	Delimiters string            // where the realm begins, default "@": the last one in the name
	Exact      map[string]*Realm // by lower-case name
	Patterns   []*Realm          // in order of the file
	Null       *Realm            // of names without realm; nil: Default
	Default    *Realm            // nil: none, rejected
	All        []*Realm          // in order of the file
}
