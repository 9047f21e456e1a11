package authz_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/authz/resource/dpop"
)

func withDPoP(c *authz.Config)   { c.DPoP = true }
func withNonces(c *authz.Config) { c.DPoP, c.DPoPNonces = true, true }

const tokenURL = issuer + "/oauth2/token"

// proven adds a new proof by this key to a request for tokens.
func (s *server) proven(key *authztest.DPoPKey, req *authz.Request) *authz.Request {
	return withProof(req, key.Proof("POST", tokenURL, s.clock.Now(), nil))
}

func withProof(req *authz.Request, proof ...string) *authz.Request {
	req.DPoP = proof
	return req
}

func (s *server) token(req *authz.Request) (*authz.TokenResponse, error) {
	return s.Token(context.Background(), req)
}

func refreshing(client, token string, edits ...edit) *authz.Request {
	return request(client, form(edits, "grant_type", "refresh_token", "refresh_token", token))
}

func ownRequest() *authz.Request {
	return request(service, form(nil, "grant_type", "client_credentials", "scope", "read"))
}

// boundTo checks that a token is bound to the key, as verified and as introspected, or to
// none.
func (s *server) boundTo(t testing.TB, tokens *authz.TokenResponse, key *authztest.DPoPKey) {
	t.Helper()
	wantType, wantClaim := "Bearer", "<nil>"
	if key != nil {
		wantType, wantClaim = "DPoP", fmt.Sprint(map[string]any{"jkt": key.JKT()})
	}
	verified := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t)
	answer := must(s.Introspect(t.Context(), request(rs, form(nil, "token", tokens.AccessToken))))(t)
	if got := fmt.Sprint(verified.Claims["cnf"]); got != wantClaim || fmt.Sprint(answer["cnf"]) != wantClaim {
		t.Errorf("cnf %s, introspected %v, want %s", got, answer["cnf"], wantClaim)
	}
	if tokens.TokenType != wantType || answer["token_type"] != wantType {
		t.Errorf("token_type %s, introspected %v, want %s", tokens.TokenType, answer["token_type"], wantType)
	}
}

func TestRFC9449_Section5(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		t.Run(format, func(t *testing.T) {
			s := newServer(t, withDPoP, func(c *authz.Config) { c.AccessTokenFormat = format })
			key, other := authztest.NewDPoPKey(), authztest.NewDPoPKey()
			s.boundTo(t, must(s.token(s.proven(key, ownRequest())))(t), key)
			s.boundTo(t, must(s.token(ownRequest()))(t), nil)

			// A public client's refresh token is bound to the key.
			tokens := must(s.token(s.proven(key, redemption(spa, s.code(t, spa, set("scope", "read offline_access"))))))(t)
			s.boundTo(t, tokens, key)
			for _, req := range []*authz.Request{s.proven(other, refreshing(spa, tokens.RefreshToken)), refreshing(spa, tokens.RefreshToken)} {
				_, err := s.token(req)
				wantRefusal(t, err, "invalid_grant refresh_token_bound_to_another_key")
			}
			next := must(s.token(s.proven(key, refreshing(spa, tokens.RefreshToken))))(t)
			s.boundTo(t, next, key)

			// A repeat gets the same answer, to the same key alone; another's does no harm.
			again := must(s.token(s.proven(key, refreshing(spa, tokens.RefreshToken))))(t)
			if again.AccessToken != next.AccessToken || again.TokenType != "DPoP" {
				t.Errorf("the repeat was answered with %+v", again)
			}
			_, err := s.token(s.proven(other, refreshing(spa, tokens.RefreshToken)))
			wantRefusal(t, err, "invalid_grant refresh_token_bound_to_another_key")
			s.boundTo(t, must(s.token(s.proven(key, refreshing(spa, next.RefreshToken))))(t), key)

			// A confidential client may change keys; a repeat with another key is no repeat.
			tokens = must(s.token(s.proven(key, redemption(web, s.code(t, web)))))(t)
			next = must(s.token(s.proven(other, refreshing(web, tokens.RefreshToken))))(t)
			s.boundTo(t, next, other)
			_, err = s.token(s.proven(key, refreshing(web, tokens.RefreshToken)))
			wantRefusal(t, err, "invalid_grant refresh_token_replayed")
			if s.live(next.AccessToken) {
				t.Error("the grant lives")
			}
		})
	}
}

// A bad proof uses nothing up.
func TestRFC9449_Section5_refused(t *testing.T) {
	s := newServer(t, withDPoP)
	key := authztest.NewDPoPKey()
	code := s.code(t, web)
	good := func() string { return key.Proof("POST", tokenURL, s.clock.Now(), nil) }
	for reason, proofs := range map[string][]string{
		"proof_repeated":           {good(), good()},
		"proof_malformed":          {"x"},
		"proof_for_another_url":    {key.Proof("POST", issuer+"/oauth2/introspect", s.clock.Now(), nil)},
		"proof_for_another_method": {key.Proof("GET", tokenURL, s.clock.Now(), nil)},
		"proof_too_old":            {key.Proof("POST", tokenURL, s.clock.Now().Add(-5*time.Minute), nil)},
		"proof_in_the_future":      {key.Proof("POST", tokenURL, s.clock.Now().Add(5*time.Minute), nil)},
	} {
		_, err := s.token(withProof(redemption(web, code), proofs...))
		wantRefusal(t, err, "invalid_dpop_proof "+reason)
	}
	s.boundTo(t, must(s.token(s.proven(key, redemption(web, code))))(t), key)
}

func TestRFC9449_Section5_2(t *testing.T) {
	s := newServer(t, withDPoP)
	s.change(t, service, func(c *authz.Client) { c.DPoPBoundAccessTokens = true })
	_, err := s.token(ownRequest())
	wantRefusal(t, err, "invalid_request proof_missing")
	must(s.token(s.proven(authztest.NewDPoPKey(), ownRequest())))(t)

	off := newServer(t)
	off.change(t, service, func(c *authz.Client) { c.DPoPBoundAccessTokens = true })
	_, err = off.token(s.proven(authztest.NewDPoPKey(), ownRequest()))
	wantRefusal(t, err, "invalid_request proof_missing")
	if err := off.RegisterClient(t.Context(), authz.Client{ID: "x", RedirectURIs: []string{"https://x.example/"}, DPoPBoundAccessTokens: true}); err == nil {
		t.Error("a client was registered whose tokens cannot be bound")
	}
}

// Without Config.DPoP nothing of it is there.
func TestDPoP_off(t *testing.T) {
	s := newServer(t)
	s.boundTo(t, must(s.token(withProof(ownRequest(), "x", "y")))(t), nil)
	s.boundTo(t, s.tokens(t, web, set("dpop_jkt", "x")), nil)
	if m := s.Metadata(); m.DPoPSigningAlgValuesSupported != nil || s.DPoPNonces() != nil {
		t.Error("it is announced")
	}
	if m := newServer(t, withDPoP).Metadata(); !slices.Equal(m.DPoPSigningAlgValuesSupported, dpop.Algorithms()) {
		t.Errorf("dpop_signing_alg_values_supported: %v", m.DPoPSigningAlgValuesSupported)
	}
}

func TestRFC9449_Section8(t *testing.T) {
	s := newServer(t, withNonces)
	key := authztest.NewDPoPKey()
	prove := func(nonce any) *authz.Request {
		return withProof(ownRequest(), key.Proof("POST", tokenURL, s.clock.Now(), map[string]any{"nonce": nonce}))
	}
	_, err := s.token(prove(nil))
	wantRefusal(t, err, "use_dpop_nonce nonce_missing")
	_, err = s.token(prove("x"))
	wantRefusal(t, err, "use_dpop_nonce nonce_stale")
	nonce := must(s.DPoPNonces().Current(t.Context()))(t)
	must(s.token(prove(nonce)))(t)
	s.clock.Advance(2 * time.Minute)
	must(s.token(prove(nonce)))(t)
	s.clock.Advance(2 * time.Minute)
	_, err = s.token(prove(nonce))
	wantRefusal(t, err, "use_dpop_nonce nonce_stale")
	// The secret behind it is rotated like the keys, and those who hold a nonce notice
	// nothing.
	for range 100 {
		nonce = must(s.DPoPNonces().Current(t.Context()))(t)
		must(s.token(prove(nonce)))(t)
		s.clock.Advance(24 * time.Hour)
	}
}

func TestRFC9449_Section10(t *testing.T) {
	s := newServer(t, withDPoP)
	key, other := authztest.NewDPoPKey(), authztest.NewDPoPKey()
	for _, client := range []string{web, spa} {
		code := s.code(t, client, set("dpop_jkt", key.JKT()))
		for _, req := range []*authz.Request{redemption(client, code), s.proven(other, redemption(client, code))} {
			_, err := s.token(req)
			wantRefusal(t, err, "invalid_grant code_bound_to_another_key")
		}
		tokens := must(s.token(s.proven(key, redemption(client, code))))(t)
		s.boundTo(t, tokens, key)
		// Who does not hold the key cannot end the grant either.
		_, err := s.token(s.proven(other, redemption(client, code)))
		wantRefusal(t, err, "invalid_grant code_bound_to_another_key")
		if !s.live(tokens.AccessToken) {
			t.Error("the grant was ended by a stranger to its key")
		}
	}
	response, err := s.authorize(web, set("dpop_jkt", "x"))
	if got := s.outcome(t, response, err); got != "back: invalid_request dpop_jkt_malformed" {
		t.Error(got)
	}
}

// RFC 9449 §10.1: a proof with a pushed request binds the code to its key, once.
func TestRFC9449_Section10_1(t *testing.T) {
	s := newServer(t, withDPoP)
	key, other := authztest.NewDPoPKey(), authztest.NewDPoPKey()
	push := func(proof string, edits ...edit) (*authz.PushedAuthorizationResponse, error) {
		return s.PushAuthorization(t.Context(), withProof(request(spa, pushed(spa, append(edits, set("prompt", "consent"))...)), proof))
	}
	proof := func(k *authztest.DPoPKey) string { return k.Proof("POST", issuer+"/oauth2/par", s.clock.Now(), nil) }
	used := proof(key)
	for _, edits := range [][]edit{nil, {set("dpop_jkt", key.JKT())}} {
		response := must(push(used, edits...))(t)
		page, err := s.visit(referTo(spa, response))
		if err != nil || page.Consent == nil {
			t.Fatal(s.outcome(t, page, err))
		}
		page, err = s.submit(submission(page.Consent))
		code := back(t, page, err).Get("code")
		_, err = s.token(s.proven(other, redemption(spa, code)))
		wantRefusal(t, err, "invalid_grant code_bound_to_another_key")
		s.boundTo(t, must(s.token(s.proven(key, redemption(spa, code))))(t), key)
		_, err = push(used)
		wantRefusal(t, err, "invalid_dpop_proof proof_replayed")
		used = proof(key)
	}
	_, err := push(proof(other), set("dpop_jkt", key.JKT()))
	wantRefusal(t, err, "invalid_request dpop_jkt_of_another_key")
	_, err = push(key.Proof("POST", tokenURL, s.clock.Now(), nil))
	wantRefusal(t, err, "invalid_dpop_proof proof_for_another_url")
}

// One proof, 64 requests at once: one gets tokens (RFC 9449 §11.1).
func TestRFC9449_Section11_1_at_once(t *testing.T) {
	key := authztest.NewDPoPKey()
	for _, format := range []string{"jwt", "opaque"} {
		s := newSlowServer(t, withDPoP, func(c *authz.Config) { c.AccessTokenFormat = format })
		proof := key.Proof("POST", tokenURL, s.clock.Now(), nil)
		refreshToken := must(s.token(s.proven(key, redemption(web, s.code(t, web)))))(t).RefreshToken
		codes := make([]string, 64)
		for i := range codes {
			codes[i] = s.code(t, web)
		}
		for name, ask := range map[string]func(i int) (*authz.TokenResponse, error){
			"own":   func(int) (*authz.TokenResponse, error) { return s.token(withProof(ownRequest(), proof)) },
			"codes": func(i int) (*authz.TokenResponse, error) { return s.token(withProof(redemption(web, codes[i]), proof)) },
			"refresh": func(int) (*authz.TokenResponse, error) {
				return s.token(withProof(refreshing(web, refreshToken), proof))
			},
		} {
			proof = key.Proof("POST", tokenURL, s.clock.Now(), nil)
			var won atomic.Int64
			together(64, func(i int) {
				switch _, err := ask(i); {
				case err == nil:
					won.Add(1)
				case codeOf(err) != "invalid_dpop_proof proof_replayed":
					t.Errorf("%s: a loser: %v", name, err)
				}
			})
			if won.Load() != 1 {
				t.Errorf("%s, %s: %d winners", format, name, won.Load())
			}
		}
		// At resource servers in the same process, and between these and the server.
		p := &dpop.Proof{JKT: key.JKT(), ID: "once", ExpiresAt: s.clock.Now().Add(time.Minute)}
		var mu sync.Mutex
		used := 0
		together(64, func(int) {
			if err := s.UseProof(context.Background(), p); err == nil {
				mu.Lock()
				used++
				mu.Unlock()
			} else if err.Error() != dpop.Replayed().Error() {
				t.Error(err)
			}
		})
		if used != 1 {
			t.Errorf("UseProof: %d of 64", used)
		}
	}
}

// What is refused leaves nothing in the store, and what cannot be stored is no statement
// about the proof.
func TestDPoP_store(t *testing.T) {
	s := newServer(t, withDPoP)
	key := authztest.NewDPoPKey()
	s.store.watch(-1)
	if _, err := s.token(s.proven(key, refreshing(spa, "x"))); err == nil {
		t.Fatal("a random refresh token is good")
	}
	if _, commits := s.store.seen(); commits != 0 {
		t.Error("a refused request was stored")
	}
	for name, prepare := range map[string]func() *authz.Request{
		"own":  ownRequest,
		"code": func() *authz.Request { return redemption(web, s.code(t, web)) },
		"refresh": func() *authz.Request {
			return refreshing(spa, must(s.token(s.proven(key, redemption(spa, s.code(t, spa, set("scope", "read offline_access"))))))(t).RefreshToken)
		},
		"refresh, repeated": func() *authz.Request {
			token := s.tokens(t, web).RefreshToken
			req := refreshing(web, token)
			must(s.token(s.proven(key, req)))(t)
			return refreshing(web, token)
		},
	} {
		req := s.proven(key, prepare())
		s.store.watch(-1)
		calls := 0
		for fail := 0; ; fail++ {
			s.store.watch(fail)
			_, err := s.token(req)
			if err == nil {
				all, _ := s.store.seen()
				calls = len(all)
				break
			}
			if got := codeOf(err); got != "temporarily_unavailable storage_failed" {
				t.Errorf("%s, with call %d failing: %s", name, fail, got)
			}
		}
		s.store.watch(-1)
		if calls == 0 {
			t.Errorf("%s: nothing was stored", name)
		}
	}
	s.store.breakDown(true)
	defer s.store.breakDown(false)
	if err := s.UseProof(t.Context(), &dpop.Proof{ID: "x", ExpiresAt: s.clock.Now().Add(time.Minute)}); err == nil || err.Error() == dpop.Replayed().Error() {
		t.Errorf("UseProof on a store that is down: %v", err)
	}
}
