package interop_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

// newDesk is a host whose user, ana, is asked on a phone.
func newDesk(t *testing.T) *host {
	var mu sync.Mutex
	var last string
	var secrets []storage.Secret
	h := newHost(t, func(c *authz.Config) {
		c.Scopes = maps.Clone(c.Scopes)
		c.Scopes["openid"] = "Who you are"
		c.BackchannelAuthentication = &authz.BackchannelAuthentication{
			FindUser: func(_ context.Context, req *authz.BackchannelAuthenticationRequest) (string, error) {
				if req.LoginHint != "ana" {
					return "", authz.ErrUnknownUser
				}
				return "ana", nil
			},
			Prompt: func(_ context.Context, req *authz.BackchannelAuthenticationRequest) error {
				mu.Lock()
				defer mu.Unlock()
				last = req.ID
				return nil
			},
		}
		secrets = c.Clients[0].Secrets
		c.Clients = append(c.Clients, authz.Client{
			ID: "desk", Scopes: []string{"openid", "read"}, Secrets: secrets,
			GrantTypes: []string{"urn:openid:params:grant-type:ciba", "refresh_token"},
		})
	})
	mux := h.Config.Handler.(*http.ServeMux)
	mux.HandleFunc("POST /phone", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked, err := h.as.PendingBackchannelAuthentication(r.Context(), last)
		if err == nil && asked.BindingMessage != "W4SCT" {
			t.Errorf("%+v", asked)
		}
		if err == nil {
			err = h.as.CompleteBackchannelAuthentication(r.Context(), &authz.BackchannelAnswer{
				ID: last, User: &authz.User{Subject: "ana", AuthTime: time.Now(), ACR: "phone"},
				Approve: r.FormValue("decision") == "yes", Scopes: []string{"read"},
			})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /keys", func(w http.ResponseWriter, r *http.Request) {
		keys, err := io.ReadAll(r.Body)
		if err == nil {
			err = h.as.RegisterClient(r.Context(), authz.Client{
				ID: "signing-desk", Scopes: []string{"openid", "read"}, Secrets: secrets, JWKS: string(keys),
				GrantTypes: []string{"urn:openid:params:grant-type:ciba"}, BackchannelAuthenticationRequestSigningAlg: "ES256",
			})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return h
}

// openid-client and oauth4webapi as a desk that has a user asked on a phone (OpenID Connect
// CIBA Core), with signed requests as well.
func TestJavaScriptBackchannel(t *testing.T) {
	h := newDesk(t)
	for _, name := range strings.Fields(node(t, h.env(), "backchannel.mjs", "-list")) {
		t.Run(name, func(t *testing.T) { node(t, h.env(), "backchannel.mjs", name) })
	}
}
