package handlers_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

const ciba = "urn:openid:params:grant-type:ciba"

// withPhone has the host ask ana on a phone, and notes the handle of what she is asked.
func withPhone(handle *string) func(*authz.Config) {
	return func(c *authz.Config) {
		c.Scopes["openid"] = "Know who you are"
		c.BackchannelAuthentication = &authz.BackchannelAuthentication{
			FindUser: func(_ context.Context, req *authz.BackchannelAuthenticationRequest) (string, error) {
				if req.LoginHint != "ana" {
					return "", authz.ErrUnknownUser
				}
				return "ana", nil
			},
			Prompt: func(_ context.Context, req *authz.BackchannelAuthenticationRequest) error {
				*handle = req.ID
				return nil
			},
		}
		c.Clients = append(c.Clients, authz.Client{
			ID: "desk", Secrets: []storage.Secret{hashedSecret}, Scopes: []string{"openid", "read"}, GrantTypes: []string{ciba},
		})
	}
}

func deskAuthorization() []string {
	r, _ := http.NewRequest(http.MethodGet, "https://a.example", nil)
	r.SetBasicAuth("desk", url.QueryEscape(secret))
	return []string{"Authorization", r.Header.Get("Authorization")}
}

// CIBA Core §7, §10.1, §11, §13: over HTTP.
func TestCIBA_7(t *testing.T) {
	var handle string
	h := newHost(t, handlers.Options{}, withPhone(&handle))
	const path = "/oauth2/backchannel_authentication"
	ask := func(params url.Values) *answer { return h.do(http.MethodPost, path, params, deskAuthorization()...) }
	poll := func(id string) *answer {
		return h.do(http.MethodPost, "/oauth2/token", url.Values{"grant_type": {ciba}, "auth_req_id": {id}}, deskAuthorization()...)
	}
	if !strings.Contains(h.do(http.MethodGet, "/.well-known/openid-configuration", nil).body, `"backchannel_authentication_endpoint":"`+h.url+path+`"`) {
		t.Error("the endpoint is not in the metadata")
	}
	h.do(http.MethodGet, path, nil).isError(t, http.StatusMethodNotAllowed, "invalid_request")
	h.do(http.MethodPost, path, `{"scope":"openid"}`, "Content-Type", "application/json").isError(t, http.StatusBadRequest, "invalid_request")
	stranger := h.do(http.MethodPost, path, url.Values{"client_id": {"desk"}, "scope": {"openid"}, "login_hint": {"ana"}})
	stranger.isError(t, http.StatusUnauthorized, "invalid_client")
	if stranger.Header.Get("WWW-Authenticate") == "" {
		t.Error("a 401 without a challenge")
	}
	ask(url.Values{"scope": {"openid"}, "login_hint": {"eve"}}).isError(t, http.StatusBadRequest, "unknown_user_id")
	ask(url.Values{"scope": {"openid"}, "login_hint": {"ana"}, "binding_message": {strings.Repeat("x", 200)}}).isError(t, http.StatusBadRequest, "invalid_binding_message")
	if handle != "" {
		t.Error("somebody was asked")
	}

	a := ask(url.Values{"scope": {"openid read"}, "login_hint": {"ana"}, "binding_message": {"W4SCT"}})
	var r authz.BackchannelAuthenticationResponse
	if err := json.Unmarshal([]byte(a.body), &r); err != nil || a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") || r.AuthReqID == "" || r.ExpiresIn != 300 || r.Interval != 5 {
		t.Fatalf("%s %v %s", a.Status, a.Header, a.body)
	}
	poll(r.AuthReqID).isError(t, http.StatusBadRequest, "authorization_pending")
	poll(r.AuthReqID).isError(t, http.StatusBadRequest, "slow_down")
	if err := h.CompleteBackchannelAuthentication(t.Context(), &authz.BackchannelAnswer{
		ID: handle, User: &authz.User{Subject: "ana", AuthTime: h.Clock.Now()}, Approve: true, Scopes: []string{"read"},
	}); err != nil {
		t.Fatal(err)
	}
	if a := poll(r.AuthReqID); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"id_token"`) {
		t.Errorf("%s %s", a.Status, a.body)
	}
	poll(r.AuthReqID).isError(t, http.StatusBadRequest, "invalid_grant")

	// §13: the user who says no is a 400 at the token endpoint (RFC 6749 §5.2).
	a = ask(url.Values{"scope": {"openid"}, "login_hint": {"ana"}})
	if err := json.Unmarshal([]byte(a.body), &r); err != nil {
		t.Fatal(err)
	}
	if err := h.CompleteBackchannelAuthentication(t.Context(), &authz.BackchannelAnswer{ID: handle, User: &authz.User{Subject: "ana"}}); err != nil {
		t.Fatal(err)
	}
	poll(r.AuthReqID).isError(t, http.StatusBadRequest, "access_denied")
	if strings.Contains(h.log.String(), r.AuthReqID) || strings.Contains(h.log.String(), handle) {
		t.Error("the log has what is secret")
	}
}

// Off unless it is turned on.
func TestCIBA_off(t *testing.T) {
	h := newHost(t, handlers.Options{})
	if a := h.do(http.MethodPost, "/oauth2/backchannel_authentication", url.Values{}); a.StatusCode != http.StatusNotFound {
		t.Errorf("%s", a.Status)
	}
}
