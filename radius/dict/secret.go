package dict

import (
	"strings"

	"github.com/frio-io/frio/radius"
)

// isSecret reports whether a value is shown by its length only: passwords and keys, hidden on the wire or not, what is computed from
// them, and what lets its reader go on in somebody's session.
func isSecret(id radius.ID, name string) bool {
	if radius.IsHidden(id.Vendor, id.Type) {
		return true
	}
	if id.Vendor == 0 {
		switch radius.Type(id.Type) {
		case radius.CHAPPassword, radius.CHAPChallenge, radius.State, radius.EAPMessage, radius.MessageAuthenticator,
			radius.ARAPPassword, 71, 73, radius.ARAPSecurityData, radius.ARAPChallengeResp, 102, 143:
			return true
		case 103, 106, 121: // Digest-Response, Digest-Response-Auth, Digest-HA1
			return true
		}
		return false
	}
	if id.Vendor == radius.Microsoft && (id.Type <= 6 || id.Type >= 10 && id.Type <= 12 || id.Type >= 19 && id.Type <= 20 || id.Type >= 25 && id.Type <= 27) {
		return true
	}
	return isKeyName(name)
}

// isKeyName reports whether a name speaks of a key.
func isKeyName(name string) bool {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, "key") || strings.HasSuffix(name, "keys") {
		return true
	}
	for _, word := range []string{"passw", "secret", "psk", "passphrase", "credential", "token", "session-key"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// isPair reports whether the values of an attribute are themselves names and values, as those of Cisco-AVPair.
func isPair(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "avpair") || strings.HasSuffix(name, "av-pair") || strings.HasSuffix(name, "-avp")
}
