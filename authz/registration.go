package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/storage"
)

// Registration is how clients may register themselves (RFC 7591). A Registration that is
// not Open, and knows no initial access tokens, lets nobody in.
type Registration struct {
	// Open lets anybody register. What a stranger can gain is a name of its own choice on
	// the consent page, which says so. Otherwise an initial access token is needed.
	Open bool

	// InitialAccessTokens are the digests of those that let a client in; make them with
	// [NewSecret]. InitialAccessToken decides about all others (RFC 7591 §3).
	InitialAccessTokens []storage.Secret
	InitialAccessToken  func(ctx context.Context, token string) (bool, error)

	// Scopes are all that such clients may ask users for. GrantTypes are those that they
	// may use; nil means authorization_code and refresh_token. Think twice before adding
	// client_credentials: nobody is asked.
	Scopes     []string
	GrantTypes []string

	// AuthorizationDetailsTypes are those of Config.AuthorizationDetails that such clients may
	// ask for (RFC 9396 §10). One gets those of them that it names.
	AuthorizationDetailsTypes []string

	// Policy sees every client before it is stored, and may change it: narrow its Scopes,
	// set lifetimes, take redirect URIs away. An *Error it returns is the answer, such as
	// invalid_client_metadata; any other error is a server_error.
	Policy func(ctx context.Context, proposal *ClientProposal) error

	// StrictRedirectURIs refuses a registration if any of its redirect URIs cannot be used.
	// Otherwise those are left out, which the answer says, as long as one remains: clients
	// register redirects of several kinds at once, and need one.
	StrictRedirectURIs bool

	// SoftwareStatementKeys are the keys of those whose software statements count, by issuer
	// (RFC 7591 §2.3). Without any, statements are ignored. RequireSoftwareStatement refuses
	// clients that bring none.
	SoftwareStatementKeys    map[string]jose.JSONWebKeySet
	RequireSoftwareStatement bool

	// UnusedFor is how long a client waits to be used before it expires. Default 24 h. One
	// that gets tokens lives for Lifetimes.RefreshToken after the last.
	UnusedFor time.Duration
}

// RegistrationRequest is a request to the registration endpoint (RFC 7591 §3.1) or to that
// of one client (RFC 7592 §2).
type RegistrationRequest struct {
	// ClientID is the last segment of the path, empty at the registration endpoint itself.
	ClientID string

	// Authorization is the header of that name; Body is the JSON, of 64 KiB at most.
	Authorization string
	Body          []byte

	// Address is where the request came from, for limits; the zero Addr if that is not
	// known.
	Address netip.Addr
}

// ClientInformation is the answer: everything that is registered (RFC 7591 §3.2.1). It
// holds secrets: do not log it.
type ClientInformation struct {
	ClientID                string `json:"client_id"`
	ClientIDIssuedAt        int64  `json:"client_id_issued_at"`
	ClientSecret            string `json:"client_secret,omitempty"`            // only where it was just made
	ClientSecretExpiresAt   *int64 `json:"client_secret_expires_at,omitempty"` // 0: never
	RegistrationAccessToken string `json:"registration_access_token"`          // RFC 7592 §3
	RegistrationClientURI   string `json:"registration_client_uri"`            // RFC 7592 §3

	RedirectURIs            []string        `json:"redirect_uris,omitempty"`
	GrantTypes              []string        `json:"grant_types"`
	ResponseTypes           []string        `json:"response_types"`
	TokenEndpointAuthMethod string          `json:"token_endpoint_auth_method"`
	ApplicationType         string          `json:"application_type"`
	Scope                   string          `json:"scope,omitempty"`
	ClientName              string          `json:"client_name,omitempty"`
	ClientURI               string          `json:"client_uri,omitempty"`
	LogoURI                 string          `json:"logo_uri,omitempty"`
	PolicyURI               string          `json:"policy_uri,omitempty"`
	TOSURI                  string          `json:"tos_uri,omitempty"`
	JWKS                    json.RawMessage `json:"jwks,omitempty"`
	JWKSURI                 string          `json:"jwks_uri,omitempty"`
	SoftwareID              string          `json:"software_id,omitempty"`
	SoftwareVersion         string          `json:"software_version,omitempty"`
	SoftwareStatement       string          `json:"software_statement,omitempty"`

	TokenEndpointAuthSigningAlg           string `json:"token_endpoint_auth_signing_alg,omitempty"`
	TLSClientAuthSubjectDN                string `json:"tls_client_auth_subject_dn,omitempty"`
	TLSClientAuthSANDNS                   string `json:"tls_client_auth_san_dns,omitempty"`
	TLSClientAuthSANURI                   string `json:"tls_client_auth_san_uri,omitempty"`
	TLSClientAuthSANIP                    string `json:"tls_client_auth_san_ip,omitempty"`
	TLSClientAuthSANEmail                 string `json:"tls_client_auth_san_email,omitempty"`
	TLSClientCertificateBoundAccessTokens bool   `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	DPoPBoundAccessTokens                 bool   `json:"dpop_bound_access_tokens,omitempty"`
	RequirePushedAuthorizationRequests    bool   `json:"require_pushed_authorization_requests,omitempty"`
	IntrospectionSignedResponseAlg        string `json:"introspection_signed_response_alg,omitempty"`
	AuthorizationSignedResponseAlg        string `json:"authorization_signed_response_alg,omitempty"`
	RequestObjectSigningAlg               string `json:"request_object_signing_alg,omitempty"`
	RequireSignedRequestObject            bool   `json:"require_signed_request_object,omitempty"`
	IntrospectionEncryptedResponseAlg     string `json:"introspection_encrypted_response_alg,omitempty"`
	IntrospectionEncryptedResponseEnc     string `json:"introspection_encrypted_response_enc,omitempty"`
	AuthorizationEncryptedResponseAlg     string `json:"authorization_encrypted_response_alg,omitempty"`
	AuthorizationEncryptedResponseEnc     string `json:"authorization_encrypted_response_enc,omitempty"`
	RequestObjectEncryptionAlg            string `json:"request_object_encryption_alg,omitempty"`
	RequestObjectEncryptionEnc            string `json:"request_object_encryption_enc,omitempty"`

	AuthorizationDetailsTypes []string `json:"authorization_details_types,omitempty"` // RFC 9396 §10

	RequestURIs []string `json:"request_uris,omitempty"` // OpenID Connect Registration §2

	// OpenID Connect Registration §2.
	IDTokenSignedResponseAlg     string `json:"id_token_signed_response_alg,omitempty"`
	UserInfoSignedResponseAlg    string `json:"userinfo_signed_response_alg,omitempty"`
	IDTokenEncryptedResponseAlg  string `json:"id_token_encrypted_response_alg,omitempty"`
	IDTokenEncryptedResponseEnc  string `json:"id_token_encrypted_response_enc,omitempty"`
	UserInfoEncryptedResponseAlg string `json:"userinfo_encrypted_response_alg,omitempty"`
	UserInfoEncryptedResponseEnc string `json:"userinfo_encrypted_response_enc,omitempty"`
	DefaultMaxAge                int64  `json:"default_max_age,omitempty"` // seconds
	SubjectType                  string `json:"subject_type,omitempty"`
	SectorIdentifierURI          string `json:"sector_identifier_uri,omitempty"`

	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	InitiateLoginURI       string   `json:"initiate_login_uri,omitempty"`

	// Back-Channel Logout §2.2, Front-Channel Logout §2.
	BackchannelLogoutURI              string `json:"backchannel_logout_uri,omitempty"`
	BackchannelLogoutSessionRequired  bool   `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelLogoutURI             string `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelLogoutSessionRequired bool   `json:"frontchannel_logout_session_required,omitempty"`

	// OpenID Connect CIBA Core §4.
	BackchannelTokenDeliveryMode               string `json:"backchannel_token_delivery_mode,omitempty"`
	BackchannelClientNotificationEndpoint      string `json:"backchannel_client_notification_endpoint,omitempty"`
	BackchannelAuthenticationRequestSigningAlg string `json:"backchannel_authentication_request_signing_alg,omitempty"`
	BackchannelUserCodeParameter               bool   `json:"backchannel_user_code_parameter,omitempty"`

	// RejectedRedirectURIs were sent and not registered.
	RejectedRedirectURIs []RejectedRedirectURI `json:"rejected_redirect_uris,omitempty"`
}

// completeIntroductions fills in the defaults for clients that introduce themselves.
func (c *Config) completeIntroductions(fault func(field, format string, args ...any)) {
	known := func(field string, scopes []string) {
		if len(scopes) == 0 && len(c.Scopes) > 0 {
			fault(field, "is empty; list those of Config.Scopes that clients nobody has checked may ask users for")
		}
		for _, scope := range scopes {
			if _, ok := c.Scopes[scope]; !ok {
				fault(field, "%q is not in Config.Scopes; add it there or take it out here", scope)
			}
		}
	}
	details := func(field string, types []string) {
		for _, name := range types {
			if _, ok := c.AuthorizationDetails[name]; !ok {
				fault(field, "%q is not in Config.AuthorizationDetails; add it there or take it out here", name)
			}
		}
	}
	if c.Registration != nil {
		r := *c.Registration
		r.Scopes, r.GrantTypes = slices.Clone(r.Scopes), slices.Clone(r.GrantTypes)
		r.InitialAccessTokens, r.SoftwareStatementKeys = slices.Clone(r.InitialAccessTokens), maps.Clone(r.SoftwareStatementKeys)
		known("Registration.Scopes", r.Scopes)
		r.AuthorizationDetailsTypes = slices.Clone(r.AuthorizationDetailsTypes)
		details("Registration.AuthorizationDetailsTypes", r.AuthorizationDetailsTypes)
		if len(r.GrantTypes) == 0 {
			r.GrantTypes = []string{grantAuthorizationCode, grantRefreshToken}
		}
		if r.UnusedFor == 0 {
			r.UnusedFor = 24 * time.Hour
		} else if r.UnusedFor < time.Minute {
			fault("Registration.UnusedFor", "is %v; it must be at least 1m, the time a user needs to sign in", r.UnusedFor)
		}
		if r.RequireSoftwareStatement && len(r.SoftwareStatementKeys) == 0 {
			fault("Registration.SoftwareStatementKeys", "is empty, and RequireSoftwareStatement is set; give the keys of those who may sign them")
		}
		for issuer, keys := range r.SoftwareStatementKeys {
			if slices.ContainsFunc(keys.Keys, func(k jose.JSONWebKey) bool { return !k.Valid() || !k.IsPublic() }) {
				fault("Registration.SoftwareStatementKeys", "those of %q are not all public keys", issuer)
			}
		}
		c.Registration = &r
	}
	if c.ClientIDMetadata != nil {
		d := *c.ClientIDMetadata
		d.Scopes, d.Allow = slices.Clone(d.Scopes), slices.Clone(d.Allow)
		known("ClientIDMetadata.Scopes", d.Scopes)
		d.AuthorizationDetailsTypes = slices.Clone(d.AuthorizationDetailsTypes)
		details("ClientIDMetadata.AuthorizationDetailsTypes", d.AuthorizationDetailsTypes)
		for _, allowed := range d.Allow {
			if !allowedClientIDs(allowed) {
				fault("ClientIDMetadata.Allow", "%q is neither a host such as app.example.com nor a URL such as https://app.example.com/clients/", allowed)
			}
		}
		c.ClientIDMetadata = &d
	}
}

// Register handles a request to the registration endpoint (RFC 7591 §3.1). What it returns
// has been stored.
func (s *Server) Register(ctx context.Context, req *RegistrationRequest) (*ClientInformation, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	information, err := s.register(ctx, req)
	if err != nil {
		return nil, s.report(ctx, err, "", "")
	}
	s.emit(ctx, Event{Type: ClientRegistered, ClientID: information.ClientID})
	return information, nil
}

func (s *Server) register(ctx context.Context, req *RegistrationRequest) (*ClientInformation, *Error) {
	if s.config.Registration == nil {
		return nil, registrationOff()
	}
	if err := s.admit(ctx, buckets(LimitRegistrations, s.config.Limits.Registrations, "", "", req.Address)); err != nil {
		return nil, err
	}
	if err := s.mayRegister(ctx, req); err != nil {
		return nil, err
	}
	p, err := s.propose(ctx, req.Body, nil)
	if err != nil {
		return nil, err
	}
	now := s.now().UTC()
	p.client.CreatedAt, p.client.ExpiresAt = now, now.Add(s.config.Registration.UnusedFor)
	p.client.ID = registeredPrefix + storage.NewGrantID(p.client.ExpiresAt)
	secret := ""
	if secretMethod(p.client.TokenEndpointAuthMethod) {
		var hashed storage.Secret
		secret, hashed = NewSecret()
		p.client.Secrets = []storage.Secret{hashed}
	}
	if err := s.accept(ctx, p); err != nil {
		return nil, err
	}
	token, digest := newRegistrationToken()
	p.client.RegistrationAccessToken = digest
	s.sweepClients(ctx, now)
	if err := s.config.Storage.PutClient(ctx, *p.client); err != nil {
		return nil, notStored(err)
	}
	return s.information(p, secret, token), nil
}

func registrationOff() *Error {
	return failed(accessDenied, "registration_off", "This server does not register clients.")
}

// notStored: the store failed, or is one that does not take clients at all.
func notStored(err error) *Error {
	if errors.Is(err, storage.ErrReadOnly) {
		return broken("clients_read_only", fmt.Errorf("Config.Registration needs a Storage that stores clients: %w", err))
	}
	return unavailable(err)
}

// mayRegister decides whether a registration is looked at: RFC 7591 §3, with an initial access
// token unless the endpoint is open. A token that is there must be right even then.
func (s *Server) mayRegister(ctx context.Context, req *RegistrationRequest) *Error {
	r := s.config.Registration
	if req.Authorization == "" {
		if r.Open {
			return nil
		}
		return failed(invalidBearer, "initial_access_token_missing", "Registration needs an initial access token.")
	}
	token, ok := bearer(req.Authorization)
	if !ok {
		return failed(invalidBearer, "initial_access_token_invalid", "The initial access token is not valid.")
	}
	right, err := s.secrets.match(ctx, &Client{Secrets: r.InitialAccessTokens}, token, s.now())
	if err != nil {
		return unavailable(err)
	}
	if !right && r.InitialAccessToken != nil {
		if right, err = r.InitialAccessToken(ctx, token); err != nil {
			return broken("initial_access_token_hook_failed", err)
		}
	}
	if !right {
		return failed(invalidBearer, "initial_access_token_invalid", "The initial access token is not valid.")
	}
	return nil
}

// bearer is the token of an Authorization header (RFC 6750 §2.1).
func bearer(header string) (string, bool) {
	scheme, token, found := strings.Cut(header, " ")
	token = strings.TrimLeft(token, " ")
	return token, found && strings.EqualFold(scheme, "Bearer") && token != "" && len(token) <= maxParameter
}

// information is the answer about a client as it is registered now.
func (s *Server) information(p *proposal, secret, token string) *ClientInformation {
	c := p.client
	i := &ClientInformation{
		ClientID: c.ID, ClientIDIssuedAt: c.CreatedAt.Unix(), ClientSecret: secret,
		RegistrationAccessToken: token, RegistrationClientURI: s.Metadata().RegistrationEndpoint + "/" + c.ID,
		RedirectURIs: c.RedirectURIs, GrantTypes: grantTypesOf(c), ResponseTypes: append([]string{}, responseTypesOf(c)...),
		TokenEndpointAuthMethod: c.TokenEndpointAuthMethod, ApplicationType: c.ApplicationType,
		Scope: strings.Join(c.Scopes, " "), ClientName: c.Name, ClientURI: c.URI, LogoURI: c.LogoURI,
		PolicyURI: c.PolicyURI, TOSURI: c.TOSURI, JWKS: json.RawMessage(c.JWKS), JWKSURI: c.JWKSURI,
		SoftwareID: c.SoftwareID, SoftwareVersion: c.SoftwareVersion, SoftwareStatement: p.statement,
		TokenEndpointAuthSigningAlg: c.TokenEndpointAuthSigningAlg,
		TLSClientAuthSubjectDN:      c.TLSClientAuthSubjectDN, TLSClientAuthSANDNS: c.TLSClientAuthSANDNS,
		TLSClientAuthSANURI: c.TLSClientAuthSANURI, TLSClientAuthSANIP: c.TLSClientAuthSANIP, TLSClientAuthSANEmail: c.TLSClientAuthSANEmail,
		TLSClientCertificateBoundAccessTokens: c.TLSClientCertificateBoundAccessTokens,
		DPoPBoundAccessTokens:                 c.DPoPBoundAccessTokens,
		RequirePushedAuthorizationRequests:    c.RequirePushedAuthorizationRequests,
		IntrospectionSignedResponseAlg:        c.IntrospectionSignedResponseAlg,
		AuthorizationSignedResponseAlg:        c.AuthorizationSignedResponseAlg,
		RequestObjectSigningAlg:               c.RequestObjectSigningAlg,
		RequireSignedRequestObject:            c.RequireSignedRequestObject,
		IntrospectionEncryptedResponseAlg:     c.IntrospectionEncryptedResponseAlg,
		IntrospectionEncryptedResponseEnc:     c.IntrospectionEncryptedResponseEnc,
		AuthorizationEncryptedResponseAlg:     c.AuthorizationEncryptedResponseAlg,
		AuthorizationEncryptedResponseEnc:     c.AuthorizationEncryptedResponseEnc,
		RequestObjectEncryptionAlg:            c.RequestObjectEncryptionAlg,
		RequestObjectEncryptionEnc:            c.RequestObjectEncryptionEnc,
		AuthorizationDetailsTypes:             c.AuthorizationDetailsTypes,
		RequestURIs:                           c.RequestURIs,
		RejectedRedirectURIs:                  p.rejected,

		BackchannelTokenDeliveryMode:               c.BackchannelTokenDeliveryMode,
		BackchannelClientNotificationEndpoint:      c.BackchannelClientNotificationEndpoint,
		BackchannelAuthenticationRequestSigningAlg: c.BackchannelAuthenticationRequestSigningAlg,
		BackchannelUserCodeParameter:               c.BackchannelUserCodeParameter,
	}
	if s.config.openID() {
		i.IDTokenSignedResponseAlg, i.UserInfoSignedResponseAlg = s.config.idTokenAlg(c), c.UserInfoSignedResponseAlg
		i.IDTokenEncryptedResponseAlg, i.IDTokenEncryptedResponseEnc = c.IDTokenEncryptedResponseAlg, c.IDTokenEncryptedResponseEnc
		i.UserInfoEncryptedResponseAlg, i.UserInfoEncryptedResponseEnc = c.UserInfoEncryptedResponseAlg, c.UserInfoEncryptedResponseEnc
		i.BackchannelLogoutURI, i.BackchannelLogoutSessionRequired = c.BackchannelLogoutURI, c.BackchannelLogoutSessionRequired
		i.FrontchannelLogoutURI, i.FrontchannelLogoutSessionRequired = c.FrontchannelLogoutURI, c.FrontchannelLogoutSessionRequired
		i.PostLogoutRedirectURIs, i.InitiateLoginURI = c.PostLogoutRedirectURIs, c.InitiateLoginURI
		i.DefaultMaxAge = int64(c.DefaultMaxAge / time.Second)
		i.SubjectType, i.SectorIdentifierURI = c.SubjectType, c.SectorIdentifierURI
		if i.SubjectType == "" {
			i.SubjectType = subjectPublic
		}
	}
	if secret != "" {
		i.ClientSecretExpiresAt = new(int64) // 0: it does not expire
	}
	return i
}

// selfDescribed reports whether nobody but the client itself has said what it is.
func selfDescribed(c *Client, documentHost string) bool {
	return documentHost != "" || c.RegistrationAccessToken != ""
}
