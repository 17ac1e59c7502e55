package conf

import (
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
)

var (
	secretType   = reflect.TypeFor[Secret]()
	addrType     = reflect.TypeFor[netip.Addr]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
	durationType = reflect.TypeFor[time.Duration]()
)

// isValue tells whether a struct type is filled from a value, not a section.
func isValue(t reflect.Type) bool {
	return t == secretType || t == addrType || t == prefixType || decodes(t)
}

// set decodes the value of p into v. It returns a mistake and a hint; those never show a secret.
func (p *Pair) set(v reflect.Value, tag *tag) (msg, hint string) {
	switch v.Type() {
	case secretType:
		if p.Value == "" {
			return "is empty", ""
		}
		v.Set(reflect.ValueOf(NewSecret(p.Value)))
		return "", ""
	case addrType:
		addr, msg := parseAddr(p.Value, tag.form)
		v.Set(reflect.ValueOf(addr))
		return msg, ""
	case prefixType:
		prefix, msg := parsePrefix(p.Value, tag.form)
		v.Set(reflect.ValueOf(prefix))
		return msg, ""
	case durationType:
		d, msg := tag.duration(p.Value)
		v.SetInt(int64(d))
		return msg, ""
	}
	switch v.Kind() {
	case reflect.String:
		return p.setString(v, tag)
	case reflect.Bool:
		b, ok := parseBool(p.Value)
		if !ok {
			return fmt.Sprintf("`%s` is neither yes nor no", p.Value), ""
		}
		v.SetBool(b)
		return "", ""
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		size := v.Type().Bits()
		n, msg := tag.number(p.Value, limits{low: 1 << (size - 1), high: 1<<(size-1) - 1})
		if msg == "" {
			v.SetInt(n.signed())
		}
		return msg, ""
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, msg := tag.number(p.Value, limits{high: 1<<v.Type().Bits() - 1})
		if msg == "" {
			v.SetUint(n.size)
		}
		return msg, ""
	}
	panic("conf: a field cannot have type " + v.Type().String())
}

func (p *Pair) setString(v reflect.Value, tag *tag) (msg, hint string) {
	value := p.Value
	switch {
	case value == "" && tag.required:
		return "is empty", ""
	case tag.enum != nil:
		for _, one := range tag.enum {
			if strings.EqualFold(one, value) {
				v.SetString(one)
				return "", ""
			}
		}
		return fmt.Sprintf("`%s` is none of %s", value, strings.Join(tag.enum, ", ")), DidYouMean(value, tag.enum)
	case tag.form == "path" || tag.form == "file" || tag.form == "dir":
		if value == "" {
			return "is empty", ""
		}
		value = p.Path(value)
		if msg := checkFile(value, tag.form); msg != "" {
			return fmt.Sprintf("%s: %s", value, msg), ""
		}
	}
	v.SetString(value)
	return "", ""
}

// checkFile tells why a file, or a directory, cannot be read.
func checkFile(path, form string) string {
	if form == "path" {
		return ""
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return reason(err)
	case form == "file" && info.IsDir():
		return "is a directory"
	case form == "dir" && !info.IsDir():
		return "is not a directory"
	case !info.IsDir() && !info.Mode().IsRegular():
		return "is not a regular file"
	}
	f, err := os.Open(path)
	if err != nil {
		return reason(err)
	}
	f.Close()
	return ""
}

// parseBool reads yes, no, true, false, on and off, in upper and lower case, as FreeRADIUS does.
func parseBool(value string) (b, ok bool) {
	switch strings.ToLower(value) {
	case "yes", "true", "on":
		return true, true
	case "no", "false", "off":
		return false, true
	}
	return false, false
}

// parseAddr reads an address. As in FreeRADIUS `*` is any address: of IPv4, or with the option ipv6 of IPv6.
func parseAddr(value, family string) (netip.Addr, string) {
	if value == "*" {
		if family == "ipv6" {
			return netip.IPv6Unspecified(), ""
		}
		return netip.IPv4Unspecified(), ""
	}
	addr, err := netip.ParseAddr(value)
	if err != nil {
		return netip.Addr{}, fmt.Sprintf("`%s` is not an IP address", value)
	}
	return addr, checkFamily(addr, value, family)
}

func checkFamily(addr netip.Addr, value, family string) string {
	switch {
	case family == "ipv4" && !addr.Is4():
		return fmt.Sprintf("`%s` is not an IPv4 address", value)
	case family == "ipv6" && addr.Is4():
		return fmt.Sprintf("`%s` is not an IPv6 address", value)
	}
	return ""
}

// parsePrefix reads address/bits. An IPv4 address may lack its last bytes, an address without bits is that address alone, and
// `*` is everything. Bits behind the prefix are cleared, as FreeRADIUS does.
func parsePrefix(value, family string) (netip.Prefix, string) {
	text, bitsText, hasBits := strings.Cut(value, "/")
	wrong := fmt.Sprintf("`%s` is not a prefix", value)
	if hasBits && !strings.Contains(text, ":") && text != "" && text != "*" {
		text += strings.Repeat(".0", max(0, 3-strings.Count(text, ".")))
	}
	addr, msg := parseAddr(text, family)
	switch {
	case msg != "" && strings.HasSuffix(msg, "not an IP address"):
		return netip.Prefix{}, wrong
	case msg != "":
		return netip.Prefix{}, msg
	case addr.Zone() != "" || text == "*" && hasBits:
		return netip.Prefix{}, wrong
	case text == "*":
		return netip.PrefixFrom(addr, 0), ""
	case !hasBits:
		return netip.PrefixFrom(addr, addr.BitLen()), ""
	}
	bits, err := strconv.ParseUint(bitsText, 10, 8)
	if err != nil || len(bitsText) > 1 && bitsText[0] == '0' || bitsText[0] == '+' {
		return netip.Prefix{}, wrong
	}
	if int(bits) > addr.BitLen() {
		return netip.Prefix{}, fmt.Sprintf("`%s`: %d bits are above %d", value, bits, addr.BitLen())
	}
	return netip.PrefixFrom(addr, int(bits)).Masked(), ""
}
