package authz

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz/resource/dpop"
)

// Error is a protocol error: what RFC 6749 §5.2 and its relatives call an error
// response. Every method of [Server] that answers a protocol request fails with an
// *Error and nothing else.
//
// What goes over the wire is Code and Description, which is constant text and never
// repeats the request. Reason and the wrapped cause are for logs and events.
type Error struct {
	// Code is the error parameter: invalid_grant, access_denied, …
	Code string

	// Description is the error_description: constant, printable ASCII.
	Description string

	// Status is the HTTP status for a direct response.
	Status int

	// Reason is a stable word that names the check that failed, such as
	// code_replayed, for logs, events and tests.
	Reason string

	// RetryAfter is set for temporarily_unavailable, whose status is 503, or 429 where a
	// limit was reached.
	RetryAfter time.Duration

	// RejectedRedirectURIs are what an invalid_redirect_uri is about (RFC 7591 §3.2.2).
	RejectedRedirectURIs []RejectedRedirectURI

	cause error
}

// Error names the code, the reason and the cause.
func (e *Error) Error() string {
	s := "authz: " + e.Code
	if e.Reason != "" {
		s += " (" + e.Reason + ")"
	}
	if e.cause != nil {
		s += fmt.Sprintf(": %v", e.cause)
	}
	return s
}

// Unwrap returns the cause, which may be nil.
func (e *Error) Unwrap() error { return e.cause }

// The codes of RFC 6749 §4.1.2.1 and §5.2, with one description each, and those of
// its extensions that the core endpoints answer with.
const (
	invalidRequest              = "invalid_request"
	invalidClient               = "invalid_client"
	invalidGrant                = "invalid_grant"
	unauthorizedClient          = "unauthorized_client"
	unsupportedGrantType        = "unsupported_grant_type"
	unsupportedResponseType     = "unsupported_response_type"
	unsupportedTokenType        = "unsupported_token_type" // RFC 7009 §2.2.1
	invalidScope                = "invalid_scope"
	invalidTarget               = "invalid_target" // RFC 8707 §2
	invalidDPoPProof            = dpop.InvalidProof
	useDPoPNonce                = dpop.UseNonce
	accessDenied                = "access_denied"
	invalidRequestURI           = "invalid_request_uri"           // RFC 9101 §7
	invalidRequestObject        = "invalid_request_object"        // RFC 9101 §7
	authorizationPending        = "authorization_pending"         // RFC 8628 §3.5
	slowDown                    = "slow_down"                     // RFC 8628 §3.5
	expiredToken                = "expired_token"                 // RFC 8628 §3.5
	invalidAuthorizationDetails = "invalid_authorization_details" // RFC 9396 §5
	serverError                 = "server_error"
	temporarilyUnavailable      = "temporarily_unavailable"
	loginRequired               = "login_required"             // OpenID Connect Core §3.1.2.6
	consentRequired             = "consent_required"           // OpenID Connect Core §3.1.2.6
	accountSelectionRequired    = "account_selection_required" // OpenID Connect Core §3.1.2.6
	invalidBearer               = "invalid_token"              // RFC 6750 §3.1
)

// failed makes an Error whose description is constant text.
func failed(code, reason, description string) *Error {
	e := &Error{Code: code, Reason: reason, Description: description, Status: http.StatusBadRequest}
	switch code {
	case invalidClient, invalidBearer:
		e.Status = http.StatusUnauthorized
	case accessDenied:
		e.Status = http.StatusForbidden
	case serverError:
		e.Status = http.StatusInternalServerError
	case temporarilyUnavailable:
		e.Status, e.RetryAfter = http.StatusServiceUnavailable, 5*time.Second
	}
	return e
}

// because adds the cause, for logs.
func (e *Error) because(err error) *Error {
	e.cause = err
	return e
}

// fromHost is a refusal by a hook of the host, made fit for the wire: RFC 6749 §5.2 and
// §A.7, §A.8 say which characters code and description may have.
func (e *Error) fromHost() *Error {
	sendable := func(s string) bool {
		return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' })
	}
	if !sendable(e.Code) {
		return broken("claims_hook_failed", errors.New("a hook returned an *authz.Error whose Code is not an error code, such as invalid_grant"))
	}
	out := *e
	if out.Status < 400 || out.Status > 599 {
		out.Status = failed(out.Code, "", "").Status
	}
	if !sendable(out.Description) {
		out.Description = "The request was refused."
	}
	if out.Reason == "" {
		out.Reason = "refused_by_host"
	}
	return &out
}

// unavailable is the answer when the store could not tell: 503, so that the caller
// tries again, and never a statement about the credential. What already is an answer,
// about a client's metadata document, stays that.
func unavailable(err error) *Error {
	var answer *Error
	if errors.As(err, &answer) {
		return answer
	}
	return failed(temporarilyUnavailable, "storage_failed", "The server cannot answer right now. Try again shortly.").because(err)
}

// broken is the answer when the server or a hook of the host failed.
func broken(reason string, err error) *Error {
	return failed(serverError, reason, "The server failed to handle the request.").because(err)
}
