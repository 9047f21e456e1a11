package faults

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

// The clients that every [Host] knows, one of a kind each. All are in the store.
const (
	Web     = "web"     // confidential
	SPA     = "spa"     // public, in a browser
	First   = "first"   // confidential, the host's own: its users are not asked
	Service = "service" // confidential, without users
	API     = "api"     // a resource server, which may introspect everything
)

// SecretOf is a client's secret, "" if it has none. It has the form of a generated one and
// follows from the name, so that several processes agree on it.
func SecretOf(client string) string {
	if client == SPA {
		return ""
	}
	sum := sha256.Sum256([]byte("faults: the secret of " + client))
	return "gcs_" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// redirectOf is where a client gets its answers.
func redirectOf(client string) string { return "https://" + client + ".example/callback" }

// userHeader says who is signed in: the host's session, as short as it can be.
const userHeader = "Faults-User"

const tagHeader = "Faults-Tag"

// TagOf is the tag of the browser that a request came from.
func TagOf(r *http.Request) string { return r.Header.Get(tagHeader) }

// Host is an application with the server mounted, at a listener of its own.
type Host struct {
	*Site
	AS     *authz.Server
	server *httptest.Server
}

// Open starts a host on a store. The functions may change the configuration before the
// server is made; what they set as Login is asked instead of the header.
func Open(store storage.Store, configure ...func(*authz.Config)) (*Host, error) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // panics that are part of the experiment
	config := authz.Config{
		Issuer: server.URL, Storage: store, Logger: slog.New(slog.DiscardHandler),
		Scopes: authz.Scopes{"read": "Read things", "write": "Change things", "offline_access": "Stay connected"},
		Login:  SignedIn,
	}
	for _, f := range configure {
		f(&config)
	}
	as, err := authz.New(config)
	if err != nil {
		server.Close()
		return nil, err
	}
	handlers.Mount(mux, as)
	mux.Handle("/api", handlers.Protect(as, "read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, handlers.TokenFrom(r.Context()).Subject)
	})))
	mountAccount(mux, as)
	return &Host{Site: NewSite(server.URL), AS: as, server: server}, nil
}

// Close stops the listener, after what is under way, and hangs up.
func (h *Host) Close() {
	h.Site.Close()
	h.server.Close()
}

// SignedIn is the Login hook of a [Host]: it believes the header.
func SignedIn(r *http.Request) (*authz.User, error) {
	user := r.Header.Get(userHeader)
	if user == "" {
		return nil, authz.RedirectToLogin("/login")
	}
	return &authz.User{Subject: user}, nil
}

// Clients are the records of the clients.
func Clients() []authz.Client {
	scopes := []string{"read", "write", "offline_access"}
	clients := []authz.Client{
		{ID: Web, RedirectURIs: []string{redirectOf(Web)}, Scopes: scopes},
		{ID: SPA, RedirectURIs: []string{redirectOf(SPA)}, Scopes: scopes},
		{ID: First, FirstParty: true, RedirectURIs: []string{redirectOf(First)}, Scopes: scopes},
		{ID: Service, GrantTypes: []string{"client_credentials"}, Scopes: scopes},
		{ID: API, ResourceServer: true, Scopes: scopes},
	}
	for i := range clients {
		if secret := SecretOf(clients[i].ID); secret != "" {
			clients[i].Secrets = []storage.Secret{authz.HashSecret(secret)}
		}
	}
	return clients
}

// mountAccount puts on the mux what a host offers its users: their connections, and the
// buttons that end them.
func mountAccount(mux *http.ServeMux, as *authz.Server) {
	handle := func(path string, act func(r *http.Request) (any, error)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					http.Error(w, "broken", http.StatusInternalServerError)
				}
			}()
			answer, err := act(r)
			if err != nil {
				w.Header().Set("Retry-After", "5")
				http.Error(w, "try again", http.StatusServiceUnavailable)
				return
			}
			json.NewEncoder(w).Encode(answer)
		})
	}
	handle("/account/end", func(r *http.Request) (any, error) {
		return nil, as.RevokeUser(r.Context(), r.Header.Get(userHeader))
	})
	handle("/account/disconnect", func(r *http.Request) (any, error) {
		return nil, as.Disconnect(r.Context(), r.Header.Get(userHeader), r.FormValue("client"))
	})
	handle("/account/end-grant", func(r *http.Request) (any, error) {
		return nil, as.RevokeGrant(r.Context(), r.FormValue("grant"))
	})
	handle("/account/register", func(r *http.Request) (any, error) {
		return nil, as.RegisterClient(r.Context(), authz.Client{ID: r.FormValue("client"), GrantTypes: []string{"client_credentials"},
			Scopes: []string{"read"}, Secrets: []storage.Secret{authz.HashSecret(SecretOf(r.FormValue("client")))}})
	})
	handle("/account/consents", func(r *http.Request) (any, error) {
		consents, err := as.Consents(r.Context(), r.Header.Get(userHeader), "", 100)
		names := []string{}
		for _, c := range consents {
			names = append(names, c.ClientID)
		}
		return names, err
	})
}
