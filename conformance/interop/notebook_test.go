package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/examples/mcp/notebook"
	"github.com/grantor-oauth/grantor/storage"
)

// documentURL names a client by its metadata document
// (draft-ietf-oauth-client-id-metadata-document).
const documentURL = "https://client.example.com/mcp.json"

// nativeURI is registered for the clients of the notebook. They are native, so the port that
// they listen on is theirs to choose (RFC 8252 §7.3).
const nativeURI = "http://127.0.0.1:33418/callback"

// notes is examples/mcp's server on loopback, with a user, a clock that can be put forward,
// and a memory of what clients registered.
type notes struct {
	*httptest.Server
	user   *person
	secret string // of the client "office"
	ahead  atomic.Int64

	mu         sync.Mutex
	registered []json.RawMessage
	refused    []string
}

func newNotes(t *testing.T, configure ...func(*authz.Config)) *notes {
	t.Helper()
	mux := http.NewServeMux()
	n := &notes{Server: httptest.NewServer(mux)}
	t.Cleanup(n.Close)
	db := newStore(t)
	documents := httptest.NewTLSServer(http.HandlerFunc(document))
	t.Cleanup(documents.Close)
	secret, hashed := authz.NewSecret()
	n.secret = secret
	scopes := []string{notebook.Read, notebook.Write, "offline_access"}
	app, err := notebook.New(n.URL, db, func(c *authz.Config) {
		c.Clients = []authz.Client{
			{ID: "desk", Name: "Desk", ApplicationType: "native", RedirectURIs: []string{nativeURI}, Scopes: scopes},
			{ID: "office", Name: "Office", ApplicationType: "native", RedirectURIs: []string{nativeURI}, Scopes: scopes, Secrets: []storage.Secret{hashed}},
		}
		c.HTTPClient = documents.Client() // to which client.example.com is that server
		c.Clock = func() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }
		c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
		c.Events = func(_ context.Context, e authz.Event) {
			if e.Type == authz.RequestRefused {
				n.mu.Lock()
				defer n.mu.Unlock()
				n.refused = append(n.refused, e.Reason)
			}
		}
		for _, change := range configure {
			change(c)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", app)
	mux.HandleFunc("POST /oauth2/register", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		n.mu.Lock()
		n.registered = append(n.registered, body)
		n.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		app.ServeHTTP(w, r)
	})
	if n.user, err = newPerson("ana", n.URL); err != nil {
		t.Fatal(err)
	}
	return n
}

func document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"client_id": documentURL, "client_name": "Roamer", "redirect_uris": []string{nativeURI},
		"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none", "application_type": "native",
	})
}

// refusals are the reasons for which requests were refused.
func (n *notes) refusals() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.refused)
}

// desk is for scripts what they cannot do themselves: have the user authorize, and have time
// pass.
func (n *notes) desk(t *testing.T) string {
	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		callback, asked, err := n.user.authorize(r.Context(), r.FormValue("url"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"callback": callback, "asked": asked})
	})
	mux.HandleFunc("/later", func(w http.ResponseWriter, r *http.Request) {
		by, err := time.ParseDuration(r.FormValue("by"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n.ahead.Add(int64(by))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// tell is what a script is told about the server.
func (n *notes) tell(t *testing.T) map[string]string {
	return map[string]string{"issuer": n.URL, "resource": n.URL + "/mcp", "secret": n.secret, "desk": n.desk(t)}
}
