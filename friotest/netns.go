package friotest

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// namespaceEnv is set, to the test's name, in the process that InNamespace starts.
const namespaceEnv = "FRIO_TEST_NAMESPACE"

// InNamespace runs the test t again in a process of its own, as root of a user and a network namespace that have
// nothing but what setup makes there, and returns false: the caller returns at once. In that process it returns true.
// setup is given to sh -e: "ip link set lo up; ip address add 192.0.2.1/24 dev lo". The test fails if it fails there.
// Where namespaces are not allowed the test is skipped, or fails if FRIO_REQUIRE is "all".
func InNamespace(t *testing.T, setup string) bool {
	t.Helper()
	if os.Getenv(namespaceEnv) == t.Name() {
		return true
	}
	unshare := []string{"--user", "--net", "--map-root-user"}
	if out, err := exec.Command("unshare", append(unshare, "true")...).CombinedOutput(); err != nil {
		Skip(t, "unshare --user --net --map-root-user: "+err.Error()+": "+strings.TrimSpace(string(out)))
		return false
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(unshare, "sh", "-e", "-c", setup+"\nexec \"$0\" \"$@\"", binary,
		"-test.run="+exactly(t.Name()), "-test.v", "-test.count=1", "-test.timeout=60s")
	cmd := exec.CommandContext(t.Context(), "unshare", args...)
	// With -race a process sleeps for a second before it ends, unless told otherwise.
	cmd.Env = append(os.Environ(), namespaceEnv+"="+t.Name(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	out, err := cmd.CombinedOutput()
	switch text := string(out); {
	case err != nil:
		t.Fatalf("in the namespace: %v\n%s", err, text)
	case strings.Contains(text, "--- SKIP: "+t.Name()):
		Skip(t, "in the namespace:\n"+text)
	case !strings.Contains(text, "--- PASS: "+t.Name()):
		t.Fatalf("the test did not run in the namespace:\n%s", text)
	}
	return false
}

// exactly is the -test.run that fits one test and no other.
func exactly(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = "^" + regexp.QuoteMeta(parts[i]) + "$"
	}
	return strings.Join(parts, "/")
}
