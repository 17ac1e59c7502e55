package gateway_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// raddbKey is a key or section that stands in a file of FreeRADIUS, also commented out.
type raddbKey struct {
	path string // the sections it is in: "home_server tls"
	line string // "port = 2083"
}

// raddbKeys finds those in the sections that people bring along.
func raddbKeys(text string) (keys []raddbKey) {
	head := regexp.MustCompile(`^([a-z_]+)(?:\s+[^\s{]+)?\s*\{$`)
	pair := regexp.MustCompile(`^[a-z][a-z0-9_]*\s*=\s*[^\s=(].*$`)
	outer := regexp.MustCompile(`^(client|home_server|home_server_pool|realm)\s+[^\s{]+\s*\{$`)
	var in []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "# \t"))
		line, _, _ = strings.Cut(line, " #")
		line, _, _ = strings.Cut(line, "\t#")
		line = strings.TrimSpace(line)
		switch m := head.FindStringSubmatch(line); {
		case len(in) == 0 && outer.MatchString(line), len(in) > 0 && m != nil:
			in = append(in, m[1])
		case len(in) == 0:
		case line == "}":
			in = in[:len(in)-1]
		case pair.MatchString(line), line == "nostrip":
			keys = append(keys, raddbKey{strings.Join(in, " "), line})
		}
	}
	return keys
}

// around is a configuration with the key at its place.
func (k raddbKey) around() string {
	const home = "home_server a {\nipaddr = 192.0.2.1\nsecret = s\n"
	body, path := regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(k.line, "x")+"\n", strings.Fields(k.path)
	for i := len(path) - 1; i > 0; i-- {
		body = path[i] + " {\n" + body + "}\n"
	}
	switch path[0] {
	case "client":
		return "client a {\nsecret = s\nipaddr = 192.0.2.1\n" + body + "}\n"
	case "home_server_pool":
		return home + "}\nhome_server_pool a {\n" + body + "}\n"
	case "realm":
		return "realm a {\n" + body + "}\n"
	}
	if strings.Contains(k.path, " tls") {
		body = "proto = tls\n" + body
	}
	return home + body + "}\n"
}

// Every key that Debian's files have in a client, home_server, home_server_pool or realm, those that are commented out too, is known here:
// honoured, noted, or refused with a reason.
func TestKeysOfDebianFiles(t *testing.T) {
	sites, err := filepath.Glob(filepath.Join(raddb, "sites-available", "*"))
	if err != nil {
		t.Fatal(err)
	}
	seen, count := map[raddbKey]bool{}, map[string]int{}
	for _, path := range append(sites, filepath.Join(raddb, "clients.conf"), filepath.Join(raddb, "proxy.conf")) {
		text, err := os.ReadFile(path)
		if err != nil {
			skipRaddb(t)
		}
		for _, k := range raddbKeys(string(text)) {
			if seen[k] {
				continue
			}
			seen[k] = true
			count[strings.Fields(k.path)[0]]++
			if _, mistakes, _ := parse(t, k.around()); strings.Contains(mistakes, "unknown") {
				t.Errorf("%s, %s: `%s`: %s", filepath.Base(path), k.path, k.line, mistakes)
			}
		}
	}
	for kind, least := range map[string]int{"client": 20, "home_server": 40, "home_server_pool": 5, "realm": 5} {
		if count[kind] < least {
			t.Errorf("only %d keys of a %s were found", count[kind], kind)
		}
	}
	// What is not known is found.
	if _, mistakes, _ := parse(t, raddbKey{"client limit", "max_conections = 3"}.around()); !strings.Contains(mistakes, "unknown") {
		t.Errorf("a misspelt key: %s", mistakes)
	}
}
