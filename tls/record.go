package tls

import "errors"

const (
	headerLen = 5
	// recordMax is the longest record there may be: 2^14 bytes, and 2048 for the cipher (RFC 5246, Section 6.2.3).
	recordMax = headerLen + 1<<14 + 2048

	typeAlert     = 21
	typeHandshake = 22

	alertUnexpectedMessage = 10
	alertRecordOverflow    = 22
)

var (
	errPlainText    = errors.New("the peer does not speak TLS: its first byte begins no record (RFC 8446, Section 5.1)")
	errOldVersion   = errors.New("the first record is of no TLS version (RFC 8446, Section 5.1)")
	errHandshakeMax = errors.New("a handshake of more than 128 KiB from the peer, our limit")
	errTooLong      = errors.New("a record is longer than 2^14+2048 bytes (RFC 5246, Section 6.2.3)")
)

// cut returns the length of the record at the head of b, 0 while it is not whole. first says that no record came before:
// then it must look like the beginning of a handshake, which is known from the first byte on. With errTooLong, n is the
// length of the header.
func cut(b []byte, first bool) (n int, err error) {
	if first {
		switch {
		case len(b) > 0 && b[0] != typeHandshake && b[0] != typeAlert:
			return 0, errPlainText
		case len(b) > 1 && b[1] != 3:
			return 0, errOldVersion
		}
	}
	if len(b) < headerLen {
		return 0, nil
	}
	n = headerLen + int(b[3])<<8 + int(b[4])
	switch {
	case n > recordMax:
		return headerLen, errTooLong
	case n > len(b):
		return 0, nil
	}
	return n, nil
}

// plainAlert is a fatal alert of before the first handshake message, when there are no keys and no version
// (RFC 8446, Section 5.1: then the version is that of TLS 1.0).
func plainAlert(description byte) []byte {
	return []byte{typeAlert, 3, 1, 0, 2, 2, description}
}
