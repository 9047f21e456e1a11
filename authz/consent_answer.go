package authz

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/storage"
)

// A consent page is answered once: going back and approving after a denial does not
// work. But a double click sends the same answer twice, and the browser shows what the
// second one leads to; so the same answer within a moment leads to the same place.

// answerGrace is that moment.
const answerGrace = 30 * time.Second

const consentAnswerPurpose = "consent answer"

// answeredPage is a consent page with the user's answer.
type answeredPage struct {
	sub     *ConsentSubmission
	state   *interaction
	at      time.Time
	granted []string
	consent *storage.Consent // to remember; nil if nothing is
}

// filedPage is what is kept of it, sealed under the interaction, which we do not keep.
type filedPage struct {
	Approve  bool      `json:"approve"`
	Scopes   []string  `json:"scopes"`
	Redirect string    `json:"redirect"`
	Form     *FormPost `json:"form,omitempty"`
}

func (p *answeredPage) keptUntil() time.Time { return p.state.ExpiresAt.Add(clockSlack) }

func (p *answeredPage) digest() storage.Digest {
	return storage.NewDigest(p.keptUntil(), interactionPurpose+p.state.ID)
}

// file adds to a Write what makes the answer count once.
func (p *answeredPage) file(w *storage.Write, response *AuthorizationResponse) error {
	plain, err := json.Marshal(filedPage{p.sub.Approve, p.granted, response.Redirect, response.Form})
	if err != nil {
		return err
	}
	sealed, err := keyring.SealFor(p.sub.Interaction, consentAnswerPurpose, plain)
	if err != nil {
		return err
	}
	w.Codes = append(w.Codes, storage.Code{
		Digest: p.digest(), Kind: storage.SeenOnce, Answer: sealed, IssuedAt: p.at, ExpiresAt: p.keptUntil(),
	})
	if p.consent != nil {
		w.Consents = append(w.Consents, *p.consent)
	}
	return nil
}

// answerAgain handles an answer to a page that has been answered.
func (a *authorization) answerAgain(ctx context.Context, user *User, p *answeredPage) (*AuthorizationResponse, error) {
	code, err := a.config.Storage.Code(ctx, p.digest())
	if errors.Is(err, storage.ErrNotFound) && a.pushed != nil {
		return nil, a.pushedGone(ctx, user.Subject) // in another window
	}
	if err != nil {
		return a.refuse(ctx, unavailable(err), user.Subject), nil
	}
	var filed filedPage
	plain, err := keyring.UnsealWith(p.sub.Interaction, consentAnswerPurpose, code.Answer)
	if err == nil {
		err = json.Unmarshal(plain, &filed)
	}
	age := p.at.Sub(code.IssuedAt)
	if err == nil && age < answerGrace && age > -answerGrace && filed.Approve == p.sub.Approve && slices.Equal(filed.Scopes, p.granted) {
		return &AuthorizationResponse{Redirect: filed.Redirect, Form: filed.Form}, nil
	}
	refused := failed(invalidRequest, "interaction_answered", "This page has been answered already. Go back to the application and start again.")
	refused.Status = http.StatusForbidden
	return nil, a.report(ctx, refused, a.client.ID, user.Subject)
}

// deny ends the interaction with access_denied.
func (a *authorization) deny(ctx context.Context, user *User, p *answeredPage) (*AuthorizationResponse, error) {
	denied := failed(accessDenied, "denied_by_user", "The user denied the request.")
	response, refused := a.redirect(ctx, url.Values{"error": {denied.Code}, "error_description": {denied.Description}})
	if refused != nil {
		return a.refuse(ctx, refused, user.Subject), nil
	}
	write := storage.Write{At: a.at}
	a.consumePushed(&write)
	if err := p.file(&write, response); err != nil {
		return a.refuse(ctx, broken("answer_unsealable", err), user.Subject), nil
	}
	switch err := a.config.Storage.Commit(ctx, write); {
	case errors.Is(err, storage.ErrExists), errors.Is(err, storage.ErrConsumed):
		return a.answerAgain(ctx, user, p)
	case a.pushed != nil && errors.Is(err, storage.ErrNotFound):
		return nil, a.pushedGone(ctx, user.Subject)
	case err != nil:
		return a.refuse(ctx, unavailable(err), user.Subject), nil
	}
	a.emit(ctx, Event{Type: AuthorizationDenied, ClientID: a.client.ID, Subject: user.Subject, Scopes: a.scopes, Reason: denied.Reason})
	a.report(ctx, denied, a.client.ID, user.Subject)
	return response, nil
}
