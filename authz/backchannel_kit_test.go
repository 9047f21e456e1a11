package authz_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

const (
	desk  = "desk" // confidential, polls
	till  = "till" // confidential, is told
	ciba  = "urn:openid:params:grant-type:ciba"
	token = "a-token-of-the-client-160-bits-long"
)

func init() {
	for _, id := range []string{desk, till} {
		secret, hashed := authz.NewSecret()
		secretOf[id], liveSecrets[id] = secret, []storage.Secret{hashed}
	}
}

// phones are the hooks of a host that knows ana and ben.
type phones struct {
	mu     sync.Mutex
	asked  []*authz.BackchannelAuthenticationRequest
	find   []*authz.BackchannelAuthenticationRequest
	broken error // what Prompt returns
}

func (p *phones) findUser(_ context.Context, req *authz.BackchannelAuthenticationRequest) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.find = append(p.find, req)
	switch hint := req.LoginHint + req.LoginHintToken + req.Subject; hint {
	case "ana", "ben":
		return hint, nil
	case "old":
		return "", fmt.Errorf("at the host: %w", authz.ErrExpiredLoginHintToken)
	case "refuses":
		return "", &authz.Error{Code: "access_denied", Reason: "on_holiday", Description: "Not now."}
	case "breaks":
		return "", errors.New("the directory is down")
	case "nobody":
		return "", nil
	}
	return "", authz.ErrUnknownUser
}

func (p *phones) prompt(_ context.Context, req *authz.BackchannelAuthenticationRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, req)
	return p.broken
}

// last is what a phone shows.
func (p *phones) last(t testing.TB) *authz.BackchannelAuthenticationRequest {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asked) == 0 {
		t.Fatal("nobody was asked")
	}
	return p.asked[len(p.asked)-1]
}

func (p *phones) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

func (p *phones) configure(c *authz.Config) {
	withOpenID(c)
	c.BackchannelAuthentication = &authz.BackchannelAuthentication{FindUser: p.findUser, Prompt: p.prompt}
	scopes := []string{"openid", "read", "write", "offline_access"}
	c.Clients = append(slices.Clone(c.Clients),
		authz.Client{ID: desk, Name: "Desk", Scopes: scopes, Secrets: liveSecrets[desk], GrantTypes: []string{ciba, "refresh_token"}},
		authz.Client{ID: till, Name: "Till", Scopes: scopes, Secrets: liveSecrets[till], GrantTypes: []string{ciba},
			BackchannelTokenDeliveryMode: "ping", BackchannelClientNotificationEndpoint: "https://till.example/ping"})
}

func deskAlone() []authz.Client {
	return []authz.Client{{ID: desk, Scopes: []string{"openid"}, Secrets: liveSecrets[desk], GrantTypes: []string{ciba}}}
}

func newBackchannel(t testing.TB, configure ...func(*authz.Config)) (*server, *phones) {
	t.Helper()
	p := new(phones)
	return newServer(t, append([]func(*authz.Config){p.configure}, configure...)...), p
}

func (s *server) backchannel(client string, edits ...edit) (*authz.BackchannelAuthenticationResponse, error) {
	return s.AuthenticateBackchannel(context.Background(), request(client, form(edits, "scope", "openid read", "login_hint", "ana")))
}

func (s *server) collect(client, id string, edits ...edit) (*authz.TokenResponse, error) {
	return s.Token(context.Background(), request(client, form(edits, "grant_type", ciba, "auth_req_id", id)))
}

// answers is the answer of ana on her phone.
func (s *server) answers(id string, approve bool, scopes ...string) error {
	return s.CompleteBackchannelAuthentication(context.Background(), &authz.BackchannelAnswer{
		ID: id, User: &authz.User{Subject: "ana", AuthTime: s.clock.Now(), ACR: "phone", AMR: []string{"swk"}}, Approve: approve, Scopes: scopes,
	})
}

func withUserCodes(c *authz.Config) {
	c.BackchannelAuthentication.CheckUserCode = func(_ context.Context, req *authz.BackchannelAuthenticationRequest) error {
		switch {
		case req.Subject != "ana":
			return nil
		case req.UserCode == "":
			return authz.ErrMissingUserCode
		case req.UserCode != "code-4711":
			return authz.ErrInvalidUserCode
		}
		return nil
	}
	c.Clients[0].BackchannelUserCodeParameter = true
}
