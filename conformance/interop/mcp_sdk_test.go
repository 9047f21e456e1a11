package interop_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// mcpSDKs are the two releases of MCP's SDK for JavaScript.
var mcpSDKs = map[string]string{"v1": "@modelcontextprotocol/sdk", "v2": "@modelcontextprotocol/client"}

// always gives a refresh token to every client that registered for the grant. Without it
// hosts on 1.x of the SDK that are public clients never get one: they ask for what the
// challenge names, which should not be offline_access.
func always(c *authz.Config) {
	c.IssueRefreshToken = func(*authz.Client, []string) bool { return true }
}

// MCP's SDK for JavaScript, unmodified, against examples/mcp: from the challenge (RFC 9728
// §5.1) to the metadata (RFC 9728 §3, RFC 8414 §3), by registration (RFC 7591 §3.1), by a
// metadata document and as a client that is known; PKCE, resource (RFC 8707 §2), iss (RFC 9207
// §2), refresh, and step-up (RFC 6750 §3.1).
func TestMCPSDK(t *testing.T) {
	servers := map[string][]func(*authz.Config){
		"refresh_as_registered":      {always},
		"step_up_with_refresh_token": {always},
		"disconnected":               {always},
		"dpop":                       {func(c *authz.Config) { c.DPoP = true }},
		"dpop_nonces":                {func(c *authz.Config) { c.DPoP, c.DPoPNonces = true, true }},
	}
	// Whatever else the SDK sends is taken as it is.
	refusals := map[string][]string{
		"disconnected":      {"grant_revoked"},
		"registration_gone": {"client_unknown"},
	}
	hosts := mcpHosts(t)
	encoded, err := json.Marshal(slices.Collect(maps.Values(hosts)))
	if err != nil {
		t.Fatal(err)
	}
	for name, sdk := range mcpSDKs {
		t.Run(name, func(t *testing.T) {
			env := []string{"SDK=" + sdk, "DOCUMENT=" + documentURL, "NATIVE_URI=" + nativeURI, "HOSTS=" + string(encoded)}
			cases := strings.Fields(node(t, env, "mcp_sdk.mjs", "-list"))
			if len(cases) < 11 {
				t.Fatalf("only %q", cases)
			}
			notes, told := map[string]*notes{}, map[string]map[string]string{}
			for _, c := range cases {
				notes[c] = newNotes(t, servers[c]...)
				told[c] = notes[c].tell(t)
			}
			all, err := json.Marshal(told)
			if err != nil {
				t.Fatal(err)
			}
			results := mcpResults(t, node(t, append(env, "SERVERS="+string(all)), "mcp_sdk.mjs"))
			for _, c := range cases {
				t.Run(c, func(t *testing.T) {
					if err, ran := results[c]; !ran || err != "" {
						t.Fatalf("ran: %v, %s", ran, err)
					}
					if got := notes[c].refusals(); !slices.Equal(got, refusals[c]) {
						t.Errorf("refused %q, want %q", got, refusals[c])
					}
				})
			}
			checkRegistrations(t, name, hosts, notes["hosts"].registered)
		})
	}
}

// mcpResults are what mcp_sdk.mjs says of its cases, among what the SDK says: an error, or
// nothing.
func mcpResults(t *testing.T, output string) map[string]string {
	t.Helper()
	results := map[string]string{}
	for line := range strings.Lines(output) {
		var result struct{ Case, Error string }
		if json.Unmarshal([]byte(line), &result) == nil && result.Case != "" {
			results[result.Case] = result.Error
		}
	}
	return results
}

// mcpHost is a fixture: what a host of MCP registers.
type mcpHost struct {
	Use          []string       `json:"use"`
	Registration map[string]any `json:"registration"`
}

// mcpHosts are the fixtures that authz tests registration with, by client_name.
func mcpHosts(t *testing.T) map[string]mcpHost {
	t.Helper()
	files, err := filepath.Glob("../../authz/testdata/clients/*.json")
	if err != nil || len(files) < 6 {
		t.Fatal(files, err)
	}
	hosts := map[string]mcpHost{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var h mcpHost
		if err := json.Unmarshal(raw, &h); err != nil {
			t.Fatal(err)
		}
		hosts[h.Registration["client_name"].(string)] = h
	}
	return hosts
}

// checkRegistrations compares what the SDK sends for a host with its fixture. It adds the
// scope that it is going to ask for, in place of the host's own; 2.x also says what kind of
// application it is, where the host does not.
func checkRegistrations(t *testing.T, sdk string, hosts map[string]mcpHost, sent []json.RawMessage) {
	t.Helper()
	count := 0
	for _, h := range hosts {
		count += len(h.Use)
	}
	if len(sent) != count {
		t.Errorf("%d registrations, want %d", len(sent), count)
	}
	for _, raw := range sent {
		var got map[string]any
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(hosts[got["client_name"].(string)].Registration)
		want["scope"] = "notes:read"
		if sdk == "v2" {
			want["scope"] = "notes:read offline_access"
			if want["application_type"] == nil {
				want["application_type"] = got["application_type"]
			}
			if got["application_type"] == nil {
				t.Errorf("no application_type: %s", raw)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the SDK registers %s, the fixture is %v", raw, want)
		}
	}
}
