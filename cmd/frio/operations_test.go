package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What cannot be opened beside the listens ends the start with an error that names it.
func TestRunOperationsFail(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := shortDir(t)
	for _, tt := range []struct{ section, want string }{
		{fmt.Sprintf("metrics {\nlisten = %v\n}\n", l.Addr()), fmt.Sprintf("frio: metrics: listen tcp %v: bind: address already in use\n", l.Addr())},
		{"control {\nfilename = " + dir + "/no/control\n}\n", "frio: control: "},
		{"log {\ndestination = " + dir + "/no/log\n}\n", "frio: log: open " + dir + "/no/log: no such file or directory\n"},
	} {
		file := filepath.Join(dir, "frio.conf")
		if err := os.WriteFile(file, []byte(tt.section+echoConf("tcp", 0)), 0o600); err != nil {
			t.Fatal(err)
		}
		p := start(t, "run", file)
		p.exits(1)
		if got := p.err.String(); !strings.Contains(got, tt.want) || p.out.String() != "" {
			t.Errorf("standard error %q, want %q; standard output %q", got, tt.want, p.out)
		}
	}
}

// The log goes to its file in JSON, to the one that is there after SIGHUP, and nothing is lost at the end.
func TestRunLogFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	p := runFile(t, "log {\nformat = json\nlevel = debug\ndestination = "+path+"\n}\n"+echoConf("tcp", freePort(t)))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	// Two signals that wait come in any order.
	for end := time.Now().Add(patience); time.Now().Before(end); runtime.Gosched() {
		if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), "reloaded") {
			break
		}
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		var one struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		found = append(found, one.Msg)
	}
	if all := strings.Join(found, " "); !strings.Contains(all, "reloaded") || !strings.Contains(all, "stops") {
		t.Errorf("the file has the lines %q", found)
	}
	if got := p.err.String(); got != "" {
		t.Errorf("standard error has %q", got)
	}
}

// The program goes on, and ends in order, when nobody is left to read its log.
func TestRunLogReaderGoes(t *testing.T) {
	for _, flags := range [][]string{nil, {"-X"}} {
		t.Run(fmt.Sprint(flags), func(t *testing.T) {
			file, first, second := filepath.Join(t.TempDir(), "frio.conf"), freePort(t), freePort(t)
			writeFile(t, file, echoConf("tcp", first))
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd := itself(nil, append(append([]string{"run"}, flags...), file)...)
			cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `exec "$0" "$@" 2>&3 3>&-`}, cmd.Args...)
			cmd.ExtraFiles = []*os.File{write}
			p := startCommand(t, patience, cmd)
			write.Close()
			p.ready()
			read.Close()
			writeFile(t, file, echoConf("tcp", second))
			p.signal(syscall.SIGHUP)
			for end := time.Now().Add(patience); !listens("tcp", fmt.Sprintf("127.0.0.1:%d", second)); runtime.Gosched() {
				if time.Now().After(end) {
					t.Fatal("it did not reload")
				}
			}
			p.signal(syscall.SIGTERM)
			p.exits(0)
		})
	}
}

// What is wrong with a file at SIGHUP is in the log, wherever that goes, as what a good one has to note.
func TestRunReloadMistakesInLog(t *testing.T) {
	dir := t.TempDir()
	file, path := filepath.Join(dir, "frio.conf"), filepath.Join(dir, "log")
	text := "log {\nformat = json\ndestination = " + path + "\n}\n" + echoConf("tcp", freePort(t))
	writeFile(t, file, text)
	p := start(t, "run", file)
	p.ready()
	// again has the file read again, and waits for the line that ends that.
	again := func(text, until string) (lines []string) {
		t.Helper()
		writeFile(t, file, text)
		p.signal(syscall.SIGHUP)
		for end := time.Now().Add(patience); time.Now().Before(end); runtime.Gosched() {
			if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), until) {
				return strings.Split(strings.TrimSpace(string(data)), "\n")
			}
		}
		t.Fatalf("the log does not say %s", until)
		return nil
	}
	found := 0
	for _, line := range again(text+"one = 1\ntwo = 2\n", "configuration before goes on") {
		var one struct{ Level, Error string }
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if one.Level == "ERROR" && (strings.HasPrefix(one.Error, file+":15:1: ") || strings.HasPrefix(one.Error, file+":16:1: ")) {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 mistakes are in the log", found)
	}
	again(text+"realm x {\nvirtual_server = y\n}\nserver g {\nnamespace = radius\nlisten u {\n"+listenText("udp", "", freePort(t))+
		"}\n}\nclient a {\nipaddr = 127.0.0.1\nsecret = "+testSecret+"\n}\n", "note: virtual_server")
	p.signal(syscall.SIGTERM)
	p.exits(0)
	if got := p.err.String(); got != "" {
		t.Errorf("standard error has %q", got)
	}
}
