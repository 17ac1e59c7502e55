package main

import (
	"fmt"
	"os"
)

// writePID puts the number of this process into the file at path, whatever was in it, and returns what takes the file away. Without a path
// there is nothing to do.
func writePID(path string) (remove func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	if err := os.WriteFile(path, fmt.Appendln(nil, os.Getpid()), 0o644); err != nil {
		return func() {}, err
	}
	return func() { os.Remove(path) }, nil
}
