package server_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/frio-io/frio/server"
	"github.com/frio-io/frio/talloc"
)

// places are where a key that the page names may stand, by the chapter of its row; %s is for it.
var places = map[string][]string{
	"Basic options": {"%s", inServer("%s", ""), inHome("%s"), inClient("%s"), inServer("", "%s")},
	"client":        {inClient("%s"), inServer("", "%s"), inServer("", "tls {\n%s\n}"), inServer("", "tcp {\n%s\n}"), inServer("", "limit {\n%s\n}")},
	"server":        {inHome("%s"), inHome("tls {\n%s\n}"), inHome("tcp {\n%s\n}"), inPool("%s")},
	"realm":         {"%s", "realm a {\n%s\n}", inPool("%s")},
	"tls":           {inServer("", "tls {\n%s\n}"), inHome("tls {\n%s\n}"), inClient("%s")},
	"rewrite":       {"rewrite a {\n%s\n}", inClient("%s"), inHome("%s")},
}

func inServer(own, listen string) string {
	return "server s {\nnamespace = radius\n" + own + "\nlisten NAME {\nprotocol = tls+tcp\n" + listen + "\n}\n}"
}

func inClient(key string) string { return "client a {\n" + key + "\n}" }
func inPool(key string) string   { return "home_server_pool a {\n" + key + "\n}" }

// inHome is a home_server of either form: which one a key is of says its section.
func inHome(key string) string {
	if strings.HasPrefix(key, "tcp {") {
		return "home_server a {\nprotocol = tls+tcp\n" + key + "\n}"
	}
	return "home_server a {\nproto = tls\nipaddr = 192.0.2.1\n" + key + "\n}"
}

// unknownIn returns what is unknown in a file.
func unknownIn(text string) string {
	ctx := talloc.Root("page")
	defer ctx.Free()
	if !strings.Contains(text, "server s {") {
		text = inServer("", "") + "\n" + text
	}
	_, err := server.LoadString(ctx, "page.conf", text+"\n", server.Options{})
	if err == nil {
		return ""
	}
	var found []string
	for _, line := range strings.Split(err.Error(), "\n") {
		if strings.Contains(line, "unknown ") {
			found = append(found, line)
		}
	}
	return strings.Join(found, "\n")
}

// written makes lines of a configuration of what the page writes in backquotes: `limit { a, b = c }`.
func written(fragment string) string {
	head, body, inner := strings.Cut(fragment, "{")
	if inner {
		return head + "{\n" + written(strings.TrimSuffix(strings.TrimSpace(body), "}")) + "\n}"
	}
	var lines []string
	for _, key := range strings.Split(fragment, ",") {
		if key = strings.TrimSpace(key); key != "" && !strings.Contains(key, "=") {
			key += " = 1"
		}
		lines = append(lines, key)
	}
	return strings.Join(lines, "\n")
}

// Each key that a row of the page has for an option is one that is read, where the row says.
func TestEveryKeyOfThePage(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `[A-Za-z]+[A-Za-z0-9]*` \\| (.*?) \\|")
	fragments := regexp.MustCompile("`([^`]+)`")
	count := 0
	for _, part := range strings.Split(read(t, "../docs/from-radsecproxy.md"), "\n## ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		where := places[title]
		for _, m := range row.FindAllStringSubmatch(body, -1) {
			if where == nil {
				continue
			}
			there, _, _ := strings.Cut(m[1], " without `") // what follows is not to be written
			for _, f := range fragments.FindAllStringSubmatch(there, -1) {
				fragment := f[1]
				if strings.HasPrefix(fragment, "frio ") || strings.HasPrefix(fragment, "$") || strings.HasPrefix(fragment, "realm ") {
					continue
				}
				count++
				first := ""
				for _, place := range where {
					text := fmt.Sprintf(place, written(fragment))
					if strings.HasPrefix(fragment, "listen ") {
						text = "server s {\nnamespace = radius\n" + written(fragment) + "\n}"
					}
					bad := unknownIn(text)
					if bad == "" {
						first = ""
						break
					}
					if first == "" {
						first = bad
					}
				}
				if first != "" {
					t.Errorf("chapter %s: `%s`: %s", title, fragment, first)
				}
			}
		}
	}
	if count < 60 {
		t.Errorf("%d keys only", count)
	}
	for title, list := range places {
		for _, place := range list {
			if unknownIn(fmt.Sprintf(place, "no_such_key = 1")) == "" {
				t.Errorf("chapter %s: no_such_key is known in\n%s", title, place)
			}
		}
	}
}
