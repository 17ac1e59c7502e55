package radius

import (
	"hash/maphash"
	"testing"
)

var seed = maphash.MakeSeed()

// Essence is the same for what hops change, and another for all else.
func TestEssence(t *testing.T) {
	essence := func(code Code, in string) uint64 { return parse(t, packet(code, unhex(t, in)...)).Essence(seed) }
	const user, key = "010361", "1a1800000137 0a03aa 100f 0102030405060708090a0b0c0d"
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"Proxy-State", user + "2103aa", "2103bb" + user + "2103cc", true},
		{"Message-Authenticator", user, "5012" + "00112233445566778899aabbccddeeff" + user, true},
		{"User-Password", user + "0212" + "00112233445566778899aabbccddeeff", user + "0212" + "ff112233445566778899aabbccddeeff", true},
		{"MPPE key", user + key, user + "1a1800000137 0a03aa 100f 0d02030405060708090a0b0c0d", true},
		{"beside an MPPE key", user + key, user + "1a1800000137 0a03bb 100f 0102030405060708090a0b0c0d", false},
		{"User-Name", user, "010362", false},
		{"CHAP-Password", user + "0303aa", user + "0303bb", false},
		{"another vendor", user + "1a0900000009 0103aa", user + "1a0900000009 0103ab", false},
		{"a list that is none", user + "1a0900000137 1009aa", user + "1a0900000137 1009ab", false},
		{"short", user + "1a0400ff", user + "1a0400fe", false},
	} {
		if same := essence(AccessRequest, c.a) == essence(AccessRequest, c.b); same != c.same {
			t.Errorf("%s: same %v", c.name, same)
		}
	}
	if essence(AccessRequest, user) == essence(AccountingRequest, user) {
		t.Error("two codes have one essence")
	}
}
