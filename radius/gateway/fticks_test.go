package gateway

import (
	"strings"
	"testing"

	"github.com/frio-io/frio/conf"
	"github.com/frio-io/frio/radius"
)

// parseTicks reads the inside of fticks { }, which begins at line 2.
func parseTicks(t *testing.T, text string) (*FTicksConfig, string) {
	t.Helper()
	root, err := conf.ParseString("f.conf", "fticks {\n"+text+"\n}\n", conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, errs := ParseFTicks(root.TakeSections("fticks")[0])
	return f, append(errs, root.Unknown()...).Sorted().Error()
}

// The digests are those of sha256sum, and of openssl dgst -sha256 -hmac fticks-key, of 020000abcd0f.
func TestFTicksLine(t *testing.T) {
	const (
		station = "02-00-00-aB-cd-0F;eduroam"
		plain   = "6aa49cdfeed502244228f3403daae1beadd84fe9d2f30f61b00c2cb9e079ed7d"
		keyed   = "73d4cc3a50cf5a42d0b2d184d8f96e7ed137ff0992ac2e8de8b85f354b16ef5e"
		key     = "\nkey = fticks-key"
	)
	tests := []struct{ name, text, user, station, want string }{
		{"default", key, "u@a.example", station, "REALM=a.example#VISCOUNTRY=CH#CSI=02-00-00-" + keyed[:54] + "#RESULT=OK#"},
		{"vendor-key-hashed", "mac = vendor-key-hashed" + key, "u@a@b.example", station, "REALM=b.example#VISCOUNTRY=CH#CSI=02-00-00-" + keyed[:54] + "#RESULT=OK#"},
		{"vendor-hashed", "mac = vendor-hashed", "u@b.example", station, "REALM=b.example#VISCOUNTRY=CH#CSI=02-00-00-" + plain[:54] + "#RESULT=OK#"},
		{"fully-key-hashed", "mac = fully-key-hashed" + key, "u@b.example", station, "REALM=b.example#VISCOUNTRY=CH#CSI=" + keyed + "#RESULT=OK#"},
		{"fully-hashed", "mac = fully-hashed", "u@b.example", station, "REALM=b.example#VISCOUNTRY=CH#CSI=" + plain + "#RESULT=OK#"},
		{"radsecproxy's word", "mac = FullyHashed", "u@b.example", station, "REALM=b.example#VISCOUNTRY=CH#CSI=" + plain + "#RESULT=OK#"},
		{"original", "mac = original", "u@b.example", station, "REALM=b.example#VISCOUNTRY=CH#CSI=" + station + "#RESULT=OK#"},
		{"static", "mac = static", "u@b.example", station, "REALM=b.example#VISCOUNTRY=CH#CSI=undisclosed#RESULT=OK#"},
		{"full", "reporting = full\nmac = static", "u", station, "REALM=#VISCOUNTRY=CH#VISINST=uni#CSI=undisclosed#RESULT=OK#"},
		{"no station", key, "u@b.example", "", "REALM=b.example#VISCOUNTRY=CH#CSI=#RESULT=OK#"},
		{"short station", "mac = original", "", "02", "REALM=#VISCOUNTRY=CH#CSI=02#RESULT=OK#"},
		{"what would end a field", "mac = original", "u@a#RESULT=OK#\nb", "1#2\x00 3\xff", "REALM=aRESULT=OKb#VISCOUNTRY=CH#CSI=123#RESULT=OK#"},
		{"prefix", "mac = static\nprefix = F-TICKS/test/1.0", "u@b.example", station, "F-TICKS/test/1.0#REALM=b.example#VISCOUNTRY=CH#CSI=undisclosed#RESULT=OK#"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, mistakes := parseTicks(t, tt.text)
			if mistakes != "" {
				t.Fatal(mistakes)
			}
			want := tt.want
			if !strings.HasPrefix(want, "F-TICKS") {
				want = "F-TICKS/eduroam/1.0#" + want
			}
			if got := f.line([]byte(tt.user), []byte(tt.station), "CH", "uni", "OK"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestFTicksWrong(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "f.conf:1:1: fticks: key is missing: mac = vendor-key-hashed hashes with one"},
		{"mac = static\nkey = marked", "f.conf:3:7: key: has no effect with mac = static"},
		{"mac = fully-key-hashed\nkey = \"\"", "f.conf:3:7: key: is empty"},
		{"mac = hashed\nreporting = some\nprefix = \"a b\"\ncolour = 1\nkey = marked",
			"f.conf:2:7: mac: `hashed` is none of vendor-key-hashed, vendor-hashed, fully-key-hashed, fully-hashed, original, static\n" +
				"f.conf:3:13: reporting: `some` is none of basic, full\n" +
				"f.conf:4:10: prefix: `a b` has a space, a # or a control character: it would end a field\n" +
				"f.conf:5:1: unknown key `colour`"},
	}
	for _, tt := range tests {
		if _, got := parseTicks(t, tt.text); got != tt.want {
			t.Errorf("%q: got\n%s\nwant\n%s", tt.text, got, tt.want)
		}
	}
}

// A line is written for each Access-Request of a client with a country that was accepted or rejected, until SetLog says otherwise.
func TestFTicksOfRequests(t *testing.T) {
	country := strings.Replace(udpListen, "secret =", "fticks_viscountry = CH\nsecret =", 1)
	for _, tt := range []struct {
		name, listen string
		want         []string
	}{
		{"with a country", country, []string{"F#REALM=a.example#VISCOUNTRY=CH#VISINST=nas#CSI=#RESULT=OK#"}},
		{"without", udpListen, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.listen+homeText(0, "acct_port = 1812\n")+poolText)
			w.home(0)
			var got []string
			w.gateway.SetLog(Log{FTicks: &FTicks{Prefix: "F", Full: true, Stations: Stations{MAC: MACOriginal}, Write: func(line string) { got = append(got, line) }}})
			nas := w.udp(w.nas, nasAddr+":1000", nil)
			ask := func(request []byte) {
				nas.send(gatewayAddr+":1812", request)
				nas.receive()
			}
			ask(access(1, "u@a.example", "p"))
			ask(accounting(2, "u@a.example"))
			w.gateway.SetLog(Log{Requests: true, UserName: UserRealm})
			ask(access(3, "someone@b.example", "p"))
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			w.gateway.SetLog(Log{Requests: true, Stations: &Stations{MAC: MACVendorKeyHashed, Key: &Secret{conf.NewSecret("fticks-key")}}})
			ask(buildCode(radius.AccessRequest, 4, func(b *radius.Builder) { b.AddString(radius.CallingStationID, "02-00-00-AB-CD-0F") }))
			if w.logged("station=02-00-00-73d4cc3a50cf5a42d0b2d184d8f96e7ed137ff0992ac2e8de8b85f ") != 1 {
				t.Error("no station in the line of a request")
			}
			if w.logged("user=@b.example") != 1 || w.logged("user=@a.example") != 0 || w.logged("user=someone") != 0 {
				t.Error("the lines of requests are not as SetLog says")
			}
		})
	}
}
