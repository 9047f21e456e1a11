package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// versions are those of the clients, where they are pinned, or what the machine has.
func versions(ctx context.Context) (map[string]string, error) {
	found := map[string]string{}
	text, err := os.ReadFile("conformance/interop/package.json")
	if err != nil {
		return nil, fmt.Errorf("run it from the root of the repository: %w", err)
	}
	var npm struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &npm); err != nil {
		return nil, err
	}
	for name, version := range npm.Dependencies {
		found[name] = version
	}
	found["MCP conformance suite"] = npm.Dependencies["@modelcontextprotocol/conformance"]
	text, err = os.ReadFile("conformance/interop/requirements.txt")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if name, version, ok := strings.Cut(strings.TrimSpace(line), "=="); ok {
			version, _, _ = strings.Cut(version, " ")
			found[name] = version
			if strings.EqualFold(name, "authlib") {
				found["Authlib"] = version
			}
		}
	}
	for name, module := range map[string]string{"golang.org/x/oauth2": "golang.org/x/oauth2", "coreos/go-oidc": "github.com/coreos/go-oidc/v3"} {
		out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", module).Output()
		if err != nil {
			return nil, fmt.Errorf("go list -m %s: %w", module, err)
		}
		found[name] = strings.TrimSpace(string(out))
	}
	if out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", "libapache2-mod-auth-openidc").Output(); err == nil {
		found["mod_auth_openidc"] = strings.TrimSpace(string(out)) + " (Debian)"
	}
	return found, nil
}

// markdown is the matrix as a document.
func (m *matrix) markdown(at time.Time, versions map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Clients that others have written: client × flow × backend\n\n")
	fmt.Fprintf(&b, "Made on %s by `go run ./conformance/cmd/interop -out conformance/interop/MATRIX.md`, which runs the tests of\n", at.Format(time.DateOnly))
	fmt.Fprintf(&b, "`conformance/interop` on each backend. The clients are unmodified, in the versions named. ✓ passed, ✗ failed.\n\n")
	rows := slices.SortedFunc(func(yield func(row) bool) {
		for r := range m.results {
			if !yield(r) {
				return
			}
		}
	}, func(a, b row) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.client), strings.ToLower(b.client)), cmp.Compare(a.flow, b.flow))
	})
	fmt.Fprintf(&b, "| client | version | flow | %s |\n|---|---|---|%s\n", strings.Join(m.backends, " | "), strings.Repeat("---|", len(m.backends)))
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s |", r.client, versions[r.client], r.flow)
		for _, backend := range m.backends {
			verdict := m.results[r][backend]
			if verdict == "" {
				verdict = "–"
			}
			fmt.Fprintf(&b, " %s |", verdict)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
