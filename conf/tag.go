package conf

import (
	"reflect"
	"strings"
)

// tag is a field's `conf:"name,option,..."`.
type tag struct {
	name     string
	required bool
	never    bool // the word is possible, and a bare 0 is not
	unlimited,
	zero bool // a bare 0 is possible all the same, also below min
	form     string // how the value is written, of forms; "" for what the type says
	enum     []string
	network  string // of a port: tcp, udp
	min, max string
}

// forms are the options that change how a value is read.
var forms = map[string]bool{
	"size": true, "port": true, "mode": true, "user": true, "group": true, "file": true, "dir": true, "path": true,
	"ipv4": true, "ipv6": true,
}

func parseTag(in reflect.Type, field, text string) *tag {
	name, rest, _ := strings.Cut(text, ",")
	t := &tag{name: name}
	wrong := func(option string) {
		panic("conf: field " + in.String() + "." + field + ": tag option " + option + " makes no sense")
	}
	if name == "" {
		wrong("without a name")
	}
	for rest != "" {
		var option string
		option, rest, _ = strings.Cut(rest, ",")
		key, value, hasValue := strings.Cut(option, "=")
		switch {
		case key == "required" && !hasValue:
			t.required = true
		case key == "never" && !hasValue:
			t.never = true
		case key == "unlimited" && !hasValue:
			t.unlimited = true
		case key == "zero" && !hasValue:
			t.zero = true
		case key == "min" && hasValue:
			t.min = value
		case key == "max" && hasValue:
			t.max = value
		case key == "enum" && hasValue:
			t.enum = strings.Split(value, "|")
		case key == "port" && (value == "tcp" || value == "udp"):
			t.form, t.network = key, value
		case forms[key] && !hasValue && t.form == "":
			t.form = key
		default:
			wrong(option)
		}
	}
	return t
}
