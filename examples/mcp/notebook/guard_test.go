package notebook_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/examples/mcp/notebook"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// A token that may only read adds nothing, however the call is put.
func TestGuard(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	secret, hashed := authz.NewSecret()
	app, err := notebook.New(server.URL, memory.New(), func(c *authz.Config) {
		c.Clients = []authz.Client{{
			ID: "robot", Secrets: []storage.Secret{hashed}, GrantTypes: []string{"client_credentials"}, Scopes: []string{notebook.Read, notebook.Write},
		}}
	})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", app)
	token := func(scope string) string {
		answer, err := http.PostForm(server.URL+"/oauth2/token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {"robot"}, "client_secret": {secret}, "scope": {scope},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var got struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.AccessToken == "" {
			t.Fatalf("%s, %v", answer.Status, err)
		}
		return got.AccessToken
	}
	say := func(token, message string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/mcp", strings.NewReader(message))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		r.Header.Set("MCP-Protocol-Version", "2025-03-26") // the last to have batches
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	const add = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note","arguments":{"text":"milk"}}}`
	const list = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_notes"}}`
	reader, writer := token(notebook.Read), token(notebook.Read+" "+notebook.Write)
	for name, message := range map[string]string{
		"plainly":                add,
		"in_a_batch":             "[" + add + "]",
		"before_something_else":  add + " {}",
		"with_another_method":    strings.Replace(add, `,"params"`, `,"Method":"tools/list","params"`, 1),
		"with_other_parameters":  strings.TrimSuffix(add, "}") + `,"Params":{"name":"list_notes"}}`,
		"with_another_name":      strings.Replace(add, `"arguments"`, `"Name":"list_notes","arguments"`, 1),
		"with_a_repeated_member": strings.Replace(add, `"arguments"`, `"name":"list_notes","arguments"`, 1),
	} {
		status, answer := say(reader, message)
		if name == "plainly" && status != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if _, notes := say(reader, list); !strings.Contains(notes, `"notes":[]`) {
			t.Fatalf("%s: %d %s, and now there is %s", name, status, answer, notes)
		}
	}
	// The same message is good with a token that may write.
	if status, answer := say(writer, "["+add+"]"); status != http.StatusOK || !strings.Contains(answer, "milk") {
		t.Errorf("%d %s", status, answer)
	}
}
