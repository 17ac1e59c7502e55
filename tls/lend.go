package tls

import (
	"bytes"
	ctls "crypto/tls"
	"reflect"
	"unsafe"
)

// crypto/tls reads each record into a buffer that grows to the longest record seen and stays: up to 21 KiB of an idle
// connection. It has no way to take that back, so the memory is lent to it for the time of one record, through the
// fields that hold it. They are looked up by name and type; where they are not as expected, crypto/tls keeps buffers of
// its own, and all that is lost is memory.
var (
	rawInputAt, hasRawInput = offsetOf[bytes.Buffer]("rawInput") // the record, from its header on
	inputAt, hasInput       = offsetOf[bytes.Reader]("input")    // its data, within rawInput
	handAt, hasHand         = offsetOf[bytes.Buffer]("hand")     // handshake messages

	canLend = hasRawInput && hasInput && hasHand
)

// offsetOf finds a field of tls.Conn.
func offsetOf[T any](name string) (offset uintptr, ok bool) {
	f, ok := reflect.TypeFor[ctls.Conn]().FieldByName(name)
	if !ok || f.Type != reflect.TypeFor[T]() {
		return 0, false
	}
	return f.Offset, true
}

func fieldAt[T any](c *ctls.Conn, offset uintptr) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(c), offset))
}

// lend gives c the bytes of one record, as if it had read them. It has no other input, and may use all of record's memory until
// takeBack.
func lend(c *ctls.Conn, record []byte) {
	*fieldAt[bytes.Buffer](c, rawInputAt) = *bytes.NewBuffer(record)
}

// takeBack makes c forget the memory of records and handshake messages that it has used up; false if it has not.
func takeBack(c *ctls.Conn) bool {
	raw, input, hand := fieldAt[bytes.Buffer](c, rawInputAt), fieldAt[bytes.Reader](c, inputAt), fieldAt[bytes.Buffer](c, handAt)
	if hand.Len() == 0 && hand.Cap() > 0 {
		*hand = bytes.Buffer{}
	}
	if raw.Len() > 0 || input.Len() > 0 {
		return false
	}
	*raw, *input = bytes.Buffer{}, bytes.Reader{}
	return true
}
