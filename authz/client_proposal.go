package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What becomes of a client that describes itself, before it is accepted: the host's rules
// and its hook.

// ClientProposal is a client that describes itself, before it is accepted.
type ClientProposal struct {
	// Client is what it is to become; the hook may change it. Its ID is empty for a client
	// that registers for the first time.
	Client *Client

	// Previous is what it was, when it changes its registration (RFC 7592 §2.2).
	Previous *Client

	// Metadata is what it sent, the claims of its software statement included, and
	// SoftwareStatementIssuer whose statement it was; empty if there was none.
	Metadata                map[string]json.RawMessage
	SoftwareStatementIssuer string
}

// proposal is a client on its way to being registered.
type proposal struct {
	client    *Client
	previous  *Client
	metadata  clientMetadata
	statement string // as it was sent; empty if there was none that counts
	issuer    string // of the statement
	rejected  []RejectedRedirectURI
}

// propose makes of the metadata what is to be registered, by the rules of the host.
func (s *Server) propose(ctx context.Context, body []byte, previous *Client) (*proposal, *Error) {
	r := s.config.Registration
	m, err := parseClientMetadata(body)
	if err != nil {
		return nil, err
	}
	p := &proposal{client: &Client{}, previous: previous, metadata: m}
	if err := s.readStatement(p); err != nil {
		return nil, err
	}
	c := p.client
	if err := m.describe(c); err != nil {
		return nil, err
	}
	if err := s.requestObjectMetadata(m, c); err != nil {
		return nil, err
	}
	if p.rejected, err = m.redirects(c); err != nil {
		return nil, err
	}
	if err := s.openIDMetadata(m, c); err != nil {
		return nil, err
	}
	if err := s.encryptionMetadata(m, c); err != nil {
		return nil, err
	}
	if len(p.rejected) > 0 && (r.StrictRedirectURIs || len(c.RedirectURIs) == 0) {
		err := failed(invalidRedirectURI, "redirect_uri_refused", "A redirect URI cannot be registered. See rejected_redirect_uris.")
		err.RejectedRedirectURIs = p.rejected
		return nil, err
	}
	if err := m.grants(c, within(r.GrantTypes, s.Metadata().GrantTypesSupported)); err != nil {
		return nil, err
	}
	if err := s.responseTypeMetadata(m, c); err != nil {
		return nil, err
	}
	if (slices.Contains(c.GrantTypes, grantAuthorizationCode) || slices.Contains(c.GrantTypes, grantImplicit)) && len(c.RedirectURIs) == 0 {
		return nil, failed(invalidRedirectURI, "redirect_uris_missing", "The client metadata redirect_uris is missing. The authorization code grant needs it.")
	}
	if err := s.backchannelMetadata(m, c); err != nil {
		return nil, err
	}
	if err := s.sectorMetadata(c); err != nil {
		return nil, err
	}
	if err := m.scope(c, r.Scopes); err != nil {
		return nil, err
	}
	if err := m.details(c, r.AuthorizationDetailsTypes); err != nil {
		return nil, err
	}
	if alg := c.IntrospectionSignedResponseAlg; alg != "" && !slices.Contains(s.config.SigningAlgorithms, alg) {
		return nil, badMetadata("introspection_signed_response_alg", "is none of introspection_signing_alg_values_supported")
	}
	if alg := c.AuthorizationSignedResponseAlg; alg != "" && !slices.Contains(s.config.SigningAlgorithms, alg) {
		return nil, badMetadata("authorization_signed_response_alg", "is none of authorization_signing_alg_values_supported")
	}
	if c.TokenEndpointAuthMethod, err = m.text("token_endpoint_auth_method", maxMetadataText); err != nil {
		return nil, err
	}
	if c.TokenEndpointAuthMethod == "" {
		c.TokenEndpointAuthMethod = authBasic // RFC 7591 §2
	}
	if !slices.Contains(s.registrableMethods(), c.TokenEndpointAuthMethod) {
		return nil, badMetadata("token_endpoint_auth_method", "is not supported here")
	}
	return p, nil
}

// registrableMethods are the ways to authenticate that a client may register: not
// client_secret_jwt, for which the secret itself would have to be kept.
func (s *Server) registrableMethods() []string {
	return without(s.Metadata().TokenEndpointAuthMethodsSupported, []string{"client_secret_jwt"})
}

func secretMethod(method string) bool { return method == authBasic || method == authPost }

// accept checks a client, asks the host, and checks what the host made of it. What the
// client is called, and what authenticates it, is not the hook's to change.
func (s *Server) accept(ctx context.Context, p *proposal) *Error {
	if err := s.checkClient(p.client); err != nil {
		return failed(invalidClientMetadata, "metadata_contradictory", "The client metadata does not fit together, or is not supported here.").because(err)
	}
	if err := s.askPolicy(ctx, s.config.Registration.Policy, p); err != nil {
		return err
	}
	if err := s.checkSectorDocument(ctx, p.client); err != nil { // last, because it asks somebody else
		return badMetadata("sector_identifier_uri", "must lead to a JSON array of strings that holds every one of redirect_uris").because(err)
	}
	return nil
}

// askPolicy is for both kinds of clients that describe themselves.
func (s *Server) askPolicy(ctx context.Context, policy func(context.Context, *ClientProposal) error, p *proposal) *Error {
	if policy == nil {
		return nil
	}
	asked := &ClientProposal{Client: cloneClient(p.client), Metadata: maps.Clone(p.metadata), SoftwareStatementIssuer: p.issuer}
	if p.previous != nil {
		asked.Previous = cloneClient(p.previous)
		asked.Previous.Secrets, asked.Previous.RegistrationAccessToken = nil, ""
	}
	asked.Client.Secrets = nil
	if p.previous == nil && strings.HasPrefix(p.client.ID, registeredPrefix) {
		asked.Client.ID = ""
	}
	if err := policy(ctx, asked); err != nil {
		var refused *Error
		if errors.As(err, &refused) {
			return refused.fromHost()
		}
		return broken("registration_policy_failed", err)
	}
	c := asked.Client
	c.ID, c.Secrets, c.CreatedAt, c.ExpiresAt = p.client.ID, p.client.Secrets, p.client.CreatedAt, p.client.ExpiresAt
	c.RegistrationAccessToken = p.client.RegistrationAccessToken
	if err := s.checkClient(c); err != nil {
		return broken("registration_policy_failed", fmt.Errorf("the Policy hook made a client that cannot be: %w", err))
	}
	p.client = c
	return nil
}
