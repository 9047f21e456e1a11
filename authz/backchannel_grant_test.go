package authz_test

import (
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
)

// approved takes ana through a request and returns its auth_req_id.
func (s *server) approved(t testing.TB, p *phones, edits ...edit) string {
	t.Helper()
	r := must(s.backchannel(desk, edits...))(t)
	if err := s.answers(p.last(t).ID, true, "read", "write"); err != nil {
		t.Fatal(err)
	}
	return r.AuthReqID
}

func collecting(id string, edits ...edit) *authz.Request {
	return request(desk, form(edits, "grant_type", ciba, "auth_req_id", id))
}

// RFC 9449 §5: tokens are bound to the key of the proof, and a proof counts once.
func TestCIBA_10_1_DPoP(t *testing.T) {
	s, p := newBackchannel(t, withDPoP)
	key := authztest.NewDPoPKey()
	id := s.approved(t, p)
	req := s.proven(key, collecting(id))
	tokens := must(s.token(req))(t)
	s.boundTo(t, tokens, key)
	_, err := s.token(withProof(collecting(s.approved(t, p)), req.DPoP...))
	wantRefusal(t, err, "invalid_dpop_proof proof_replayed")

	// A proof that is no good uses nothing up.
	id = s.approved(t, p)
	_, err = s.token(withProof(collecting(id), "x.y.z"))
	if code, _, _ := strings.Cut(codeOf(err), " "); code != "invalid_dpop_proof" {
		t.Errorf("%v", err)
	}
	s.boundTo(t, must(s.token(s.proven(key, collecting(id))))(t), key)

	s, p = newBackchannel(t, withDPoP, func(c *authz.Config) { c.Clients[0].DPoPBoundAccessTokens = true })
	id = s.approved(t, p)
	_, err = s.collect(desk, id)
	wantRefusal(t, err, "invalid_request proof_missing")
	must(s.token(s.proven(key, collecting(id))))(t)
}

// RFC 8705 §3: tokens are bound to the certificate of a client that wants them so.
func TestCIBA_10_1_certificate(t *testing.T) {
	s, p := newBackchannel(t, func(c *authz.Config) {
		c.MutualTLS, c.Clients[0].TLSClientCertificateBoundAccessTokens = true, true
	})
	id := s.approved(t, p)
	_, err := s.collect(desk, id)
	wantRefusal(t, err, "invalid_request certificate_missing")
	req := collecting(id)
	req.Certificate = certificate(t, p256, nil)
	tokens := must(s.token(req))(t)
	verified := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t)
	if cnf, _ := verified.Claims["cnf"].(map[string]any); cnf["x5t#S256"] != thumbprintOf(req.Certificate) {
		t.Errorf("cnf %v", cnf)
	}
}

// RFC 9396, RFC 8707: details and resources are shown, granted, and narrowed when tokens are
// asked for.
func TestCIBA_7_1_details_and_resources(t *testing.T) {
	s, p := newBackchannel(t, payments, withResources, func(c *authz.Config) {
		c.Clients[0].AuthorizationDetailsTypes = []string{"payment"}
		c.AccessTokenFormat = "opaque"
	})
	id := s.approved(t, p, set("resource", mail, files), details(pay12), set("scope", "openid read write"))
	prompt := p.last(t)
	if len(prompt.Details) != 1 || prompt.Details[0].Description != "Pay 12 to shop" || len(prompt.Resources) != 2 || prompt.Resources[0].Name != "Mail" {
		t.Errorf("%+v", prompt)
	}
	_, err := s.token(collecting(id, details(pay13), set("resource", mail)))
	wantRefusal(t, err, "invalid_authorization_details authorization_details_not_granted")
	_, err = s.token(collecting(id, set("resource", bare)))
	wantRefusal(t, err, "invalid_target resource_not_granted")
	tokens := must(s.token(collecting(id, details(pay5), set("resource", mail))))(t)
	if got := s.audienceOf(t, tokens.AccessToken); !strings.HasPrefix(got, mail+": ") || strings.Contains(got, "write") {
		t.Error(got)
	}
	s.carries(t, tokens, pay5)
}

// What the server or the client has lost between question and answer is not granted, and not
// asked any more.
func TestCIBA_8_client_changes(t *testing.T) {
	s, p := newBackchannel(t)
	c := authz.Client{ID: "short-lived", Secrets: liveSecrets[desk], Scopes: []string{"openid", "read", "write"}, GrantTypes: []string{ciba}}
	secretOf[c.ID] = secretOf[desk]
	defer delete(secretOf, c.ID)
	s.register(t, c)
	r := must(s.backchannel(c.ID))(t)
	id := p.last(t).ID
	s.change(t, c.ID, func(c *authz.Client) { c.GrantTypes = []string{"client_credentials"} })
	_, err := s.PendingBackchannelAuthentication(t.Context(), id)
	wantRefusal(t, err, "invalid_request backchannel_answered")
	wantRefusal(t, s.answers(id, true, "read"), "invalid_request backchannel_answered")
	_, err = s.collect(c.ID, r.AuthReqID)
	wantRefusal(t, err, "unauthorized_client grant_type_not_allowed")
	s.change(t, c.ID, func(c *authz.Client) { c.GrantTypes, c.Scopes = []string{ciba}, []string{"openid"} })
	wantRefusal(t, s.answers(id, true, "read"), "invalid_scope scope_not_allowed")
	s.change(t, c.ID, func(c *authz.Client) { c.Scopes = []string{"openid", "read"} })
	if err := s.answers(id, true, "read"); err != nil {
		t.Fatal(err)
	}
	s.change(t, c.ID, func(c *authz.Client) { c.Scopes = []string{"openid"} })
	if tokens := must(s.collect(c.ID, r.AuthReqID))(t); tokens.Scope != "openid" {
		t.Errorf("scope %q", tokens.Scope)
	}
}

// The life of what is granted counts from the answer, or from when it can be had at the latest.
func TestCIBA_10_1_lifetime(t *testing.T) {
	s, p := newBackchannel(t, lifetimes(authz.Lifetimes{BackchannelAuthentication: 10 * time.Minute, AccessToken: time.Hour}))
	r := must(s.backchannel(till, set("client_notification_token", token)))(t)
	if err := s.answers(p.last(t).ID, true, "read"); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(10*time.Minute - time.Second)
	tokens := must(s.collect(till, r.AuthReqID))(t)
	if tokens.ExpiresIn != 3600 {
		t.Errorf("expires_in %d", tokens.ExpiresIn)
	}
	s.clock.Advance(59 * time.Minute)
	if !s.live(tokens.AccessToken) {
		t.Error("dead too early")
	}
	s.clock.Advance(time.Minute)
	if s.live(tokens.AccessToken) {
		t.Error("alive too long")
	}
}
