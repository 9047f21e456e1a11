package protect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/authz/resource/dpop"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

var (
	proofKey = authztest.NewDPoPKey()
	present  = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// proofTokens is a verifier of tokens, bound to proofKey for the most part.
var proofTokens = func() tokens {
	with := func(cnf any) *resource.Token {
		return &resource.Token{Subject: "user-1", Audience: []string{api}, Scopes: []string{"read"}, Claims: map[string]any{"cnf": cnf}}
	}
	jkt := proofKey.JKT()
	return tokens{
		"bound":     with(map[string]any{"jkt": jkt}),
		"elsewhere": with(map[string]any{"jkt": authztest.NewDPoPKey().JKT()}),
		"twice":     with(map[string]any{"jkt": jkt, "x5t#S256": "x"}),
		"odd":       with("x"),
		"bearer":    {Subject: "user-1", Audience: []string{api}, Scopes: []string{"read"}},
		"narrow":    {Subject: "user-1", Audience: []string{api}, Claims: map[string]any{"cnf": map[string]any{"jkt": jkt}}},
	}
}()

// proofAPI is an API that takes proofs; StripPrefix stands for a router.
func proofAPI(d protect.DPoP) http.Handler {
	options := protect.Options{Audience: api, Realm: "alerts", DPoP: &d, Clock: func() time.Time { return present }}
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return http.StripPrefix("/v1", protect.Require(proofTokens, options, "read")(next))
}

func ask(h http.Handler, authorization string, proofs ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "http://10.0.0.1/v1/alerts?since=1", nil)
	r.RequestURI = "/v1/alerts?since=1"
	r.Header.Set("Authorization", authorization)
	r.Header["Dpop"] = proofs
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func proofFor(token string, further map[string]any) string {
	claims := map[string]any{"ath": authztest.TokenHash(token)}
	for name, value := range further {
		claims[name] = value
	}
	return proofKey.Proof("GET", api+"/v1/alerts", present, claims)
}

const algs = `DPoP realm="alerts", algs="ES256 ES384 ES512 EdDSA PS256 RS256"`

func TestRFC9449_Section7(t *testing.T) {
	h := proofAPI(protect.DPoP{})
	const badToken = `, error="invalid_token", error_description="The access token is malformed, expired, revoked or not meant for this resource.", scope="read"`
	const badProof = `, error="invalid_dpop_proof", error_description="The DPoP proof is missing, or not valid for this request and this token."`
	for name, c := range map[string]struct {
		authorization string
		proofs        []string
		status        int
		challenges    []string
	}{
		"good":                   {"DPoP bound", []string{proofFor("bound", nil)}, 204, nil},
		"scheme_in_lower_case":   {"dpop bound", []string{proofFor("bound", nil)}, 204, nil},
		"bearer":                 {"Bearer bearer", nil, 204, nil},
		"none":                   {"", nil, 401, []string{`Bearer realm="alerts", scope="read"`, algs + `, scope="read"`}},
		"bound_as_bearer":        {"Bearer bound", []string{proofFor("bound", nil)}, 401, []string{`Bearer realm="alerts"` + badToken, algs + `, scope="read"`}},
		"bearer_as_bound":        {"DPoP bearer", []string{proofFor("bearer", nil)}, 401, []string{algs + badToken}},
		"to_another_key":         {"DPoP elsewhere", []string{proofFor("elsewhere", nil)}, 401, []string{algs + badToken}},
		"to_a_certificate_too":   {"DPoP twice", []string{proofFor("twice", nil)}, 401, []string{algs + badToken}},
		"to_nobody_knows_what":   {"DPoP odd", []string{proofFor("odd", nil)}, 401, []string{algs + badToken}},
		"unknown":                {"DPoP unknown", []string{proofFor("unknown", nil)}, 401, []string{algs + badToken}},
		"proof_missing":          {"DPoP bound", nil, 401, []string{algs + badProof}},
		"two_proofs":             {"DPoP bound", []string{proofFor("bound", nil), proofFor("bound", nil)}, 401, []string{algs + badProof}},
		"hash_missing":           {"DPoP bound", []string{proofFor("bound", map[string]any{"ath": nil})}, 401, []string{algs + badProof}},
		"hash_of_another":        {"DPoP bound", []string{proofFor("bearer", nil)}, 401, []string{algs + badProof}},
		"host_of_the_request":    {"DPoP bound", []string{proofFor("bound", map[string]any{"htu": "http://10.0.0.1/v1/alerts"})}, 401, []string{algs + badProof}},
		"path_without_prefix":    {"DPoP bound", []string{proofFor("bound", map[string]any{"htu": api + "/alerts"})}, 401, []string{algs + badProof}},
		"method_of_another":      {"DPoP bound", []string{proofFor("bound", map[string]any{"htm": "POST"})}, 401, []string{algs + badProof}},
		"five_minutes_old":       {"DPoP bound", []string{proofFor("bound", map[string]any{"iat": present.Unix() - 300})}, 401, []string{algs + badProof}},
		"in_five_minutes":        {"DPoP bound", []string{proofFor("bound", map[string]any{"iat": present.Unix() + 300})}, 401, []string{algs + badProof}},
		"a_scope_too_few":        {"DPoP narrow", []string{proofFor("narrow", nil)}, 403, []string{algs + `, error="insufficient_scope", error_description="The access token lacks a scope that this resource requires.", scope="read"`}},
		"two_tokens_in_a_header": {"DPoP bound, bound", []string{proofFor("bound", nil)}, 400, []string{algs + `, error="invalid_request", error_description="The request must carry one access token, in one Authorization header, and nowhere else."`}},
		"verifier_is_down":       {"DPoP down", []string{proofFor("down", nil)}, 503, nil},
	} {
		w := ask(h, c.authorization, c.proofs...)
		if got := w.Header()["Www-Authenticate"]; w.Code != c.status || !slices.Equal(got, c.challenges) {
			t.Errorf("%s: %d %q, want %d %q", name, w.Code, got, c.status, c.challenges)
		}
	}
}

func TestRFC9449_Section7_required(t *testing.T) {
	h := proofAPI(protect.DPoP{Required: true})
	if w := ask(h, "Bearer bearer"); w.Code != 401 || !slices.Equal(w.Header()["Www-Authenticate"], []string{algs + `, scope="read"`}) {
		t.Errorf("%d %q", w.Code, w.Header()["Www-Authenticate"])
	}
	if w := ask(h, "DPoP bound", proofFor("bound", nil)); w.Code != 204 {
		t.Error(w.Code)
	}
}

// What a proxy takes off the path is put back.
func TestRFC9449_Section4_3_behind_a_proxy(t *testing.T) {
	h := proofAPI(protect.DPoP{URL: "https://front.example/app/"})
	if w := ask(h, "DPoP bound", proofFor("bound", map[string]any{"htu": "https://front.example/app/v1/alerts"})); w.Code != 204 {
		t.Error(w.Code, w.Body)
	}
}

func TestRFC9449_Section9(t *testing.T) {
	nonces := dpop.NewNonces(nil)
	nonces.Clock = func() time.Time { return present }
	h := proofAPI(protect.DPoP{Nonces: nonces})
	w := ask(h, "DPoP bound", proofFor("bound", nil))
	nonce := w.Header().Get("DPoP-Nonce")
	want := []string{algs + `, error="use_dpop_nonce", error_description="The DPoP proof needs the nonce that came in the DPoP-Nonce header."`}
	if w.Code != 401 || nonce == "" || !slices.Equal(w.Header()["Www-Authenticate"], want) {
		t.Fatalf("%d %q, nonce %q", w.Code, w.Header()["Www-Authenticate"], nonce)
	}
	w = ask(h, "DPoP bound", proofFor("bound", map[string]any{"nonce": nonce}))
	if w.Code != 204 || w.Header().Get("DPoP-Nonce") != nonce {
		t.Errorf("%d, nonce %q", w.Code, w.Header().Get("DPoP-Nonce"))
	}
	nonces.Keys = func(context.Context) ([][]byte, error) { return nil, errDown }
	if w = ask(h, "DPoP bound", proofFor("bound", map[string]any{"nonce": nonce})); w.Code != 503 {
		t.Errorf("without keys: %d", w.Code)
	}
}

type replay func() error

func (f replay) UseProof(context.Context, *dpop.Proof) error { return f() }

// One proof, 64 requests at once: one passes.
func TestRFC9449_Section11_1(t *testing.T) {
	h := proofAPI(protect.DPoP{})
	proof := proofFor("bound", nil)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			switch w := ask(h, "DPoP bound", proof); {
			case w.Code == 204:
				passed.Add(1)
			case w.Code != 401 || !strings.Contains(w.Body.String(), "invalid_dpop_proof"):
				t.Error(w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 1 {
		t.Errorf("%d passed", passed.Load())
	}
	h = proofAPI(protect.DPoP{Replay: replay(func() error { return errors.New("down") })})
	if w := ask(h, "DPoP bound", proofFor("bound", nil)); w.Code != 503 || w.Header().Get("Www-Authenticate") != "" {
		t.Errorf("replay record down: %d", w.Code)
	}
}

func TestDPoP_faults(t *testing.T) {
	for _, c := range []struct {
		audience, url string
		good          bool
	}{
		{api, "", true}, {"alerts", "https://api.example.com/v1", true},
		{"alerts", "", false}, {api, "api.example.com", false}, {api, "https://api.example.com?x", false}, {api, "https://u@api.example.com", false},
	} {
		func() {
			defer func() {
				if p := recover(); (p == nil) != c.good || p != nil && !strings.Contains(fmt.Sprint(p), "DPoP.URL") {
					t.Errorf("audience %q, URL %q: %v", c.audience, c.url, p)
				}
			}()
			protect.Require(proofTokens, protect.Options{Audience: c.audience, DPoP: &protect.DPoP{URL: c.url}})
		}()
	}
}
