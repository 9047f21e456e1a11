package authz

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// User is the person at the browser, as the host knows them.
type User struct {
	// Subject is the host's lasting name for the user, unique and never given to
	// another. It becomes the sub claim, as a client's ID does in a token of its own: so
	// that no API takes one for the other, no client may have it for an ID (RFC 9068 §5).
	Subject string

	// Name is shown on the consent page, so that people see which account they are
	// about to connect; Subject is shown if it is empty.
	Name string

	// SessionID is the host's name of the session that the user has at this browser; empty for
	// none. With it, clients are told when that session ends, and no other of the user's
	// (OpenID Connect Back-Channel Logout 1.0, Front-Channel Logout 1.0). It has to be another
	// after the user has signed out. Clients see only a digest of it, but it is stored: give no
	// secret, such as the session's cookie, but a random name beside it. Up to 512 bytes of text.
	SessionID string

	// AuthTime is when the user signed in; zero if the host does not know. ACR and
	// AMR say how (RFC 9068 §2.2.1).
	AuthTime time.Time
	ACR      string
	AMR      []string
}

// loginRedirect is what RedirectToLogin returns.
type loginRedirect struct{ to string }

func (l *loginRedirect) Error() string {
	return "authz: not signed in; return the result of RedirectToLogin from the Login hook and from nowhere else"
}

// RedirectToLogin is what [Config].Login returns when nobody is signed in: the
// browser is sent to the host's sign-in page at this URL or path, with the query
// parameter return_to saying where to send it afterwards. Read that parameter with
// [Server.ReturnTo], which refuses anything that is not the way back here.
func RedirectToLogin(to string) error { return &loginRedirect{to} }

// ReturnTo is where the host's sign-in page sends the browser once the user has
// signed in: the return_to parameter of the request, if it leads back to this
// server's authorization endpoint or device page, and otherwise fallback. Checking it keeps the
// sign-in page from becoming an open redirector (RFC 9700 §4.11).
func (s *Server) ReturnTo(r *http.Request, fallback string) string {
	to := r.FormValue("return_to")
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || (u.Path != s.paths.authorization && u.Path != s.paths.device) {
		return fallback
	}
	return u.RequestURI()
}

// ConsentRequest is what the consent hook decides on.
type ConsentRequest struct {
	Client *Client
	User   *User

	// Scopes are what the client asks for; Remembered, the part of them that this
	// user has granted this client before. AuthorizationDetails are never remembered.
	Scopes     []string
	Remembered []string

	// Resources are the identifiers of the resource servers that it is for (RFC 8707).
	Resources []string

	// AuthorizationDetails is the JSON array of RFC 9396 §2 that the client asks for, as
	// Validate returned it; nil if there is none.
	AuthorizationDetails json.RawMessage

	// RedirectURI is where the answer will go; empty for the device grant (RFC 8628) and for
	// backchannel authentication (OpenID Connect CIBA Core), where the user is asked whatever
	// the hook says, unless it denies.
	RedirectURI string

	// Default is what the server does without a hook: Allow for first-party clients
	// and for requests that ask nothing new, Ask otherwise.
	Default Decision
}

// Decision is the answer of the consent hook.
type Decision int

// The answers of the consent hook.
const (
	Ask   Decision = iota // show the consent page
	Allow                 // grant what was asked for without asking the user
	Deny                  // refuse with access_denied
)

// ClaimsRequest is what the claims hook is told about the access token that is
// being made.
type ClaimsRequest struct {
	Client  *Client
	Subject string // empty for client_credentials
	Scopes  []string

	// Resources are the identifiers of the resource servers that the token is for.
	Resources []string
}

// Event is something that happened, for audit logs and metrics. It holds nothing
// secret.
type Event struct {
	Type     EventType
	At       time.Time
	ClientID string
	Subject  string
	GrantID  string
	Scopes   []string

	// Reason is the stable word of [Error].Reason, where something was refused or
	// revoked.
	Reason string
}

// EventType says what happened.
type EventType string

// The events.
const (
	AuthorizationGranted EventType = "authorization_granted" // a code was issued
	AuthorizationDenied  EventType = "authorization_denied"  // by the user or by a hook
	TokenIssued          EventType = "token_issued"          // for a code, to who has polled for it or to a client itself
	TokenRefreshed       EventType = "token_refreshed"
	TokenExchanged       EventType = "token_exchanged" // RFC 8693; GrantID is the subject's
	TokenRevoked         EventType = "token_revoked"
	GrantRevoked         EventType = "grant_revoked"
	ReplayDetected       EventType = "replay_detected"     // a code or refresh token came back: its grant is dead
	RequestRefused       EventType = "request_refused"     // every protocol error, beside what it led to
	ClientNotified       EventType = "client_notified"     // that its user has answered (OpenID Connect CIBA Core §10.2)
	ClientNotNotified    EventType = "client_not_notified" // though it was tried: it finds out by polling
	SignedOut            EventType = "signed_out"          // at the wish of a client
	LogoutDelivered      EventType = "logout_delivered"    // a client was told, and has accepted it
	LogoutFailed         EventType = "logout_failed"       // it was not, and is not tried again
	KeyRotated           EventType = "key_rotated"         // a key was made; Reason is its algorithm
	ClientRegistered     EventType = "client_registered"
	ClientUpdated        EventType = "client_updated" // by itself (RFC 7592 §2.2)
	ClientDeleted        EventType = "client_deleted" // by itself, or expired unused
)

// emit hands an event to the host. A hook that panics must not turn a finished
// protocol step into a failure, so the panic ends here, in the log.
func (s *Server) emit(ctx context.Context, e Event) {
	if s.config.Events == nil {
		return
	}
	e.At = s.now()
	defer func() {
		if p := recover(); p != nil {
			// Not what it said, which may hold anything.
			s.log.ErrorContext(ctx, "the Events hook panicked", "event", e.Type, "panic_type", fmt.Sprintf("%T", p))
		}
	}()
	// It has happened, whether or not anybody still waits for the answer.
	s.config.Events(context.WithoutCancel(ctx), e)
}
