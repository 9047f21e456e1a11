package protect

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz/resource"
)

// Options say which API is being protected. Audience is required.
type Options struct {
	// Audience is the API's identifier. It has to be among those of the token (RFC
	// 9068 §4, RFC 8707 §2), or a token for another API would open this one.
	Audience string

	// Realm names the API in challenges (RFC 9110 §11.5). Default Audience.
	Realm string

	// ResourceMetadata is the URL of the resource's metadata, [MetadataURL], which every
	// challenge then tells (RFC 9728 §5.1). Empty for none.
	ResourceMetadata string

	// ACRValues are the authentication context classes of which the user must have signed
	// in by one, the best one first; MaxAge is how long ago at most. A token that does not
	// meet them is answered with what would (RFC 9470 §3). Empty and zero for any.
	ACRValues []string
	MaxAge    time.Duration

	// DPoP has the API take tokens that are bound to a key (RFC 9449). Nil for bearer
	// tokens alone: then those that are bound are refused.
	DPoP *DPoP

	// Clock tells the time; nil for time.Now.
	Clock func() time.Time

	// Certificate finds the TLS certificate that the client presented, which a token may be
	// bound to (RFC 8705 §3); nil for TLSCertificate. Behind a proxy, see
	// ForwardedCertificate.
	Certificate func(*http.Request) (*x509.Certificate, error)

	// Logger is told why, where a verifier could not find out, and at level Debug why
	// a token was refused; nil for slog.Default.
	Logger *slog.Logger
}

// Require lets requests through that carry, in the Authorization header (RFC 6750
// §2.1), an access token that the verifier finds good, for the audience and with all
// the scopes. The handler reads it with [TokenFrom].
//
// It panics if the verifier or the audience is missing, or if a scope or the realm
// cannot stand in a challenge, as these are faults of the program.
func Require(verifier resource.Verifier, options Options, scopes ...string) func(http.Handler) http.Handler {
	if err := check(verifier, options, scopes); err != nil {
		panic(err)
	}
	if options.Realm == "" {
		options.Realm = options.Audience
	}
	if options.Clock == nil {
		options.Clock = time.Now
	}
	options.ACRValues = slices.Clone(options.ACRValues)
	options.DPoP = options.DPoP.complete(options)
	return func(next http.Handler) http.Handler {
		return &guard{verifier: verifier, options: options, scopes: slices.Clone(scopes), next: next}
	}
}

func check(verifier resource.Verifier, options Options, scopes []string) error {
	var faults []error
	if verifier == nil {
		faults = append(faults, errors.New("protect: no verifier; make one with resource.JWKS or resource.Introspection"))
	}
	if options.Audience == "" {
		faults = append(faults, errors.New("protect: Options.Audience is missing; set it to the API's identifier, so that a token for another API does not open it"))
	}
	if !printable(options.Realm) || options.Realm == "" && !printable(options.Audience) {
		faults = append(faults, errors.New("protect: the realm is not printable ASCII; set Options.Realm to a name that is"))
	}
	faults = append(faults, options.DPoP.check(options.Audience))
	if !printable(options.ResourceMetadata) {
		faults = append(faults, errors.New("protect: Options.ResourceMetadata is not a URL; take it from MetadataURL"))
	}
	for _, acr := range options.ACRValues {
		if !scopeToken(acr) {
			faults = append(faults, fmt.Errorf("protect: %q cannot stand in a list of acr_values; give each value on its own, without spaces and quotes", acr))
		}
	}
	if options.MaxAge < 0 || options.MaxAge%time.Second != 0 {
		faults = append(faults, fmt.Errorf("protect: Options.MaxAge is %v; it is a number of whole seconds", options.MaxAge))
	}
	for _, scope := range scopes {
		if !scopeToken(scope) {
			faults = append(faults, fmt.Errorf("protect: %q is not a scope (RFC 6749 §3.3); give each scope on its own", scope))
		}
	}
	return errors.Join(faults...)
}

// guard is the API with the check in front.
type guard struct {
	verifier resource.Verifier
	options  Options
	scopes   []string
	next     http.Handler
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.tellNonce(w, r)
	token, proven, failed := g.presented(r)
	if failed != nil {
		g.refuse(w, failed, proven)
		return
	}
	verified, err := g.verify(r.Context(), token)
	switch {
	case errors.Is(err, resource.ErrInvalidToken):
		g.log().DebugContext(r.Context(), "access token refused", "cause", err.Error())
		g.refuse(w, invalidToken, proven)
	case err != nil:
		g.log().ErrorContext(r.Context(), "access token could not be verified", "cause", err.Error())
		g.refuse(w, unavailable, proven)
	case !slices.Contains(verified.Audience, g.options.Audience):
		g.log().DebugContext(r.Context(), "access token refused", "cause", "it is for another audience")
		g.refuse(w, invalidToken, proven)
	case !g.confirmed(r, verified, proven):
		g.refuse(w, invalidToken, proven)
	case !g.authenticated(verified):
		g.refuse(w, insufficientAuthentication, proven)
	case slices.ContainsFunc(g.scopes, func(scope string) bool { return !verified.HasScope(scope) }):
		g.refuse(w, insufficientScope, proven)
	default:
		if proven {
			if failed := g.prove(r, token, verified); failed != nil {
				g.refuse(w, failed, proven)
				return
			}
		}
		g.next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, verified)))
	}
}

// verify asks the verifier. One that panics could not tell; what it said may hold anything,
// so only its type goes on.
func (g *guard) verify(ctx context.Context, token string) (verified *resource.Token, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("protect: the verifier panicked (%T):\n%s", p, debug.Stack())
		}
	}()
	verified, err = g.verifier.VerifyAccessToken(ctx, token)
	if err == nil && verified == nil {
		err = errors.New("protect: the verifier returned neither a token nor an error; mend it")
	}
	return verified, err
}

func (g *guard) log() *slog.Logger {
	if g.options.Logger == nil {
		return slog.Default()
	}
	return g.options.Logger
}

// authenticated reports whether the user has signed in as this resource demands it (RFC
// 9470 §5).
func (g *guard) authenticated(t *resource.Token) bool {
	if len(g.options.ACRValues) > 0 && !slices.Contains(g.options.ACRValues, t.ACR) {
		return false
	}
	return g.options.MaxAge == 0 || !t.AuthTime.IsZero() && g.options.Clock().Sub(t.AuthTime) <= g.options.MaxAge
}

type contextKey struct{}

// TokenFrom returns the verified access token (RFC 9068 §2.2) of a request that has
// passed [Require]; nil if it has not.
func TokenFrom(ctx context.Context) *resource.Token {
	t, _ := ctx.Value(contextKey{}).(*resource.Token)
	return t
}

// scopeToken is the scope-token of RFC 6749 §3.3.
func scopeToken(s string) bool {
	return s != "" && printable(s) && !strings.ContainsAny(s, ` "\`)
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}
