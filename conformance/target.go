package conformance

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Target is the server that is put to the test, and what is known of it beyond its metadata.
// Issuer alone is enough for a server with dynamic registration and with forms that people
// could fill in: the more of the rest is there, the more cases can be run.
type Target struct {
	// Issuer is the server's issuer identifier (RFC 8414 §2). Its metadata is looked for by RFC
	// 8414 and by OpenID Connect Discovery.
	Issuer string

	// Metadata is what is known of a server that publishes none, by the names of RFC 8414. What
	// the server does publish comes before it.
	Metadata map[string]any

	// Transport carries every request; nil for one of the suite's own with TLS. A suite that is
	// to present certificates (RFC 8705) needs TLS and not Transport.
	Transport http.RoundTripper
	TLS       *tls.Config

	// Clients are registered already. Where a case needs one that is not among them, NewClient
	// makes it; or dynamic registration does, with InitialAccessToken if there is one.
	Clients            []Client
	InitialAccessToken string

	// Users are people who can sign in; cases about what keeps two of them apart need two.
	Users []User

	// AssertionAudience is what client assertions are for (RFC 7523 §3). Empty for the issuer;
	// servers of before it was preferred want the URL of their token endpoint.
	AssertionAudience string

	// Scopes are two or more that clients may ask for, beyond openid and offline_access. Empty
	// for those that the metadata names.
	Scopes []string

	// Rewrite changes each URL that a browser is about to open, for a server that signs in
	// whoever brings a certain parameter. Nil changes nothing.
	Rewrite func(*url.URL)

	// Person answers the server's pages. Nil for one that fills in whatever forms there are.
	Person Person

	// Browser opens a real browser, for pages that do not work without script. Nil for the suite's
	// own, which knows redirects, cookies and forms.
	Browser func(User) (Browser, error)

	// Documents is where the suite publishes what clients publish: key sets, metadata documents,
	// request objects. Nil where the server cannot reach the suite.
	Documents *Documents

	// Resource is a URL that access tokens open, by GET, and ResourceIdentifier its identifier
	// (RFC 8707 §2), empty for the URL. OtherResource is the identifier of another one. StepUp is
	// a URL that asks for a more recent sign-in (RFC 9470).
	Resource           string
	ResourceIdentifier string
	OtherResource      string
	StepUp             string

	// TrustedIssuer is an issuer whose JWTs the server takes for authorization grants (RFC 7523
	// §2.1) and exchanges, and TrustedIssuerJWKS its private key set, as JSON. The subjects in them
	// are Users. AuthorizationDetails are two objects that clients may ask for (RFC 9396), the
	// second of another content.
	TrustedIssuer        string
	TrustedIssuerJWKS    string
	AuthorizationDetails []string

	// Controls are what a host can do with its own server. Nil for a server that only HTTP
	// reaches.
	Controls *Controls
}

// User is somebody who can sign in.
type User struct {
	Name     string
	Password string
}

// Client is a registered client: its credentials, and its metadata by the names of RFC 7591 §2.
// In JSON, as files of clients are, jwks may be the key set itself or a text that is one.
type Client struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret,omitempty"`

	// JWKS is the client's private key set, as JSON, for private_key_jwt; CertificatePEM and
	// KeyPEM are what it presents in TLS.
	JWKS           string `json:"jwks,omitempty"`
	CertificatePEM string `json:"certificate,omitempty"`
	KeyPEM         string `json:"key,omitempty"`

	// Metadata has redirect_uris, token_endpoint_auth_method, grant_types and so on.
	Metadata map[string]any `json:"metadata,omitempty"`
}

// ErrNoSuchClient is what Controls.NewClient wraps for a client of a kind that the server does not
// know: the cases that want one are not tested.
var ErrNoSuchClient = errors.New("the server has no such clients")

// Controls are what a host can do with its own server, for cases about what follows from it.
// Any may be nil.
type Controls struct {
	// NewClient registers a client of this metadata. The member resource_server has the
	// client introspect the tokens of others. See ErrNoSuchClient.
	NewClient func(ctx context.Context, metadata map[string]any) (Client, error)

	// ChangeClient replaces the metadata of a client; nil metadata deletes it.
	ChangeClient func(ctx context.Context, id string, metadata map[string]any) error

	// DisableClient takes a client out of service.
	DisableClient func(ctx context.Context, id string) error

	// RevokeUser ends all that a user has authorized.
	RevokeUser func(ctx context.Context, user User) error

	// Advance moves the server's clock.
	Advance func(d time.Duration)

	// StoreDown makes every call of the store fail, until it is called with false.
	StoreDown func(down bool)

	// HostFails makes the host's hook panic that tells who is signed in, until it is called with
	// false.
	HostFails func(fails bool)

	// AnswerBackchannel has a user answer what clients ask of them on another device (OpenID
	// Connect CIBA), all that waits.
	AnswerBackchannel func(ctx context.Context, user User, decision Decision) error

	// Logged is all that the server has logged so far, at the finest level.
	Logged func() string

	// Fetched are the URLs that the server has tried to fetch so far.
	Fetched func() []string
}

// Page is what a browser shows.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
}

// Decision is what the user does about a client's request.
type Decision int

const (
	Allow Decision = iota
	Deny
	// Stay does not answer the page that asks; whoever has to sign in does.
	Stay
)

// ErrNoChoice is what a Person wraps who is to do what the server's pages give no way to do, such as
// to refuse: the case is not tested.
var ErrNoChoice = errors.New("the server's pages leave no such choice")

// Person reads a page and does what a user would: the request that follows from it, or nil for
// one with which there is nothing to do, such as one that shows an error. See ErrNoChoice.
type Person func(page *Page, user User, decision Decision) (*http.Request, error)

// Browser is a real browser, at which a user sits who signs in and decides.
type Browser interface {
	// Visit opens a URL and has the user answer the pages that follow. It returns the URL to
	// which the server sends the browser, which is one that arrived tells, without opening it; or
	// the page at which there is nothing more to do.
	Visit(ctx context.Context, url string, arrived func(*url.URL) bool, decision Decision) (*url.URL, *Page, error)
	Close() error
}
