package authz

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
)

// Request is a request to an endpoint that clients call directly, with its
// transport taken off.
type Request struct {
	// Parameters are those of the form; Authorization is the header of that name, if there
	// was one.
	Parameters    url.Values
	Authorization string

	// DPoP are the DPoP headers as they came; more than one is refused (RFC 9449 §4.3).
	DPoP []string

	// Certificate is what the client presented in the TLS handshake (RFC 8705 §2), nil for
	// none. Only that it holds the key has been checked, unless CertificateVerified tells that
	// the certificate is by an authority whose word the host takes for who a client is.
	Certificate         *x509.Certificate
	CertificateVerified bool

	// Address is where the request came from, for limits; the zero Addr if that is not
	// known.
	Address netip.Addr
}

// AuthorizationRequest is a request to the authorization endpoint (RFC 6749
// §4.1.1).
type AuthorizationRequest struct {
	Parameters url.Values

	// HTTP is the request as it arrived; it is handed to the Login hook.
	HTTP *http.Request

	// Browser is a random value that this browser alone holds, from a cookie. The
	// consent page is bound to it.
	Browser string

	// Address is as in [Request].
	Address netip.Addr
}

// AuthorizationResponse says what to do with the browser: exactly one field is
// set.
type AuthorizationResponse struct {
	// Redirect is where to send it, with status 303: to the client with a code or an
	// error, or to the host's sign-in page.
	Redirect string

	// Form is what the browser has to send to the client by POST: a code or an error, for a
	// client that asked for response_mode=form_post.
	Form *FormPost

	// Consent is the page to show.
	Consent *ConsentPrompt
}

// FormPost is an authorization response that goes to the client as a form, so that it is
// in no URL (OAuth 2.0 Form Post Response Mode §2). It holds a live code: do not log it.
type FormPost struct {
	Action     string // the redirect URI
	Parameters url.Values
}

// ConsentPrompt is what the consent page shows and sends back.
type ConsentPrompt struct {
	Client *Client
	User   *User

	// Scopes are what the client asks for, in its order.
	Scopes []ScopePrompt

	// Details are the authorization details that are asked for, all or none of which are
	// granted (RFC 9396).
	Details []DetailPrompt

	// Resources are the resource servers that access is asked for to.
	Resources []Resource

	// RedirectHost is the host that the answer goes to, or the scheme of a
	// private-use redirect; Loopback tells that it is an application on this very
	// device, which anybody's program could be (RFC 8252 §8.6).
	RedirectHost string
	Loopback     bool

	// SelfDescribed tells that the client registered itself, or is named by the URL of its
	// own metadata document: nobody has checked its name. ClientIDHost is the host of that
	// URL, which alone is known to be true of it.
	SelfDescribed bool
	ClientIDHost  string

	// Interaction is the sealed state of this prompt; it comes back in
	// [ConsentSubmission].
	Interaction string
}

// ScopePrompt is one line of the consent page.
type ScopePrompt struct {
	Name        string
	Description string // empty if the host gave none
	Remembered  bool   // the user has granted it to this client before
}

// DetailPrompt is one authorization detail on the consent page.
type DetailPrompt struct {
	Type        string
	Description string          // what AuthorizationDetailsType.Describe says; escape it
	JSON        json.RawMessage // the object itself
}

// ConsentSubmission is what comes back from the consent page.
type ConsentSubmission struct {
	// Interaction is what the prompt held; HTTP and Browser are as in
	// [AuthorizationRequest].
	Interaction string
	HTTP        *http.Request
	Browser     string

	// Approve is the user's answer; Scopes are the lines left ticked.
	Approve bool
	Scopes  []string
}

// Introspection is an answer of the introspection endpoint (RFC 7662 §2.2): the
// members to send. For a token that is not active it is {"active": false} and
// nothing else.
type Introspection map[string]any

// Metadata describes the server to clients (RFC 8414 §2). It holds what is true of
// this server, and nothing else.
type Metadata struct {
	Issuer                                     string   `json:"issuer"`
	AuthorizationEndpoint                      string   `json:"authorization_endpoint"`
	TokenEndpoint                              string   `json:"token_endpoint"`
	JWKSURI                                    string   `json:"jwks_uri"`
	ScopesSupported                            []string `json:"scopes_supported,omitempty"`
	ResponseTypesSupported                     []string `json:"response_types_supported"`
	ResponseModesSupported                     []string `json:"response_modes_supported"`
	GrantTypesSupported                        []string `json:"grant_types_supported"`
	TokenEndpointAuthMethodsSupported          []string `json:"token_endpoint_auth_methods_supported"`
	RevocationEndpoint                         string   `json:"revocation_endpoint"`
	RevocationEndpointAuthMethodsSupported     []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionEndpoint                      string   `json:"introspection_endpoint"`
	IntrospectionEndpointAuthMethodsSupported  []string `json:"introspection_endpoint_auth_methods_supported"`
	PushedAuthorizationRequestEndpoint         string   `json:"pushed_authorization_request_endpoint"`           // RFC 9126 §5
	RequirePushedAuthorizationRequests         bool     `json:"require_pushed_authorization_requests,omitempty"` // RFC 9126 §5
	CodeChallengeMethodsSupported              []string `json:"code_challenge_methods_supported"`
	AuthorizationResponseIssParameterSupported bool     `json:"authorization_response_iss_parameter_supported"`  // RFC 9207 §3
	ProtectedResources                         []string `json:"protected_resources,omitempty"`                   // RFC 9728 §4
	AuthorizationDetailsTypesSupported         []string `json:"authorization_details_types_supported,omitempty"` // RFC 9396 §10
	DeviceAuthorizationEndpoint                string   `json:"device_authorization_endpoint,omitempty"`         // RFC 8628 §4
	ACRValuesSupported                         []string `json:"acr_values_supported,omitempty"`                  // RFC 9470 §7

	// The JWS algorithms of client assertions (RFC 8414 §2).
	TokenEndpointAuthSigningAlgValuesSupported         []string `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	RevocationEndpointAuthSigningAlgValuesSupported    []string `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`
	IntrospectionEndpointAuthSigningAlgValuesSupported []string `json:"introspection_endpoint_auth_signing_alg_values_supported,omitempty"`

	IntrospectionSigningAlgValuesSupported []string `json:"introspection_signing_alg_values_supported"` // RFC 9701 §7

	TLSClientCertificateBoundAccessTokens bool              `json:"tls_client_certificate_bound_access_tokens,omitempty"` // RFC 8705 §3.3
	MTLSEndpointAliases                   map[string]string `json:"mtls_endpoint_aliases,omitempty"`                      // RFC 8705 §5
	RegistrationEndpoint                  string            `json:"registration_endpoint,omitempty"`                      // RFC 7591 §3
	ClientIDMetadataDocumentSupported     bool              `json:"client_id_metadata_document_supported,omitempty"`
	DPoPSigningAlgValuesSupported         []string          `json:"dpop_signing_alg_values_supported,omitempty"` // RFC 9449 §5.1

	AuthorizationSigningAlgValuesSupported []string `json:"authorization_signing_alg_values_supported"` // JARM §4

	// The JWE algorithms of encrypted answers (RFC 9701 §7, JARM §4, OpenID Connect Discovery
	// §3), and of request objects where clients may encrypt these.
	IntrospectionEncryptionAlgValuesSupported []string `json:"introspection_encryption_alg_values_supported"`
	IntrospectionEncryptionEncValuesSupported []string `json:"introspection_encryption_enc_values_supported"`
	AuthorizationEncryptionAlgValuesSupported []string `json:"authorization_encryption_alg_values_supported"`
	AuthorizationEncryptionEncValuesSupported []string `json:"authorization_encryption_enc_values_supported"`
	IDTokenEncryptionAlgValuesSupported       []string `json:"id_token_encryption_alg_values_supported,omitempty"`
	IDTokenEncryptionEncValuesSupported       []string `json:"id_token_encryption_enc_values_supported,omitempty"`
	UserInfoEncryptionAlgValuesSupported      []string `json:"userinfo_encryption_alg_values_supported,omitempty"`
	UserInfoEncryptionEncValuesSupported      []string `json:"userinfo_encryption_enc_values_supported,omitempty"`
	RequestObjectEncryptionAlgValuesSupported []string `json:"request_object_encryption_alg_values_supported,omitempty"`
	RequestObjectEncryptionEncValuesSupported []string `json:"request_object_encryption_enc_values_supported,omitempty"`

	// Request objects (OpenID Connect Discovery §3, RFC 9101 §10.5). Where those by reference are not
	// supported that has to be said: where it is left out, clients take it for true.
	RequestParameterSupported              bool     `json:"request_parameter_supported"`
	RequestURIParameterSupported           bool     `json:"request_uri_parameter_supported"`
	RequireRequestURIRegistration          bool     `json:"require_request_uri_registration,omitempty"`
	RequestObjectSigningAlgValuesSupported []string `json:"request_object_signing_alg_values_supported"`
	RequireSignedRequestObject             bool     `json:"require_signed_request_object,omitempty"`

	// OpenID Connect Discovery §3, for servers that have it on.
	UserInfoEndpoint   string `json:"userinfo_endpoint,omitempty"`
	EndSessionEndpoint string `json:"end_session_endpoint,omitempty"` // RP-Initiated Logout §2.1
	// Back-Channel Logout §2.1, Front-Channel Logout §3.
	BackchannelLogoutSupported         bool `json:"backchannel_logout_supported,omitempty"`
	BackchannelLogoutSessionSupported  bool `json:"backchannel_logout_session_supported,omitempty"`
	FrontchannelLogoutSupported        bool `json:"frontchannel_logout_supported,omitempty"`
	FrontchannelLogoutSessionSupported bool `json:"frontchannel_logout_session_supported,omitempty"`

	SubjectTypesSupported            []string `json:"subject_types_supported,omitempty"`
	IDTokenSigningAlgValuesSupported []string `json:"id_token_signing_alg_values_supported,omitempty"`
	UserInfoSigningAlgValueSupported []string `json:"userinfo_signing_alg_values_supported,omitempty"`
	ClaimTypesSupported              []string `json:"claim_types_supported,omitempty"`
	ClaimsSupported                  []string `json:"claims_supported,omitempty"`
	ClaimsParameterSupported         bool     `json:"claims_parameter_supported,omitempty"`
	PromptValuesSupported            []string `json:"prompt_values_supported,omitempty"`

	// OpenID Connect CIBA Core §4, with Config.BackchannelAuthentication.
	BackchannelAuthenticationEndpoint                         string   `json:"backchannel_authentication_endpoint,omitempty"`
	BackchannelTokenDeliveryModesSupported                    []string `json:"backchannel_token_delivery_modes_supported,omitempty"`
	BackchannelAuthenticationRequestSigningAlgValuesSupported []string `json:"backchannel_authentication_request_signing_alg_values_supported,omitempty"`
	BackchannelUserCodeParameterSupported                     bool     `json:"backchannel_user_code_parameter_supported,omitempty"`
}
