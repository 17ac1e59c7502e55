package radius

// Type is the type of a standard attribute.
type Type uint8

// The attributes that this package, or what stands on it, knows by name.
const (
	UserName             Type = 1
	UserPassword         Type = 2
	CHAPPassword         Type = 3
	NASIPAddress         Type = 4
	NASPort              Type = 5
	ServiceType          Type = 6
	FramedIPAddress      Type = 8
	ReplyMessage         Type = 18
	State                Type = 24
	Class                Type = 25
	VendorSpecific       Type = 26
	SessionTimeout       Type = 27
	CalledStationID      Type = 30
	CallingStationID     Type = 31
	NASIdentifier        Type = 32
	ProxyState           Type = 33
	AcctStatusType       Type = 40
	AcctDelayTime        Type = 41
	AcctInputOctets      Type = 42
	AcctOutputOctets     Type = 43
	AcctSessionID        Type = 44
	AcctSessionTime      Type = 46
	EventTimestamp       Type = 55
	CHAPChallenge        Type = 60
	NASPortType          Type = 61
	TunnelType           Type = 64
	TunnelMediumType     Type = 65
	TunnelPassword       Type = 69
	ARAPPassword         Type = 70
	ARAPSecurityData     Type = 74
	EAPMessage           Type = 79
	MessageAuthenticator Type = 80
	TunnelPrivateGroupID Type = 81
	ARAPChallengeResp    Type = 84
	NASPortID            Type = 87
	ChargeableUserID     Type = 89
	NASIPv6Address       Type = 95
	ErrorCause           Type = 101
	OperatorName         Type = 126
	OriginalPacketCode   Type = 242
)

// Microsoft is the vendor of the MS-CHAP and MPPE attributes (RFC 2548).
const Microsoft = 311

// Values of Error-Cause (RFC 5176, Section 3.5).
const (
	CauseInvalidRequest       = 404
	CauseNASMismatch          = 403
	CauseMissingAttribute     = 402
	CauseUnsupportedService   = 405
	CauseAdministrative       = 501
	CauseNotRoutable          = 502
	CauseSessionNotFound      = 503
	CauseResourcesUnavailable = 506
)
