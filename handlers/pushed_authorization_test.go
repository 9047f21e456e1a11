package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
)

// RFC 9126 §2.2, §2.3, §4.
func TestPushedAuthorization(t *testing.T) {
	h := newHost(t, handlers.Options{})
	params := authztest.AuthorizationParameters("read")
	a := h.do("POST", "/oauth2/par", params)
	var got struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int    `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != http.StatusCreated || got.ExpiresIn != 60 {
		t.Fatal(a.Status, a.body)
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json" {
		t.Error(a.Header)
	}
	h.do("GET", "/oauth2/par?"+params.Encode(), nil).isError(t, http.StatusMethodNotAllowed, "invalid_request")
	h.do("POST", "/oauth2/par?client_secret=x", params).isError(t, http.StatusBadRequest, "invalid_request")
	h.do("POST", "/oauth2/par", url.Values{"client_id": {"confidential"}, "client_secret": {"wrong"}}).isError(t, http.StatusUnauthorized, "invalid_client")

	reference := url.Values{"client_id": {authztest.ClientID}, "request_uri": {got.RequestURI}}
	h.ask(url.Values{"client_id": {"confidential"}, "request_uri": {got.RequestURI}}).isErrorPage(t, http.StatusBadRequest)
	h.ask(reference).form(t)
	answer := h.do("POST", "/oauth2/consent", h.ask(reference).form(t)).location(t)
	if answer.Get("code") == "" || answer.Get("state") != params.Get("state") {
		t.Error(answer)
	}
	h.ask(reference).isErrorPage(t, http.StatusBadRequest)
}
