package authz

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// Client is a registered OAuth client; see storage.Client for its fields.
type Client = storage.Client

// Scopes maps each scope that the server knows to a description for the people who
// are asked to grant it, such as "Read your alerts".
type Scopes map[string]string

// Config is what [New] makes a server of. Issuer, Storage and Login are required;
// every other zero value is a safe default.
type Config struct {
	// Issuer is the server's name: the https URL (http for loopback only) under
	// which clients reach it, without query, fragment or trailing slash. It may have
	// a path (RFC 8414 §2).
	Issuer string

	// Storage keeps what must last, storage/bolt for one process. The server does
	// not close it. It belongs to one issuer; New refuses another's.
	Storage storage.Store

	// StorageTimeout is how long one request may wait for Storage, all calls together,
	// before it is answered with temporarily_unavailable (503). It ends the context that
	// Storage and the hooks are called with. Default 3 s.
	StorageTimeout time.Duration

	// FormerIssuers are names that this server had before: it takes over what is in
	// Storage under them. Tokens that name them are not accepted any more.
	FormerIssuers []string

	// Login tells who is at the browser, from the host's own session. It returns
	// the result of [RedirectToLogin] if nobody is signed in, or if they have to sign in
	// again ([MustSignInAgain]). Any other error makes the request fail with server_error.
	Login func(r *http.Request) (*User, error)

	// SignUp says that the host's sign-in page can begin with making an account, where
	// AuthenticationRequest.Prompt has create (Initiating User Registration via OpenID Connect
	// 1.0). Without it, OpenID Connect clients that ask for that are refused.
	SignUp bool

	// Logout ends the host's session at this browser, for clients that sign users out
	// (OpenID Connect RP-Initiated Logout 1.0), which is off while it is nil. It may set and
	// clear cookies, and writes nothing else. Where User.SessionID names the session, other
	// clients that the user has signed in to from there are told. A host whose own pages sign
	// users out calls RevokeSession there, to the same effect.
	Logout func(w http.ResponseWriter, r *http.Request) error

	// Sessions says that every User whom Login returns has a SessionID, so that clients may rely
	// on being told which session has ended. Without it a SessionID has its effect all the same,
	// but clients are not promised one.
	Sessions bool

	// UserActive tells whether a user may still use what they have authorized: false for an
	// account that is closed or locked. It is asked at every refresh, token exchange and UserInfo
	// request; when it says no, the request is refused and the grant revoked. An error makes the
	// request fail with server_error. Nil takes all users for active.
	UserActive func(ctx context.Context, subject string) (bool, error)

	// Scopes are all scopes of this server, with their descriptions.
	Scopes Scopes

	// AuthorizationDetails are the types of rich authorization requests (RFC 9396 §2), by
	// name. A client may ask for those in its AuthorizationDetailsTypes.
	AuthorizationDetails map[string]AuthorizationDetailsType

	// ACRValues are the authentication context classes that User.ACR may name, for clients
	// to know (RFC 9470 §7).
	ACRValues []string

	// RequirePushedAuthorizationRequests refuses authorization requests that were not
	// pushed (RFC 9126 §5). Clients may require it for themselves.
	RequirePushedAuthorizationRequests bool

	// RequireSignedRequestObjects refuses authorization requests that are not signed: those
	// whose parameters are not in a request object (RFC 9101 §10.5), pushed or not. Clients may
	// require it for themselves.
	RequireSignedRequestObjects bool

	// RequestObjectEncryption lets clients encrypt request objects, and ID tokens that they send
	// back as hints, to this server (RFC 9101 §6.1, OpenID Connect Core §3.1.2.1): it makes an
	// EC and an RSA key for that, publishes them with the others (use is enc) and rotates them
	// (KeyRotation). Without it, what is encrypted is refused. A pushed request is as
	// confidential without.
	RequestObjectEncryption bool

	// RequestURIs lets clients refer to their request objects by URL (RFC 9101 §5.2, OpenID Connect
	// Core §6.2): by those alone that they have registered, in Client.RequestURIs, and that
	// HTTPClient can reach. Clients that push their requests need none of that.
	RequestURIs bool

	// UnsignedRequestObjects lets clients register that their request objects are not signed
	// (request_object_signing_alg none). All that such a client says in one, anybody could
	// have said.
	UnsignedRequestObjects bool

	// OptionalPKCE lets clients that authenticate leave out the code_challenge when they ask for
	// openid, for OpenID Connect clients that cannot be changed. What then keeps somebody else's
	// code from being taken for one's own is the nonce, and that the client looks at it, which
	// the server cannot see (RFC 9700 §2.1.1). Whoever sends a challenge is held to it, and public
	// clients have to send one either way.
	OptionalPKCE bool

	// ResponseTypes are those besides code: "id_token" and "code id_token", for OpenID Connect
	// (Core §3.2, §3.3). A client may use those that its own ResponseTypes name. The ID token goes
	// through the browser, and no access token ever does.
	ResponseTypes []string

	// RequireSignedResponses refuses authorization requests that do not ask for a signed response,
	// by one of the response modes of JARM.
	RequireSignedResponses bool

	// FAPI2 holds the server to the FAPI 2.0 Security Profile. Begin with ProfileFAPI2, which sets
	// it along with what it needs: New says what of the rest departs from the profile. With it
	//
	//   - all JWTs are signed with PS256, ES256 or EdDSA, by clients and by the server: ID tokens
	//     of clients that name no algorithm with the first of SigningAlgorithms,
	//   - refresh tokens are not rotated: each works until its grant ends, which is
	//     Lifetimes.RefreshToken after the user's consent, and RefreshTokenIdle does not count,
	//   - pushed requests name their redirect_uri, and request objects have an nbf.
	FAPI2 bool

	// Clients are registered in code; they come before those in Storage and are not
	// stored there.
	Clients []Client

	// Registration lets clients register themselves (RFC 7591, RFC 7592); nil for not at
	// all.
	Registration *Registration

	// ClientIDMetadata accepts clients that are named by the URL of a document about them
	// (draft-ietf-oauth-client-id-metadata-document-02); nil for none.
	ClientIDMetadata *ClientIDMetadata

	// Consent decides whether the user is asked. Nil does what ConsentRequest.Default
	// says.
	Consent func(ctx context.Context, req *ConsentRequest) (Decision, error)

	// DeviceGrant lets devices without a browser ask for tokens (RFC 8628): for clients
	// whose GrantTypes name urn:ietf:params:oauth:grant-type:device_code. Off unless it is
	// set, because a page on which people type codes invites phishing (§5.4).
	DeviceGrant bool

	// BackchannelAuthentication lets clients that know of a user ask for tokens while the user
	// is not at a browser of theirs, and has the host ask the user on another device (OpenID
	// Connect CIBA Core 1.0): for clients whose GrantTypes name
	// urn:openid:params:grant-type:ciba. Nil for not at all. It needs OpenID Connect.
	BackchannelAuthentication *BackchannelAuthentication

	// IssueRefreshToken is the refresh rule: whether the tokens for a code include a
	// refresh token, for a client that may use that grant at all. Nil gives one to
	// every client that authenticates, and to public clients that were granted
	// offline_access.
	IssueRefreshToken func(client *Client, scopes []string) bool

	// Claims adds claims to access tokens, up to 3 KiB of JSON. Those the server sets
	// itself (RFC 9068 §2.2) cannot be replaced. It is asked for every token, refreshed
	// ones too: an *Error it returns is the answer, such as invalid_grant with status 400
	// for a user who may not sign in any more. Any other error is a server_error.
	Claims func(ctx context.Context, req *ClaimsRequest) (map[string]any, error)

	// UserClaims tells what the host knows of a user, of what a client may know: for ID
	// tokens and the UserInfo endpoint (OpenID Connect Core §5.1). OpenID Connect is on if
	// Scopes has openid. Names that are not asked for are left out of the answer, and so are
	// empty values; nil knows nothing. An *Error it returns is the answer; any other error
	// is a server_error.
	UserClaims func(ctx context.Context, req *UserClaimsRequest) (map[string]any, error)

	// ClaimsSupported are the names of those that UserClaims may tell, for clients to know
	// (OpenID Connect Discovery §3).
	ClaimsSupported []string

	// TokenExchange decides about token exchange (RFC 8693), which is off while it is nil.
	// By then everything that was presented has been verified. To grant what is asked for
	// within the limits of [ExchangeRequest], return req.Grant(). An *Error it returns is the
	// answer, such as invalid_target with status 400; any other error is a server_error.
	TokenExchange func(ctx context.Context, req *ExchangeRequest) (*Exchange, error)

	// JWTBearer decides about JWTs as authorization grants (RFC 7523 §2.1), which are off
	// while it is nil: it says which user of the host the subject is, and what the token may
	// do. By then the assertion has been verified, as one of TrustedIssuers. To grant what is
	// asked for, return req.Grant(user). An *Error it returns is the answer, such as
	// invalid_grant with status 400 for a subject that it does not know; any other error is a
	// server_error.
	JWTBearer func(ctx context.Context, req *AssertionRequest) (*AssertionGrant, error)

	// TrustedIssuers are those whose JWTs JWTBearer and TokenExchange are asked about.
	TrustedIssuers []TrustedIssuer

	// FindTrustedIssuer finds more of them, for a host that keeps them in its database: by
	// the iss of a JWT about which nothing else is known yet. It returns nil for one that it
	// does not trust; an error makes the request fail with temporarily_unavailable.
	FindTrustedIssuer func(ctx context.Context, issuer string) (*TrustedIssuer, error)

	// Events is told what happens, in the goroutine in which it happens.
	Events func(ctx context.Context, e Event)

	// Logger is where failures go; nil for slog.Default.
	Logger *slog.Logger

	// Lifetimes bound what the server issues. Clients may override some.
	Lifetimes Lifetimes

	// Limits bound what somebody can try or have us store.
	Limits Limits

	// AccessTokenFormat is "jwt" (RFC 9068, the default) or "opaque". Clients may
	// override it.
	AccessTokenFormat string

	// Resource identifies the resource server that access tokens are for, their aud
	// claim, where a client names none (RFC 8707 §2). Empty means Issuer.
	Resource string

	// Resources are all resource servers, with what is particular to each. Resource need
	// not be among them if there is nothing to say about it.
	Resources []Resource

	// SeveralAudiences lets a client ask for one access token for several resources.
	// Otherwise each token is for one, so that none of them can use it at another.
	SeveralAudiences bool

	// SigningAlgorithms are the JWS algorithms that JWT access tokens are signed
	// with: ES256, EdDSA, PS256, RS256. The first is the default, ES256 if there are none;
	// clients may choose among them. With OpenID Connect there is always RS256, for ID
	// tokens (OpenID Connect Core §15.1), except with FAPI2.
	SigningAlgorithms []string

	// KeyRotation is how long a signing key signs before the next one takes over.
	// Default 90 days.
	KeyRotation time.Duration

	// EncryptionKey, 32 random bytes, encrypts the signing keys in Storage. Losing it
	// loses them. Nil leaves them to the protection of the storage, and there can be no
	// clients with client_secret_jwt; see SealSecret.
	EncryptionKey []byte

	// PairwiseKey, 32 random bytes, lets clients have pairwise subjects (Client.SubjectType,
	// OpenID Connect Core §8.1). Make it once, with openssl rand -base64 32, and keep it for
	// as long as there are users: it is the one key that is never changed, because with
	// another every user is a stranger to those clients. Whoever has it can tell which
	// subjects are one user's. Nil for public subjects only.
	PairwiseKey []byte

	// AllowedOrigins may call the token and revocation endpoints from a browser
	// (CORS), in addition to those of each client in Clients. A client that lives in
	// Storage needs its origins here too, because a preflight request does not say
	// which client it is for. "*" is every origin, for clients in browsers that nobody
	// knows beforehand, as MCP's are: a page gets no more than any program does, for
	// cookies play no part.
	AllowedOrigins []string

	// Prefix is put before the endpoints' names, after the issuer's path. Default
	// "/oauth2".
	Prefix string

	// TokenEndpointAuthMethods are those of the methods with which clients authenticate that
	// this server allows, by their registered names (RFC 7591 §2), such as private_key_jwt;
	// none is for public clients. Empty allows all that the rest of the configuration has what
	// it takes for. They hold at all endpoints at which clients authenticate.
	TokenEndpointAuthMethods []string

	// RequireBoundAccessTokens refuses token requests that prove possession of no key: by a
	// DPoP proof, or by the client's TLS certificate (RFC 9700 §2.2.1). It needs DPoP or
	// MutualTLS.
	RequireBoundAccessTokens bool

	// StrictAssertionAudience takes client assertions (private_key_jwt, client_secret_jwt)
	// whose aud is Issuer, as a single string, and no others (FAPI 2.0 §5.3.2.1). Without it
	// aud may be a list, and name the token endpoint, as OpenID Connect Core §9 has it.
	StrictAssertionAudience bool

	// MutualTLS says that clients can present TLS certificates, because the host's listener
	// asks for them or a proxy hands them on; handlers.Options tells how. Only then may
	// clients authenticate by certificate or have their tokens bound to it (RFC 8705).
	MutualTLS bool

	// MutualTLSOrigin is where a listener that asks for certificates serves the endpoints,
	// if that of Issuer does not: browsers would trouble their users about certificates.
	// Scheme, host and port, such as https://mtls.example.com; clients find it in the
	// metadata (RFC 8705 §5).
	MutualTLSOrigin string

	// DPoP lets clients bind their tokens to a key that they prove to hold with every
	// request (RFC 9449). Tokens of clients that do not ask for it stay bearer tokens, unless
	// Client.DPoPBoundAccessTokens demands it. Without it, DPoP headers are not looked at.
	DPoP bool

	// DPoPNonces has each proof carry a value that the server gave out in the last minutes
	// (RFC 9449 §8), so that none can be made in advance. Clients learn it from a first
	// request that is refused.
	DPoPNonces bool

	// HTTPClient fetches what clients name by URL, their key sets, metadata documents and request
	// objects, and tells them of answers (OpenID Connect CIBA Core §10.2) and of logouts
	// (Client.BackchannelLogoutURI).
	// Nil for one that connects to public addresses only. One of the host's has to see to
	// that itself; redirects are not followed either way.
	HTTPClient *http.Client

	// Clock tells the time; nil for time.Now. Tests set it. When it is set back, by up to
	// 25 hours, the server goes on from where it was until the clock has caught up, so
	// that nothing that has expired comes to life.
	Clock func() time.Time
}

// Lifetimes are how long things live. Zero values mean the defaults.
type Lifetimes struct {
	AuthorizationCode time.Duration // default 60 s, at most 10 minutes (RFC 6749 §4.1.2)
	DeviceCode        time.Duration // default 15 min, at most 30 (RFC 8628 §3.2)
	AccessToken       time.Duration // default 1 h, at most 24 h

	// BackchannelAuthentication is how long a user has to answer what a client asks them
	// (OpenID Connect CIBA Core §7.3); clients may ask for less. Default 5 min, at most 30.
	BackchannelAuthentication time.Duration

	// IDToken is how long a client may take an ID token for new (OpenID Connect Core §2).
	// Default 1 h, at most 24 h.
	IDToken time.Duration

	// PushedRequest is how long a pushed authorization request waits to be shown to the
	// user, who then has an hour to sign in and decide. Default 60 s, at most 10 minutes
	// (RFC 9126 §2.2).
	PushedRequest time.Duration

	// RefreshTokenIdle is how long a refresh token waits to be used; every use
	// yields a new one that waits as long. Default 90 days.
	RefreshTokenIdle time.Duration

	// RefreshToken is the absolute limit, counted from the user's consent, that no
	// refresh moves. Default 365 days.
	RefreshToken time.Duration

	// RefreshGrace is how long a refresh may be repeated, after an answer got lost,
	// and be given the same answer. Default 30 s, at most 5 minutes; negative for
	// none.
	RefreshGrace time.Duration

	// Session is how long a session of the host's may last (User.SessionID). For that long
	// after a sign-in, a client that wants to be told is told when the session ends, even if
	// it holds no token any more. Default 30 days.
	Session time.Duration

	// Consent is how long a user's consent is remembered. Default until withdrawn;
	// negative for not at all.
	Consent time.Duration
}
