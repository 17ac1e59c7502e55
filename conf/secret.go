package conf

import (
	"fmt"
	"log/slog"
)

const hidden = "<hidden>"

// Secret is a string that prints as <hidden> in every format. The value is behind a pointer, so that it stays
// out of sight where a printer does not ask for methods, as with unexported fields and the verb %p.
type Secret struct{ value *string }

// NewSecret returns a Secret that holds value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the value; "" of the zero Secret.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String returns <hidden>.
func (s Secret) String() string { return hidden }

// GoString returns <hidden>.
func (s Secret) GoString() string { return hidden }

// Format prints <hidden> for every verb.
func (s Secret) Format(f fmt.State, verb rune) { fmt.Fprint(f, hidden) }

// MarshalText returns <hidden>; JSON and XML use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns <hidden>.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

var (
	_ fmt.Formatter  = Secret{}
	_ slog.LogValuer = Secret{}
)
