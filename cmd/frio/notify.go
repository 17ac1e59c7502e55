package main

import "net"

// notify tells the service manager how the program stands, over the datagram socket that it gave (sd_notify(3)). Without one it
// does nothing. A path that begins with @ is an abstract name.
func notify(path, state string) error {
	if path == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte(state))
	return err
}
