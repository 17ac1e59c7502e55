package main

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

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

// reloading is what the manager is told when a reload begins. It wants to know when, to tell the READY=1 behind it from one before
// (systemd.service(5), Type=notify-reload).
func reloading() string {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return "RELOADING=1"
	}
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", time.Duration(now.Nano()).Microseconds())
}
