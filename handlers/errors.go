package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// RFC 6749 §5.2: errors that programs read.

// The codes that this package answers with itself.
const (
	invalidRequest = "invalid_request"
	serverError    = "server_error"
	invalidClient  = "invalid_client"
	invalidToken   = "invalid_token"

	insufficientScope = "insufficient_scope"
)

// refuse is the refusal of a request that is not fit to be shown to authz. The
// description is constant. It is logged here, without anything that was sent; what
// authz refuses, authz logs.
func (e *endpoint) refuse(r *http.Request, status int, reason, description string) *authz.Error {
	e.log.LogAttrs(r.Context(), slog.LevelInfo, "request refused",
		slog.String("error", invalidRequest), slog.String("reason", reason), slog.String("path", r.URL.Path))
	return &authz.Error{Code: invalidRequest, Status: status, Reason: reason, Description: description}
}

// panicked is the reason of the error that follows a panic.
const panicked = "panicked"

// broken is the answer where the server failed.
func broken(reason string) *authz.Error {
	return &authz.Error{
		Code: serverError, Status: http.StatusInternalServerError, Reason: reason,
		Description: "The server failed to handle the request.",
	}
}

// asError is the protocol error in err. There always is one, unless something is
// broken.
func (e *endpoint) asError(r *http.Request, err error) *authz.Error {
	var refused *authz.Error
	if errors.As(err, &refused) {
		return refused
	}
	e.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("path", r.URL.Path), slog.String("cause", err.Error()))
	return broken("unexpected")
}

// writeError answers a program.
func (e *endpoint) writeError(w http.ResponseWriter, r *http.Request, refused *authz.Error) {
	if refused.Code == invalidClient && refused.Status == http.StatusUnauthorized {
		// RFC 6749 §5.2, RFC 7617 §2.
		w.Header().Set("WWW-Authenticate", "Basic realm="+quoted(e.as.Issuer())+`, charset="UTF-8"`)
	}
	if refused.Code == invalidToken && refused.Status == http.StatusUnauthorized || refused.Code == insufficientScope {
		w.Header().Set("WWW-Authenticate", schemeOf(r)+" realm="+quoted(e.as.Issuer())+", error="+quoted(refused.Code)) // RFC 6750 §3
	}
	setRetryAfter(w.Header(), refused)
	e.writeJSON(w, r, refused.Status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`

		RejectedRedirectURIs []authz.RejectedRedirectURI `json:"rejected_redirect_uris,omitempty"`
	}{refused.Code, refused.Description, refused.RejectedRedirectURIs})
}

// schemeOf is the scheme in which an access token was presented (RFC 9449 §7.1), which the
// challenge about it then has.
func schemeOf(r *http.Request) string {
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "DPoP") {
		return "DPoP"
	}
	return "Bearer"
}

// setRetryAfter: RFC 9110 §10.2.3, in whole seconds.
func setRetryAfter(h http.Header, refused *authz.Error) {
	if refused.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((refused.RetryAfter+time.Second-1)/time.Second), 10))
	}
}

// writeJSON writes v whole or, if it cannot be encoded, an error instead.
func (e *endpoint) writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	a := answers.Get().(*answer)
	if err := a.encoder.Encode(v); err != nil { // a claim of the host's that JSON does not know
		e.log.LogAttrs(r.Context(), slog.LevelError, "answer cannot be encoded", slog.String("path", r.URL.Path), slog.String("cause", err.Error()))
		status = http.StatusInternalServerError
		a.text.WriteString(`{"error":"server_error"}` + "\n")
	}
	a.send(w, status)
}

// answer is room for one that is written as JSON.
type answer struct {
	text    bytes.Buffer
	encoder *json.Encoder
}

// send writes the answer, whose room may be used again then.
func (a *answer) send(w http.ResponseWriter, status int) {
	w.Header()["Content-Type"] = inJSON
	w.WriteHeader(status)
	w.Write(a.text.Bytes()) // if the peer is gone, nobody is left to tell
	clear(a.text.Bytes())   // credentials, mostly
	a.text.Reset()
	answers.Put(a)
}

var answers = sync.Pool{New: func() any {
	a := new(answer)
	a.encoder = json.NewEncoder(&a.text)
	return a
}}

// quoted is a quoted-string (RFC 9110 §5.6.4).
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
