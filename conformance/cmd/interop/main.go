// Command interop runs the tests of package interop, which are the clients that others have
// written, on each backend, and makes the matrix of them: client × flow × backend.
//
//	go run ./conformance/cmd/interop -out conformance/interop/MATRIX.md
//
// It takes what those tests take: Node, Chromium, Apache, Python, PostgreSQL. What is not
// installed stands in the matrix as not run.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func run() error {
	backends := flag.String("backends", "bolt,memory,postgres", "on which")
	out := flag.String("out", "", "write the matrix to this file; empty for the terminal")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	m := matrix{backends: strings.Split(*backends, ","), results: map[row]map[string]string{}}
	failed := 0
	for _, backend := range m.backends {
		n, err := m.test(ctx, backend)
		if err != nil {
			return err
		}
		failed += n
	}
	versions, err := versions(ctx)
	if err != nil {
		return err
	}
	text := m.markdown(time.Now(), versions)
	if *out == "" {
		fmt.Print(text)
	} else if err := os.WriteFile(*out, []byte(text), 0o644); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d flows failed", failed)
	}
	return nil
}

// row is a client and a flow.
type row struct{ client, flow string }

type matrix struct {
	backends []string
	results  map[row]map[string]string // by backend
}

// event is a line of go test -json.
type event struct{ Action, Test, Output string }

// test runs the tests on a backend, and counts the flows that failed.
func (m *matrix) test(ctx context.Context, backend string) (failed int, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "./conformance/interop", "-backend", backend)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	var all []event
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil { // what the linker says, say
			fmt.Fprintln(os.Stderr, lines.Text())
			continue
		}
		if e.Action == "fail" {
			fmt.Fprintf(os.Stderr, "%s: %s fails\n", backend, e.Test)
		}
		all = append(all, e)
	}
	_, _ = io.Copy(io.Discard, stdout)
	err = cmd.Wait()
	ended := 0
	for _, e := range all {
		verdict := map[string]string{"pass": "✓", "fail": "✗", "skip": "not run"}[e.Action]
		if verdict == "" || e.Test == "" || !leaf(all, e.Test) {
			continue
		}
		ended++
		if verdict == "✗" {
			failed++
		}
		one := rowOf(e.Test)
		if m.results[one] == nil {
			m.results[one] = map[string]string{}
		}
		m.results[one][backend] = verdict
	}
	if ended == 0 {
		return 0, fmt.Errorf("no test has run on %s: %w", backend, err)
	}
	return failed, nil
}

// leaf tells whether a test has none below it.
func leaf(all []event, name string) bool {
	return !slices.ContainsFunc(all, func(e event) bool { return strings.HasPrefix(e.Test, name+"/") })
}

// clients are the clients behind the tests, by the test's name; where a test has several, by the
// name of the subtest, which says which.
var clients = map[string]string{
	"TestAuthlib":                             "Authlib",
	"TestGoDevice":                            "golang.org/x/oauth2",
	"TestGoAuthorizationCode":                 "golang.org/x/oauth2",
	"TestGoErrors":                            "golang.org/x/oauth2",
	"TestGoClientCredentials":                 "golang.org/x/oauth2",
	"TestGoOIDC":                              "coreos/go-oidc",
	"TestGoOIDC_refuses":                      "coreos/go-oidc",
	"TestGoOIDC_silent":                       "coreos/go-oidc",
	"TestGoOIDC_rotation":                     "coreos/go-oidc",
	"TestMCPConformance_authorization_server": "MCP conformance suite",
	"TestMCPConformance_suite_leaves_the_secret_out": "MCP conformance suite",
	"TestMCPConformance_guarded_server":              "MCP conformance suite",
	"TestMCPSDK/v1":                                  "@modelcontextprotocol/sdk",
	"TestMCPSDK/v2":                                  "@modelcontextprotocol/client",
	"TestModAuthOpenIDC":                             "mod_auth_openidc",
	"TestOIDCClientTS":                               "oidc-client-ts",
	"TestOIDCClientTS_openID":                        "oidc-client-ts",
	"TestJavaScript/oauth4webapi":                    "oauth4webapi",
	"TestJavaScript/openid_client":                   "openid-client",
	"TestJavaScriptBackchannel/oauth4webapi":         "oauth4webapi",
	"TestJavaScriptBackchannel/openid_client":        "openid-client",
	"TestJavaScriptEncrypted/oauth4webapi":           "oauth4webapi",
	"TestJavaScriptEncrypted/openid_client":          "openid-client",
	"TestJavaScriptOpenID/oauth4webapi":              "oauth4webapi",
	"TestJavaScriptOpenID/openid_client":             "openid-client",
	"TestJavaScriptSigned/oauth4webapi":              "oauth4webapi",
	"TestJavaScriptSigned/openid_client":             "openid-client",
}

// rowOf is what a test is in the matrix.
func rowOf(test string) row {
	name, flow, below := strings.Cut(test, "/")
	client := clients[name]
	if client == "" {
		for prefix, which := range clients {
			if strings.HasPrefix(test, prefix) {
				client = which
			}
		}
	}
	if client == "" {
		client = "(" + name + ")"
	}
	if about := strings.TrimPrefix(strings.TrimPrefix(name, "Test"), "JavaScript"); !below {
		flow = about
	} else {
		flow = strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(flow, "oauth4webapi"), "openid_client"), "_/")
		if i := strings.IndexByte(about, '_'); i >= 0 {
			flow = about[i+1:] + ": " + flow
		}
	}
	return row{client, strings.ReplaceAll(strings.ReplaceAll(flow, "_", " "), "/", ", ")}
}
