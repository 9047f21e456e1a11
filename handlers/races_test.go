package handlers_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// tokenAnswer is an answer of the token endpoint, good or bad.
type tokenAnswer struct {
	status int
	authz.TokenResponse
	Error string `json:"error"`
}

// 64 at once, over HTTP and on a real bbolt file: one code has one winner (RFC 6749
// §4.1.2); one refresh token has one answer, which all get while the window is open, and
// takes its grant down after that (RFC 9700 §4.14.2).
func TestSixtyFourAtOnce(t *testing.T) {
	db, err := bolt.Open(filepath.Join(t.TempDir(), "authz.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	as := authztest.New(t, func(c *authz.Config) { c.Storage, c.Issuer = db, server.URL })
	as.SignIn("ana")
	handlers.Mount(mux, as.Server)

	ask := func(form url.Values) (a tokenAnswer) {
		answer, err := http.PostForm(server.URL+"/oauth2/token", form)
		if err != nil {
			t.Error(err)
			return a
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		if err := json.Unmarshal(body, &a); err != nil {
			t.Errorf("%d %s", answer.StatusCode, body)
		}
		a.status = answer.StatusCode
		return a
	}
	race := func(form url.Values) (won, lost []tokenAnswer) {
		answers := make([]tokenAnswer, 64)
		var wait sync.WaitGroup
		for i := range answers {
			wait.Go(func() { answers[i] = ask(form) })
		}
		wait.Wait()
		for _, a := range answers {
			switch {
			case a.status == http.StatusOK:
				won = append(won, a)
			case a.status == http.StatusBadRequest && a.Error == "invalid_grant":
				lost = append(lost, a)
			default:
				t.Errorf("%d %s", a.status, a.Error)
			}
		}
		return won, lost
	}
	refresh := func(token string) url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {authztest.ClientID}}
	}

	for range 20 {
		won, lost := race(url.Values{
			"grant_type": {"authorization_code"}, "client_id": {authztest.ClientID}, "redirect_uri": {authztest.RedirectURI},
			"code":          {as.Authorize(t, authztest.AuthorizationParameters("read", "offline_access")).Get("code")},
			"code_verifier": {authztest.Verifier},
		})
		if len(won) != 1 || len(lost) != 63 {
			t.Fatalf("one code: %d won, %d got invalid_grant", len(won), len(lost))
		}
		if _, err := as.VerifyAccessToken(t.Context(), won[0].AccessToken); err == nil {
			t.Error("63 replays, and the winner's token lives")
		}

		first := as.Tokens(t, "read", "offline_access")
		won, _ = race(refresh(first.RefreshToken))
		if len(won) != 64 {
			t.Fatalf("one refresh token: %d of 64 got an answer", len(won))
		}
		for _, a := range won {
			if a.AccessToken != won[0].AccessToken || a.RefreshToken != won[0].RefreshToken {
				t.Fatal("one refresh token has two successors")
			}
		}
		as.Clock.Advance(31 * time.Second)
		if _, lost := race(refresh(first.RefreshToken)); len(lost) != 64 {
			t.Errorf("after the window %d of 64 got invalid_grant", len(lost))
		}
		if a := ask(refresh(won[0].RefreshToken)); a.Error != "invalid_grant" {
			t.Errorf("the successor after a replay: %d", a.status)
		}
	}
}
