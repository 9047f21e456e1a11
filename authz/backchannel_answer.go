package authz

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// What the user says to a backchannel authentication request: OpenID Connect CIBA Core §8.

// BackchannelAnswer is what a user has decided about a backchannel authentication request.
type BackchannelAnswer struct {
	// ID is that of [BackchannelAuthenticationRequest].
	ID string

	// User is who has answered, as the host has just made sure: Subject has to be that of the
	// request; AuthTime, ACR and AMR tell how they authenticated.
	User *User

	// Approve is the decision; Scopes are those of the request that the user allows. openid
	// need not be among them, and what the request does not hold is left out.
	Approve bool
	Scopes  []string
}

// pendingBackchannel is a request that can be decided about.
type pendingBackchannel struct {
	*authorization
	id    string
	file  *storage.Code
	asked backchannelRequest
}

// PendingBackchannelAuthentication is what a user has to be asked, for the page or app that asks
// them: under the ID that Prompt was given, at any replica. It fails with an *[Error], whose
// Reason is backchannel_answered if there is nothing to answer (any more).
//
// See to it that the user whom the answer names is signed in.
func (s *Server) PendingBackchannelAuthentication(ctx context.Context, id string) (*BackchannelAuthenticationRequest, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	pending, refused := s.openBackchannel(ctx, id, s.now())
	if refused != nil {
		return nil, s.report(ctx, refused, "", "")
	}
	prompt, refused := pending.describe(ctx)
	if refused != nil {
		return nil, s.report(ctx, refused, pending.client.ID, pending.asked.Subject)
	}
	return prompt, nil
}

// CompleteBackchannelAuthentication files what the user has decided (OpenID Connect CIBA Core
// §8), at any replica. It counts once, of the user who was asked, and until the request expires.
// A client in ping mode is told soon afterwards, in the background (§10.2); should that get lost,
// with the process for instance, it still gets its answer by asking.
//
// It fails with an *[Error] whose Reason is backchannel_answered if the request does not exist,
// has expired or was answered before, and answered_by_another_user if User is not who was asked:
// then the request goes on waiting.
func (s *Server) CompleteBackchannelAuthentication(ctx context.Context, answer *BackchannelAnswer) error {
	ctx, release := s.bounded(ctx)
	defer release()
	if answer.User == nil || answer.User.Subject == "" {
		return s.report(ctx, broken("backchannel_answer_without_user", errors.New("BackchannelAnswer.User is missing, or has no Subject; say who has answered")), "", "")
	}
	pending, refused := s.openBackchannel(ctx, answer.ID, s.now())
	if refused != nil {
		return s.report(ctx, refused, "", answer.User.Subject)
	}
	if answer.User.Subject != pending.asked.Subject {
		return s.report(ctx, failed(accessDenied, "answered_by_another_user", "Another user was asked."), pending.client.ID, answer.User.Subject)
	}
	if refused := pending.decide(ctx, answer); refused != nil {
		return s.report(ctx, refused, pending.client.ID, answer.User.Subject)
	}
	return nil
}

// backchannelAnswered is the refusal where there is nothing to answer, whatever the reason.
func backchannelAnswered() *Error {
	return failed(invalidRequest, "backchannel_answered", "This request has been answered already, or has expired.")
}

// openBackchannel finds the request of this ID, and judges it again.
func (s *Server) openBackchannel(ctx context.Context, id string, at time.Time) (*pendingBackchannel, *Error) {
	file, err := s.config.Storage.Code(ctx, digestOf(id))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, backchannelAnswered()
	case err != nil:
		return nil, unavailable(err)
	case file.Kind != storage.BackchannelPrompt || !file.ConsumedAt.IsZero() || !at.Before(file.ExpiresAt):
		return nil, backchannelAnswered()
	}
	b := &pendingBackchannel{id: id, file: file}
	if err := json.Unmarshal(file.Request, &b.asked); err != nil || len(b.asked.Device) != storage.DigestSize {
		return nil, broken("backchannel_request_unreadable", errors.Join(err, errors.New("the record of a backchannel request is not one of ours")))
	}
	client, documentHost, err := s.findClient(ctx, file.ClientID, netip.Addr{})
	switch {
	case err != nil:
		return nil, unavailable(err)
	case client == nil || s.config.BackchannelAuthentication == nil || !slices.Contains(grantTypesOf(client), grantBackchannel):
		return nil, backchannelAnswered()
	}
	a, refused := s.judgeDevice(ctx, client, &b.asked.deviceRequest, at)
	if refused != nil {
		return nil, refused
	}
	// Whoever ends all that a user has authorized, because of a lost device for instance, ends
	// what waits to be answered there.
	a.documentHost, a.unendedSince = documentHost, file.IssuedAt
	b.authorization = a
	return b, nil
}

// describe is what to ask the user.
func (b *pendingBackchannel) describe(ctx context.Context) (_ *BackchannelAuthenticationRequest, refused *Error) {
	since := b.at
	if b.file != nil {
		since = b.file.IssuedAt
	}
	prompt := &BackchannelAuthenticationRequest{
		ID: b.id, Client: cloneClient(b.client), Subject: b.asked.Subject,
		BindingMessage: b.asked.BindingMessage, ACRValues: slices.Clone(b.asked.ACRValues),
		SelfDescribed: selfDescribed(b.client, b.documentHost), ClientIDHost: b.documentHost,
		Address: b.asked.Address, At: since, ExpiresAt: b.asked.Until,
	}
	if prompt.Details, refused = b.describeDetails(ctx); refused != nil {
		return nil, refused
	}
	for _, identifier := range b.resources {
		if r := b.resource(identifier); r != nil {
			prompt.Resources = append(prompt.Resources, *r)
		}
	}
	for _, scope := range b.shown() {
		prompt.Scopes = append(prompt.Scopes, ScopePrompt{Name: scope, Description: b.config.Scopes[scope]})
	}
	return prompt, nil
}

// decide stores the decision, and uses up the prompt, in one commit.
func (b *pendingBackchannel) decide(ctx context.Context, answer *BackchannelAnswer) *Error {
	var request storage.Digest
	copy(request[:], b.asked.Device)
	decision := storage.Code{
		Digest: backchannelDecision(request), Kind: storage.BackchannelDecision, ClientID: b.client.ID,
		IssuedAt: b.at, ExpiresAt: b.asked.Until,
	}
	w := storage.Write{At: b.at, ConsumeCodes: []storage.Digest{b.file.Digest}}
	user := answer.User
	event := Event{Type: AuthorizationDenied, ClientID: b.client.ID, Subject: user.Subject, Scopes: b.scopes, Reason: "denied_by_user"}
	var denied *Error
	if answer.Approve {
		if _, denied = b.allowed(ctx, user); denied != nil && denied.Code != accessDenied {
			return denied
		}
	}
	if answer.Approve && denied == nil {
		scopes := b.granted(answer.Scopes)
		grant := b.newGrant(user, scopes, b.asked.Until)
		decision.GrantID, w.Grants = grant.ID, []storage.Grant{*grant}
		if b.config.Lifetimes.Consent >= 0 {
			// It is not relied on here, but lets the user see what they have connected.
			consent, err := b.newConsent(ctx, user.Subject, scopes)
			if err != nil {
				return unavailable(err)
			}
			w.Consents = []storage.Consent{*consent}
		}
		w.Unended = []storage.Unended{{Subject: user.Subject, ClientID: b.client.ID, Since: b.unendedSince}}
		event = Event{Type: AuthorizationGranted, ClientID: b.client.ID, Subject: user.Subject, GrantID: grant.ID, Scopes: scopes}
	}
	w.Codes = []storage.Code{decision}
	err := b.config.Storage.Commit(ctx, w)
	if errors.Is(err, storage.ErrRevoked) {
		// The client need not wait any longer for what cannot be given.
		denied = failed(accessDenied, "ended_meanwhile", "The user's authorizations were ended while this one was being given. Start again.").because(err)
		decision.GrantID = ""
		err = b.config.Storage.Commit(ctx, storage.Write{At: b.at, ConsumeCodes: w.ConsumeCodes, Codes: []storage.Code{decision}})
	}
	switch {
	case errors.Is(err, storage.ErrConsumed), errors.Is(err, storage.ErrNotFound), errors.Is(err, storage.ErrExists):
		return backchannelAnswered().because(err)
	case err != nil:
		return unavailable(err)
	}
	if denied == nil { // otherwise it is told with the refusal
		b.emit(ctx, event)
	}
	b.ping(ctx)
	return denied
}
