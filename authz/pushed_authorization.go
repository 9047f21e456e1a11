package authz

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/authz/resource/dpop"
	"github.com/grantor-oauth/grantor/storage"
)

// PushedAuthorizationResponse is a successful answer of the pushed authorization request
// endpoint (RFC 9126 §2.2).
type PushedAuthorizationResponse struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"` // seconds
}

const (
	// requestURIPrefix is what RFC 9126 §2.2 suggests; a credential follows.
	requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

	// maxPushedRequest bounds Lifetimes.PushedRequest: RFC 9126 §2.2 calls for 5 to 600 s.
	maxPushedRequest = 10 * time.Minute

	// completion is how long a pushed request that was shown in time may take until the
	// user has signed in and decided.
	completion = time.Hour

	// resumeParam says, sealed, that the pushed request or request object beside it was shown
	// in time. It is on the way back from the sign-in page and in the state of the consent page.
	resumeParam   = "resume"
	resumePurpose = "pushed request"
)

// notPushed are the parameters that are no part of the authorization request: what
// authenticates the client, and what is ours.
var notPushed = []string{"client_secret", "client_assertion", "client_assertion_type", resumeParam, sinceParam}

// PushAuthorization handles a request to the pushed authorization request endpoint (RFC
// 9126 §2.1): the client is authenticated as at the token endpoint, and the request judged
// as the authorization endpoint would. Nothing is stored unless all of it is good.
func (s *Server) PushAuthorization(ctx context.Context, req *Request) (*PushedAuthorizationResponse, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	response, client, err := s.pushAuthorization(ctx, req)
	if err != nil {
		return nil, s.report(ctx, err, idOf(client), "")
	}
	return response, nil
}

func (s *Server) pushAuthorization(ctx context.Context, req *Request) (*PushedAuthorizationResponse, *Client, *Error) {
	if err := checkParameters(req.Parameters); err != nil {
		return nil, nil, err
	}
	client, err := s.authenticateClient(ctx, req)
	if err != nil {
		return nil, client, err
	}
	params := url.Values{}
	for name, values := range req.Parameters {
		if len(values) > 0 && values[0] != "" {
			params[name] = values
		}
	}
	for _, name := range notPushed {
		delete(params, name)
	}
	if params.Has("request_uri") { // §2.1
		return nil, client, failed(invalidRequest, "request_uri_in_pushed_request", "A pushed request must not contain a request_uri.")
	}
	proof, err := s.checkProof(ctx, req, "/par")
	if err != nil {
		return nil, client, err
	}
	// What a client may push is bounded in size by checkParameters and in time by its
	// lifetime; and in how often, for a public client is whoever knows its client_id.
	if err := s.admit(ctx, buckets(LimitPushedRequests, s.config.Limits.PushedRequests, client.ID, "", req.Address)); err != nil {
		return nil, client, err
	}
	at := s.now()
	pushed := &storage.Code{Kind: storage.PushedRequest, ClientID: client.ID, IssuedAt: at}
	a := s.newAuthorization(params, at)
	a.client, a.pushed = client, pushed
	// What is kept of a request object are its parameters (RFC 9126 §3): its signature and its
	// life have been judged by then.
	if err := a.checkRequestObject(ctx); err != nil {
		return nil, client, err
	}
	if err := a.checkPushedRedirectURI(); err != nil {
		return nil, client, err
	}
	if proof != nil { // RFC 9449 §10.1: as if dpop_jkt had been sent
		if named := once(a.params, "dpop_jkt"); named != "" && named != proof.JKT {
			return nil, client, failed(invalidRequest, "dpop_jkt_of_another_key", "The dpop_jkt is not that of the key of the DPoP proof.")
		}
		a.params.Set("dpop_jkt", proof.JKT)
	}
	for _, checks := range [][]check{checksBeforeRedirect, checksAfterRedirect} {
		for _, check := range checks {
			if err := check(a, ctx); err != nil {
				return nil, client, err
			}
		}
	}
	encoded, fault := json.Marshal(a.params)
	if fault != nil {
		return nil, client, broken("pushed_request_unencodable", fault)
	}
	lifetime := s.config.Lifetimes.PushedRequest
	pushed.Request, pushed.ExpiresAt = encoded, at.Add(lifetime+completion)
	// A used request is remembered for as long as it could come back.
	reference, digest := newCredential(pushed.ExpiresAt, pushed.ExpiresAt)
	pushed.Digest = digest
	w := storage.Write{At: at, Codes: []storage.Code{*pushed}}
	if proof != nil {
		w.Codes = append(w.Codes, usedProof(proof, at))
	}
	switch err := s.config.Storage.Commit(ctx, w); {
	case errors.Is(err, storage.ErrExists) && proof != nil:
		return nil, client, proofRefused(dpop.Replayed()) // the one thing added that may be there already
	case err != nil:
		return nil, client, unavailable(err)
	}
	return &PushedAuthorizationResponse{requestURIPrefix + reference, int64(lifetime / time.Second)}, client, nil
}

// checkPushedRequest puts the request that was pushed in the place of one that refers to
// it (RFC 9126 §4); whatever else stands beside the reference is ignored. Looking at it
// uses nothing up: people reload pages, and sign in. Whoever names another client than the
// one that pushed it learns nothing, and is sent nowhere.
func (a *authorization) checkPushedRequest(ctx context.Context) *Error {
	outer := a.params
	reference, found := strings.CutPrefix(once(outer, "request_uri"), requestURIPrefix)
	if !found {
		return nil
	}
	clientID := once(outer, "client_id")
	switch { // RFC 9101 §5
	case clientID == "":
		return missing("client_id")
	case once(outer, "request") != "":
		return twoRequests()
	}
	digest := digestOf(reference)
	pushed, err := a.config.Storage.Code(ctx, digest)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return badRequestURI("pushed_request_unknown")
	case err != nil:
		return unavailable(err)
	case pushed.Kind != storage.PushedRequest:
		return badRequestURI("pushed_request_unknown")
	case pushed.ClientID != clientID:
		return badRequestURI("pushed_request_of_another_client")
	case !pushed.ConsumedAt.IsZero() && !a.answering:
		return badRequestURI(reasonPushedUsed)
	case !a.at.Before(pushed.ExpiresAt):
		return badRequestURI("pushed_request_expired")
	}
	resume := once(outer, resumeParam)
	shown, err := a.keys.Unseal(ctx, resumePurpose, resume)
	if err != nil && !errors.Is(err, keyring.ErrInvalid) {
		return unavailable(err)
	}
	if err != nil || !bytes.Equal(shown, digest[:]) {
		if !a.at.Before(pushed.IssuedAt.Add(a.config.Lifetimes.PushedRequest)) {
			return badRequestURI("pushed_request_expired")
		}
		if resume, err = a.keys.Seal(ctx, resumePurpose, digest[:]); err != nil {
			return unavailable(err)
		}
	}
	params := url.Values{}
	if err := json.Unmarshal(pushed.Request, &params); err != nil {
		return broken("pushed_request_unreadable", err)
	}
	if since, sent := outer[sinceParam]; sent {
		params[sinceParam] = since
	}
	a.params, a.pushed, a.asked = params, pushed, pushed.IssuedAt
	a.reference = url.Values{
		"client_id": {clientID}, "request_uri": {requestURIPrefix + reference}, resumeParam: {resume},
	}
	return nil
}

const reasonPushedUsed = "pushed_request_used"

// badRequestURI is invalid_request_uri (RFC 9101 §7), worded the same whatever is wrong.
func badRequestURI(reason string) *Error {
	return failed(invalidRequestURI, reason, "This request has expired, or has been answered already. Go back to the application and start again.")
}

// checkWasPushed: RFC 9126 §5, §6.
func (a *authorization) checkWasPushed(context.Context) *Error {
	if a.pushed == nil && (a.config.RequirePushedAuthorizationRequests || a.client.RequirePushedAuthorizationRequests) {
		return failed(invalidRequest, "pushed_request_required", "Authorization requests have to be pushed (RFC 9126).")
	}
	return nil
}

// consumePushed uses the pushed request up, with what it led to.
func (a *authorization) consumePushed(w *storage.Write) {
	if a.pushed != nil {
		w.ConsumeCodes = append(w.ConsumeCodes, a.pushed.Digest)
	}
}

// pushedGone is the answer when somebody else was faster, on an error page: the client has
// had its answer.
func (a *authorization) pushedGone(ctx context.Context, subject string) *Error {
	return a.report(ctx, badRequestURI(reasonPushedUsed), a.client.ID, subject)
}
