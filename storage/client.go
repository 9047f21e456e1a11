package storage

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

// Client is a registered OAuth client (RFC 6749 §2). Field names follow the
// metadata names of RFC 7591 §2 where there is one. The zero value of every field
// but ID is usable; authz documents the defaults it applies.
type Client struct {
	// ID is the client_id. Registered clients get one from the server; clients
	// registered in code name their own.
	ID string `cbor:"1,keyasint" json:"client_id"`

	// Name, LogoURI, URI, PolicyURI and TOSURI are shown to users at consent.
	Name      string `cbor:"2,keyasint,omitempty" json:"client_name,omitempty"`
	LogoURI   string `cbor:"3,keyasint,omitempty" json:"logo_uri,omitempty"`
	URI       string `cbor:"4,keyasint,omitempty" json:"client_uri,omitempty"`
	PolicyURI string `cbor:"5,keyasint,omitempty" json:"policy_uri,omitempty"`
	TOSURI    string `cbor:"6,keyasint,omitempty" json:"tos_uri,omitempty"`

	// RedirectURIs are compared byte for byte (RFC 9700 §2.1), except that a
	// registered loopback URI of a native client matches on any port (RFC 8252
	// §7.3).
	RedirectURIs []string `cbor:"7,keyasint,omitempty" json:"redirect_uris,omitempty"`

	// GrantTypes are the grant_type values the client may use at the token
	// endpoint. Empty means authorization_code and refresh_token.
	GrantTypes []string `cbor:"8,keyasint,omitempty" json:"grant_types,omitempty"`

	// ResponseTypes are the response_type values the client may use at the authorization
	// endpoint. Empty means code, for a client with the grant type authorization_code. Those
	// with an ID token need the grant type implicit too (OpenID Connect Registration §2).
	ResponseTypes []string `cbor:"93,keyasint,omitempty" json:"response_types,omitempty"`

	// Scopes are all that the client may ever ask for; DefaultScopes, a subset, is
	// what a request without a scope parameter gets. Empty DefaultScopes means all
	// of Scopes.
	Scopes        []string `cbor:"9,keyasint,omitempty" json:"scopes,omitempty"`
	DefaultScopes []string `cbor:"10,keyasint,omitempty" json:"default_scopes,omitempty"`

	// TokenEndpointAuthMethod is client_secret_basic, client_secret_post,
	// client_secret_jwt, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or
	// none (a public client). Empty means none for a client without Secrets, and
	// client_secret_basic or client_secret_post for one with.
	TokenEndpointAuthMethod string `cbor:"11,keyasint,omitempty" json:"token_endpoint_auth_method,omitempty"`

	// Secrets are the client's live secrets; any of them authenticates it, so that
	// one can be replaced without an outage.
	Secrets []Secret `cbor:"12,keyasint,omitempty" json:"-"`

	// TokenEndpointAuthSigningAlg is the one JWS algorithm of the client's assertions;
	// empty for any that fits its method.
	TokenEndpointAuthSigningAlg string `cbor:"24,keyasint,omitempty" json:"token_endpoint_auth_signing_alg,omitempty"`

	// JWKS is the client's JWK Set with its public keys (RFC 7517 §5), as JSON text;
	// JWKSURI is where the client publishes it instead, an https URL.
	JWKS    string `cbor:"25,keyasint,omitempty" json:"jwks,omitempty"`
	JWKSURI string `cbor:"26,keyasint,omitempty" json:"jwks_uri,omitempty"`

	// One of these five names the certificate of a client with tls_client_auth (RFC 8705
	// §2.1.2).
	TLSClientAuthSubjectDN string `cbor:"27,keyasint,omitempty" json:"tls_client_auth_subject_dn,omitempty"`
	TLSClientAuthSANDNS    string `cbor:"28,keyasint,omitempty" json:"tls_client_auth_san_dns,omitempty"`
	TLSClientAuthSANURI    string `cbor:"29,keyasint,omitempty" json:"tls_client_auth_san_uri,omitempty"`
	TLSClientAuthSANIP     string `cbor:"30,keyasint,omitempty" json:"tls_client_auth_san_ip,omitempty"`
	TLSClientAuthSANEmail  string `cbor:"31,keyasint,omitempty" json:"tls_client_auth_san_email,omitempty"`

	// TLSClientCertificateBoundAccessTokens binds every access token to the certificate
	// that the client presents (RFC 8705 §3.4); DPoPBoundAccessTokens, to the key of its
	// DPoP proof (RFC 9449 §5.2). Requests that lack it are refused.
	TLSClientCertificateBoundAccessTokens bool `cbor:"32,keyasint,omitempty" json:"tls_client_certificate_bound_access_tokens,omitempty"`
	DPoPBoundAccessTokens                 bool `cbor:"33,keyasint,omitempty" json:"dpop_bound_access_tokens,omitempty"`

	// RequirePushedAuthorizationRequests refuses authorization requests of this client
	// that were not pushed (RFC 9126 §6).
	RequirePushedAuthorizationRequests bool `cbor:"34,keyasint,omitempty" json:"require_pushed_authorization_requests,omitempty"`

	// Resources are the identifiers of the resource servers that the client may ask for
	// tokens for (RFC 8707). Empty means every one the server knows.
	Resources []string `cbor:"35,keyasint,omitempty" json:"resources,omitempty"`

	// AuthorizationDetailsTypes are the types of RFC 9396 §10 that the client may ask for.
	AuthorizationDetailsTypes []string `cbor:"36,keyasint,omitempty" json:"authorization_details_types,omitempty"`

	// SoftwareID and SoftwareVersion are what the client says of its program (RFC 7591 §2).
	SoftwareID      string `cbor:"37,keyasint,omitempty" json:"software_id,omitempty"`
	SoftwareVersion string `cbor:"38,keyasint,omitempty" json:"software_version,omitempty"`

	// RegistrationAccessToken is the digest of the token that manages a client which
	// registered itself (RFC 7592 §3), "$sha256$…"; empty for all others.
	RegistrationAccessToken string `cbor:"39,keyasint,omitempty" json:"-"`

	// ExpiresAt is when a client that registered itself goes unless somebody has used it
	// by then; zero for never. After it, the client is treated as if it did not exist.
	ExpiresAt time.Time `cbor:"40,keyasint,omitempty" json:"expires_at,omitzero"`

	// IntrospectionSignedResponseAlg is the JWS algorithm of introspection answers to
	// this client, where it asks for signed ones (RFC 9701 §4, §6); empty for RS256 if the
	// server has that, or else the server's first.
	IntrospectionSignedResponseAlg string `cbor:"41,keyasint,omitempty" json:"introspection_signed_response_alg,omitempty"`

	// IDTokenSignedResponseAlg is the JWS algorithm of this client's ID tokens; empty for
	// RS256, which every client understands, if the server has it, or else for its first. UserInfoSignedResponseAlg is that of UserInfo
	// answers; empty for plain JSON (OpenID Connect Registration §2).
	IDTokenSignedResponseAlg  string `cbor:"50,keyasint,omitempty" json:"id_token_signed_response_alg,omitempty"`
	UserInfoSignedResponseAlg string `cbor:"51,keyasint,omitempty" json:"userinfo_signed_response_alg,omitempty"`

	// PostLogoutRedirectURIs are where the client may send users who have signed out,
	// compared byte for byte (OpenID Connect RP-Initiated Logout §3.1).
	PostLogoutRedirectURIs []string `cbor:"65,keyasint,omitempty" json:"post_logout_redirect_uris,omitempty"`

	// BackchannelLogoutURI is where this server tells the client that a user has signed out:
	// an https URL, or http for loopback (OpenID Connect Back-Channel Logout §2.2).
	// BackchannelLogoutSessionRequired demands to be told which of the user's sessions.
	BackchannelLogoutURI             string `cbor:"70,keyasint,omitempty" json:"backchannel_logout_uri,omitempty"`
	BackchannelLogoutSessionRequired bool   `cbor:"71,keyasint,omitempty" json:"backchannel_logout_session_required,omitempty"`

	// FrontchannelLogoutURI is a page of the client's that ends its session in the browser that
	// opens it, with scheme, host and port of one of RedirectURIs (OpenID Connect Front-Channel
	// Logout §2). Browsers that keep cookies from frames of other sites make it useless there; the
	// back channel is better. FrontchannelLogoutSessionRequired demands to be told which session.
	FrontchannelLogoutURI             string `cbor:"72,keyasint,omitempty" json:"frontchannel_logout_uri,omitempty"`
	FrontchannelLogoutSessionRequired bool   `cbor:"73,keyasint,omitempty" json:"frontchannel_logout_session_required,omitempty"`

	// InitiateLoginURI is where the client begins a sign-in that somebody else wants, such as
	// the host's own list of applications: an https URL, to which the parameter iss is added
	// (OpenID Connect Core §4).
	InitiateLoginURI string `cbor:"53,keyasint,omitempty" json:"initiate_login_uri,omitempty"`

	// DefaultMaxAge is the max_age of requests that have none; zero for no limit
	// (OpenID Connect Registration §2).
	DefaultMaxAge time.Duration `cbor:"52,keyasint,omitempty" json:"default_max_age,omitempty"`

	// SubjectType is what the client calls users: "pairwise" for names that clients of other
	// sectors do not know (OpenID Connect Core §8), "public", or empty for that, for the host's
	// own. Who is called something else before and after a change of it, or of the sector, is
	// a stranger to the client. The access tokens of a pairwise client are opaque, because it
	// could read a JWT; resource servers introspect them, and learn the host's own subject.
	SubjectType string `cbor:"63,keyasint,omitempty" json:"subject_type,omitempty"`

	// SectorIdentifierURI is an https URL whose host is the sector of a pairwise client. There
	// is a JSON array of redirect URIs with all of the client's in it, which is looked at when
	// the client is registered or changed, except in authz.Config.Clients (OpenID Connect
	// Registration §5). Empty makes the one host of the redirect URIs the sector.
	SectorIdentifierURI string `cbor:"64,keyasint,omitempty" json:"sector_identifier_uri,omitempty"`

	// RequestObjectSigningAlg is the one JWS algorithm of the client's request objects; empty
	// for any that fits its keys, "none" for a client that does not sign them, where the server
	// allows that. RequireSignedRequestObject refuses authorization requests
	// that are not signed (RFC 9101 §10.5).
	RequestObjectSigningAlg    string `cbor:"60,keyasint,omitempty" json:"request_object_signing_alg,omitempty"`
	RequireSignedRequestObject bool   `cbor:"61,keyasint,omitempty" json:"require_signed_request_object,omitempty"`

	// RequestURIs are the https URLs at which the client has request objects (RFC 9101 §5.2). One
	// that ends in # and the base64url form of the SHA-256 hash of what is there is compared byte
	// for byte; one without, up to such a hash (OpenID Connect Core §6.2).
	RequestURIs []string `cbor:"94,keyasint,omitempty" json:"request_uris,omitempty"`

	// AuthorizationSignedResponseAlg is the JWS algorithm of authorization responses that this
	// client asks to have signed (JARM §3); empty for RS256 if the server has that, or else the
	// server's first.
	AuthorizationSignedResponseAlg string `cbor:"62,keyasint,omitempty" json:"authorization_signed_response_alg,omitempty"`

	// BackchannelTokenDeliveryMode is how a client with the grant
	// urn:openid:params:grant-type:ciba learns that the user has answered: "ping" is told at
	// BackchannelClientNotificationEndpoint, an https URL, "poll", or empty for that, asks again
	// and again (OpenID Connect CIBA Core §4, §5). There is no "push" here.
	BackchannelTokenDeliveryMode          string `cbor:"100,keyasint,omitempty" json:"backchannel_token_delivery_mode,omitempty"`
	BackchannelClientNotificationEndpoint string `cbor:"101,keyasint,omitempty" json:"backchannel_client_notification_endpoint,omitempty"`

	// BackchannelAuthenticationRequestSigningAlg is the JWS algorithm in which the client signs
	// all of its authentication requests; empty if it signs none (CIBA Core §4, §7.1.1).
	BackchannelAuthenticationRequestSigningAlg string `cbor:"102,keyasint,omitempty" json:"backchannel_authentication_request_signing_alg,omitempty"`

	// BackchannelUserCodeParameter tells that the client asks its users for a user_code
	// (CIBA Core §7.1.2).
	BackchannelUserCodeParameter bool `cbor:"103,keyasint,omitempty" json:"backchannel_user_code_parameter,omitempty"`

	// These have answers encrypted to the client, whose JWKS or JWKSURI must have a key for
	// the JWE algorithm (RFC 7518 §4.1): ECDH-ES, ECDH-ES+A128KW, ECDH-ES+A256KW, RSA-OAEP or
	// RSA-OAEP-256; empty for answers in clear. Enc is A128GCM, A256GCM or A128CBC-HS256;
	// empty for the last. ID tokens, introspection answers and authorization responses are
	// signed first, UserInfo answers if UserInfoSignedResponseAlg says so (OpenID Connect
	// Registration §2, RFC 9701 §6, JARM §3).
	IDTokenEncryptedResponseAlg       string `cbor:"80,keyasint,omitempty" json:"id_token_encrypted_response_alg,omitempty"`
	IDTokenEncryptedResponseEnc       string `cbor:"81,keyasint,omitempty" json:"id_token_encrypted_response_enc,omitempty"`
	UserInfoEncryptedResponseAlg      string `cbor:"82,keyasint,omitempty" json:"userinfo_encrypted_response_alg,omitempty"`
	UserInfoEncryptedResponseEnc      string `cbor:"83,keyasint,omitempty" json:"userinfo_encrypted_response_enc,omitempty"`
	IntrospectionEncryptedResponseAlg string `cbor:"84,keyasint,omitempty" json:"introspection_encrypted_response_alg,omitempty"`
	IntrospectionEncryptedResponseEnc string `cbor:"85,keyasint,omitempty" json:"introspection_encrypted_response_enc,omitempty"`
	AuthorizationEncryptedResponseAlg string `cbor:"86,keyasint,omitempty" json:"authorization_encrypted_response_alg,omitempty"`
	AuthorizationEncryptedResponseEnc string `cbor:"87,keyasint,omitempty" json:"authorization_encrypted_response_enc,omitempty"`

	// RequestObjectEncryptionAlg and RequestObjectEncryptionEnc tell how the client encrypts
	// its request objects to this server, if it does. They bind it to nothing (OpenID Connect
	// Registration §2).
	RequestObjectEncryptionAlg string `cbor:"88,keyasint,omitempty" json:"request_object_encryption_alg,omitempty"`
	RequestObjectEncryptionEnc string `cbor:"89,keyasint,omitempty" json:"request_object_encryption_enc,omitempty"`

	// ApplicationType is "native" for an application on the user's device, for
	// which loopback and private-use-scheme redirects are allowed (RFC 8252), or
	// "web", the default.
	ApplicationType string `cbor:"13,keyasint,omitempty" json:"application_type,omitempty"`

	// AllowedOrigins may call the token and revocation endpoints from a browser
	// (CORS): scheme, host and port, nothing more.
	AllowedOrigins []string `cbor:"14,keyasint,omitempty" json:"allowed_origins,omitempty"`

	// FirstParty clients belong to the host itself: their users are not asked for
	// consent, unless the client is native, where anybody can pose as it (RFC 8252
	// §8.6).
	FirstParty bool `cbor:"15,keyasint,omitempty" json:"first_party,omitempty"`

	// ResourceServer clients may introspect access tokens that were issued to
	// others (RFC 7662 §2.1).
	ResourceServer bool `cbor:"16,keyasint,omitempty" json:"resource_server,omitempty"`

	// ResourceServerFor are the identifiers of the resources that such a client serves: to
	// it, tokens for others are not active, and scopes that mean nothing there are not shown
	// (RFC 9701 §3, §5). Empty means every one the server knows.
	ResourceServerFor []string `cbor:"42,keyasint,omitempty" json:"resource_server_for,omitempty"`

	// AccessTokenFormat is "jwt", "opaque", or empty for the server's default.
	AccessTokenFormat string `cbor:"17,keyasint,omitempty" json:"access_token_format,omitempty"`

	// AccessTokenSigningAlg picks one of the server's algorithms for this client's
	// JWT access tokens; empty for the server's first.
	AccessTokenSigningAlg string `cbor:"18,keyasint,omitempty" json:"access_token_signing_alg,omitempty"`

	// The lifetimes override the server's where they are not zero.
	AccessTokenLifetime  time.Duration `cbor:"19,keyasint,omitempty" json:"access_token_lifetime,omitempty"`
	RefreshTokenIdle     time.Duration `cbor:"20,keyasint,omitempty" json:"refresh_token_idle,omitempty"`
	RefreshTokenLifetime time.Duration `cbor:"21,keyasint,omitempty" json:"refresh_token_lifetime,omitempty"`

	// Disabled clients are treated as if they did not exist.
	Disabled bool `cbor:"22,keyasint,omitempty" json:"disabled,omitempty"`

	CreatedAt time.Time `cbor:"23,keyasint,omitempty" json:"created_at"`

	// Revision names this state of the record, and is the store's to say: no two states that
	// were ever stored under an ID have the same one. A client that is put back with the
	// Revision it was read with replaces no other state; see [Clients]. It is zero in a client
	// that was not read from a store.
	Revision uint64 `cbor:"43,keyasint,omitempty" json:"revision,omitempty"`
}

// Secret is a client secret as it is stored: never the secret itself.
type Secret struct {
	// Hash is in PHC string format: "$sha256$…" for secrets with enough random bits
	// to need no stretching, "$argon2id$…" for those that people chose.
	Hash string `cbor:"1,keyasint"`

	// ExpiresAt ends the secret's life; zero means it has no end.
	ExpiresAt time.Time `cbor:"2,keyasint,omitempty"`
}

// NewRevision makes the Revision of a client that is about to be stored. It is a random
// number that fits into 63 bits: counting would begin anew for a client that was deleted.
func NewRevision() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])>>2 | 1<<62
}
