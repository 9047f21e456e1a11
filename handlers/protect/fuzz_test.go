package protect_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// heard is a verifier that finds everything good and remembers what it was asked.
type heard struct{ tokens []string }

func (h *heard) VerifyAccessToken(_ context.Context, token string) (*resource.Token, error) {
	h.tokens = append(h.tokens, token)
	return &resource.Token{Audience: []string{api}}, nil
}

// FuzzAuthorization compares the parse with the grammar of RFC 6750 §2.1, written down
// a second time.
func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{
		"Bearer good", "bearer good", "Bearer", "Bearer ", "Bearer  a==", "Bearer a=b", "Basic Zm9v", "", " Bearer a",
		"Bearer a,Bearer b", "Bearer a b", "Bearer \x00", "Bearer\ta", "BEARER -._~+/", "Bearer a\r\nX: y",
	} {
		f.Add(seed, "")
	}
	f.Add("Bearer good", "access_token=good")
	f.Add("Bearer good", "a=b&access%5ftoken")
	f.Add("Bearer good", "%zz=1;access_token=2")
	grammar := regexp.MustCompile(`^(?i:Bearer) +([A-Za-z0-9\-._~+/]+=*)$`)
	f.Fuzz(func(t *testing.T, header, query string) {
		h := &heard{}
		guarded := protect.Require(h, protect.Options{Audience: api, Logger: slog.New(slog.DiscardHandler)})(
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		r.Header["Authorization"] = []string{header}
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)

		match := grammar.FindStringSubmatch(header)
		twice := r.URL.Query().Has("access_token")
		switch {
		case match == nil || strings.HasSuffix(header, "\n"):
			if len(h.tokens) != 0 || w.Code != 400 && w.Code != 401 {
				t.Errorf("%q: %d, verified %q", header, w.Code, h.tokens)
			}
		case twice:
			if w.Code != 400 {
				t.Errorf("%q with query %q: %d", header, query, w.Code)
			}
		case w.Code == 204:
			if len(h.tokens) != 1 || h.tokens[0] != match[1] {
				t.Errorf("%q: verified %q", header, h.tokens)
			}
		case !strings.Contains(query, ";"): // net/url drops a pair with a semicolon, we look at it
			t.Errorf("%q with query %q: %d", header, query, w.Code)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); strings.ContainsAny(challenge, "\r\n") || (w.Code == 204) != (challenge == "") {
			t.Errorf("%q: %d with challenge %q", header, w.Code, challenge)
		}
	})
}
