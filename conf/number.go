package conf

import (
	"context"
	"fmt"
	"math"
	"net"
	"os/user"
	"strconv"
	"strings"
	"time"
)

// number is a whole number from -2^63 to 2^64-1.
type number struct {
	negative bool
	size     uint64
}

func (n number) signed() int64 {
	if n.negative {
		return -int64(n.size)
	}
	return int64(n.size)
}

func (n number) less(m number) bool {
	switch {
	case n.negative != m.negative:
		return n.negative
	case n.negative:
		return n.size > m.size
	}
	return n.size < m.size
}

func (n number) String() string {
	if n.negative {
		return "-" + strconv.FormatUint(n.size, 10)
	}
	return strconv.FormatUint(n.size, 10)
}

// limits is the range of a Go type: from -low to high.
type limits struct{ low, high uint64 }

// number reads a value of an integer field.
func (t *tag) number(value string, of limits) (n number, msg string) {
	switch t.form {
	case "port":
		n, msg = parsePort(value, t.network)
	case "mode":
		n, msg = parseMode(value)
	case "user", "group":
		n, msg = lookupID(value, t.form)
	default:
		if word, msg := t.word(value); msg != "" || word {
			return number{}, msg
		}
		if t.form == "size" {
			n, msg = parseSize(value)
		} else {
			n, msg = parseNumber(value)
		}
	}
	if msg != "" {
		return n, msg
	}
	low, lowText := number{of.low > 0, of.low}, ""
	high, highText := number{false, of.high}, ""
	if t.min != "" {
		low, lowText = t.limit(t.min), t.min
	}
	if t.max != "" {
		high, highText = t.limit(t.max), t.max
	}
	return n, outOfRange(value, n.less(low), high.less(n), orNumber(lowText, low), orNumber(highText, high))
}

// limit reads the number of a min or max in a tag.
func (t *tag) limit(text string) (n number) {
	msg := "not for this field"
	switch t.form {
	case "size":
		n, msg = parseSize(text)
	case "mode":
		n, msg = parseMode(text)
	case "", "port":
		n, msg = parseNumber(text)
	}
	if msg != "" {
		panic("conf: tag of " + t.name + ": " + text + ": " + msg)
	}
	return n
}

func orNumber(text string, n number) string {
	if text != "" {
		return text
	}
	return n.String()
}

func outOfRange(value string, below, above bool, low, high string) string {
	switch {
	case below:
		return fmt.Sprintf("%s is below %s", value, low)
	case above:
		return fmt.Sprintf("%s is above %s", value, high)
	}
	return ""
}

// word reads `never` and `unlimited`, which are 0. Where the word is possible a bare 0 is not, so that nobody takes it for
// "at once" or "none".
func (t *tag) word(value string) (isWord bool, msg string) {
	if t.zero && isZero(value) {
		return true, ""
	}
	for _, w := range []struct {
		word string
		on   bool
	}{{"never", t.never}, {"unlimited", t.unlimited}} {
		switch {
		case value == w.word && w.on:
			return true, ""
		case value == w.word:
			return false, w.word + " is not possible here"
		case w.on && isZero(value):
			return false, "0 is not possible here: write " + w.word
		}
	}
	return false, ""
}

// isZero tells whether value is 0, whatever its unit.
func isZero(value string) bool {
	digits := strings.TrimRight(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	return digits != "" && strings.Trim(digits, "0.") == "" && strings.ContainsRune(digits, '0')
}

// parseNumber reads a decimal number, or 0x and a hexadecimal one. C takes a leading zero for octal, people do not:
// that is an error.
func parseNumber(value string) (n number, msg string) {
	digits, negative := strings.CutPrefix(value, "-")
	base := 10
	if hex, ok := strings.CutPrefix(strings.ToLower(digits), "0x"); ok {
		digits, base = hex, 16
	}
	if digits == "" || !alphanumeric(digits) {
		return n, fmt.Sprintf("`%s` is not a whole number", value)
	}
	if base == 10 && len(digits) > 1 && digits[0] == '0' && alphanumeric(digits) {
		return n, fmt.Sprintf("`%s`: a number cannot begin with 0", value)
	}
	size, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		if err.(*strconv.NumError).Err == strconv.ErrRange {
			return n, value + " is too large"
		}
		return n, fmt.Sprintf("`%s` is not a whole number", value)
	}
	if negative && size > 1<<63 {
		return n, value + " is too small"
	}
	return number{negative && size > 0, size}, ""
}

// alphanumeric keeps away what strconv would take: signs and underscores.
func alphanumeric(text string) bool {
	for _, c := range []byte(text) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return true
}

// sizeShift are the powers of 1024 that a unit means.
var sizeShift = map[string]uint{"": 0, "k": 10, "m": 20, "g": 30, "t": 40}

// parseSize reads a number of bytes: 1500, 64k, 1M, 2GiB. k, M, G and T are powers of 1024, with or without i and B, in
// upper and lower case.
func parseSize(value string) (n number, msg string) {
	wrong := fmt.Sprintf("`%s` is not a size (1500, 64k, 1M, 2G)", value)
	i := 0
	for i < len(value) && value[i] >= '0' && value[i] <= '9' {
		i++
	}
	unit := strings.TrimSuffix(strings.ToLower(value[i:]), "b")
	if len(unit) == 2 {
		unit = strings.TrimSuffix(unit, "i")
	}
	shift, ok := sizeShift[unit]
	if i == 0 || !ok {
		return n, wrong
	}
	size, err := strconv.ParseUint(value[:i], 10, 64)
	if err != nil || size > math.MaxUint64>>shift {
		return n, value + " is too large"
	}
	return number{false, size << shift}, ""
}

// parsePort reads a port, or the name of a service in /etc/services. Nothing is asked on a network.
func parsePort(value, network string) (n number, msg string) {
	if value != "" && value[0] >= '0' && value[0] <= '9' || strings.HasPrefix(value, "-") {
		if n, msg = parseNumber(value); msg == "" {
			msg = outOfRange(value, n.negative, n.size > math.MaxUint16, "0", "65535")
		}
		return n, msg
	}
	networks := []string{network}
	if network == "" {
		networks = []string{"tcp", "udp"}
	}
	resolver := net.Resolver{PreferGo: true}
	for _, network := range networks {
		if port, err := resolver.LookupPort(context.Background(), network, value); err == nil && value != "" {
			return number{false, uint64(port)}, ""
		}
	}
	return n, fmt.Sprintf("`%s` is neither a port nor a service name", value)
}

// parseMode reads the permissions of a file in octal, as chmod does: 660, 0660.
func parseMode(value string) (n number, msg string) {
	size, err := strconv.ParseUint(value, 8, 32)
	if err != nil || value[0] == '+' {
		return n, fmt.Sprintf("`%s` is not an octal file mode", value)
	}
	if size > 0o777 {
		return n, value + " is above 0777"
	}
	return number{false, size}, ""
}

// lookupID reads a user or group: a number, or a name that the system knows.
func lookupID(value, form string) (n number, msg string) {
	id := value
	if value == "" || value[0] < '0' || value[0] > '9' {
		if form == "user" {
			if found, err := user.Lookup(value); err == nil {
				id = found.Uid
			}
		} else if found, err := user.LookupGroup(value); err == nil {
			id = found.Gid
		}
	}
	n, msg = parseNumber(id)
	if msg != "" || n.negative {
		return n, fmt.Sprintf("no %s `%s`", form, value)
	}
	return n, outOfRange(value, false, n.size >= math.MaxUint32, "", strconv.FormatUint(math.MaxUint32-1, 10))
}

// durationUnits are what a number of a duration may be followed by; without any it is seconds.
var durationUnits = map[string]time.Duration{
	"us": time.Microsecond, "ms": time.Millisecond, "": time.Second, "s": time.Second, "m": time.Minute,
	"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

// duration reads a value of a time.Duration field.
func (t *tag) duration(value string) (d time.Duration, msg string) {
	if word, msg := t.word(value); msg != "" || word {
		return 0, msg
	}
	if d, msg = parseDuration(value); msg != "" {
		return 0, msg
	}
	low, high := t.durationLimit(t.min, 0), t.durationLimit(t.max, math.MaxInt64)
	return d, outOfRange(value, d < low, d > high, orNumber(t.min, number{}), t.max)
}

func (t *tag) durationLimit(text string, otherwise time.Duration) time.Duration {
	if text == "" {
		return otherwise
	}
	d, msg := parseDuration(text)
	if msg != "" {
		panic("conf: tag of " + t.name + ": " + msg)
	}
	return d
}

// parseDuration reads a number, with a fraction or not, and one unit: 30, 0.5, 500ms, 2m, 1h, 1d, 1w. It is exact to a
// nanosecond.
func parseDuration(value string) (time.Duration, string) {
	wrong := fmt.Sprintf("`%s` is not a duration (30, 0.5, 500ms, 2m, 1h, 1d)", value)
	rest, negative := strings.CutPrefix(value, "-")
	i := strings.IndexFunc(rest, func(c rune) bool { return c != '.' && (c < '0' || c > '9') })
	if i < 0 {
		i = len(rest)
	}
	unit, ok := durationUnits[rest[i:]]
	whole, fraction, point := strings.Cut(rest[:i], ".")
	if !ok || whole == "" || point && fraction == "" || strings.Contains(fraction, ".") {
		return 0, wrong
	}
	n, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || n > math.MaxInt64/uint64(unit) {
		return 0, value + " is too large"
	}
	d := time.Duration(n) * unit
	for scale := unit; fraction != ""; fraction = fraction[1:] {
		scale /= 10
		d += time.Duration(fraction[0]-'0') * scale
	}
	switch {
	case d < 0:
		return 0, value + " is too large"
	case negative:
		d = -d
	}
	return d, ""
}
