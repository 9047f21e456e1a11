package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// suite is a run of MCP's conformance suite. It wants Node.js 22, which npm has as a package
// for most machines; elsewhere that on the path has to do.
func suite(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	dir, err := installed()
	if err != nil {
		skip(t, err)
	}
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	node := filepath.Join(dir, "node_modules", "node-"+runtime.GOOS+"-"+arch, "bin", "node")
	if _, err := os.Stat(node); err != nil {
		node = "node"
		version, err := exec.Command(node, "--version").Output()
		major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), ".")
		if n, _ := strconv.Atoi(major); err != nil || n < 22 {
			skip(t, fmt.Errorf("MCP's conformance suite needs Node.js 22, this is %q", version))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	program := filepath.Join(dir, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js")
	cmd := exec.CommandContext(ctx, node, append([]string{program}, args...)...)
	cmd.Dir = dir
	return cmd
}

// check is what the suite finds.
type check struct {
	ID           string `json:"id"`
	Status       string `json:"status"`
	ErrorMessage string `json:"errorMessage"`
}

func (c check) String() string { return fmt.Sprintf("%s: %s %s", c.ID, c.Status, c.ErrorMessage) }

// authorizationScenarios are those that the suite has for an authorization server.
func authorizationScenarios(t *testing.T) []string {
	t.Helper()
	out, err := suite(t, "list", "--authorization").Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(line, "  - "); ok {
			names = append(names, strings.Fields(name)[0])
		}
	}
	if len(names) < 2 {
		t.Fatalf("only %q", names)
	}
	return names
}

// found are the checks of each scenario, from the folders that the suite has made.
func found(t *testing.T, dir string, scenarios []string) map[string][]check {
	t.Helper()
	all := map[string][]check{}
	for _, s := range scenarios {
		files, err := filepath.Glob(filepath.Join(dir, "*"+s+"-*", "checks.json"))
		if err != nil || len(files) != 1 {
			t.Fatalf("the results of %s: %q, %v", s, files, err)
		}
		raw, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		var checks []check
		if err := json.Unmarshal(raw, &checks); err != nil || len(checks) == 0 {
			t.Fatalf("%s: %s, %v", files[0], raw, err)
		}
		all[s] = checks
	}
	return all
}

// authorizationServer runs all scenarios for an authorization server, with a port for the
// callback. The user does what the suite asks on its output.
func authorizationServer(t *testing.T, scenarios []string, issuer string, user *person, args ...string) map[string][]check {
	t.Helper()
	port := freePort(t)
	dir := t.TempDir()
	cmd := suite(t, append([]string{"authorization", "--url", issuer, "--port", port, "--output-dir", dir}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	request := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		t.Log(lines.Text())
		if strings.HasPrefix(lines.Text(), issuer+"/oauth2/authorize?") {
			request = lines.Text()
		}
		if request == "" || !strings.HasPrefix(lines.Text(), "Callback server started") {
			continue
		}
		callback, _, err := user.authorize(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.Get(callback)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	_ = cmd.Wait() // its results say more than its status
	return found(t, dir, scenarios)
}

// freePort is one for the suite to listen on, below those that systems give out by themselves,
// so that nobody else gets it meanwhile.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		if listener, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			listener.Close()
			return port
		}
	}
	t.Fatal("no free port between 20000 and 32000")
	return ""
}

// passed fails the test for whatever is neither a success nor a mere remark: for warnings,
// and for what was left out, too.
func passed(t *testing.T, all map[string][]check) {
	t.Helper()
	for scenario, checks := range all {
		for _, c := range checks {
			if c.Status != "SUCCESS" && c.Status != "INFO" {
				t.Errorf("%s: %s", scenario, c)
			}
		}
	}
}
