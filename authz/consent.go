package authz

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// interactionLifetime is how long a consent page can be answered.
const interactionLifetime = 30 * time.Minute

// interaction is the state of a consent page. It travels through the browser,
// sealed, so that showing the page writes nothing to the store.
type interaction struct {
	ID        string    `json:"id"` // answered once
	Query     string    `json:"query"`
	Subject   string    `json:"sub"`
	Browser   []byte    `json:"browser"` // SHA-256 of the browser's cookie
	ExpiresAt time.Time `json:"exp"`
}

const (
	interactionPurpose = "consent interaction"

	// maxInteraction leaves room, in the form that brings it back, for base64 and for
	// the scopes.
	maxInteraction = 30 << 10
)

// decide settles whether the user is asked (OpenID Connect Core §3.1.2.4, RFC 8252
// §8.6), and goes on accordingly.
func (a *authorization) decide(ctx context.Context, user *User, browser string) (*AuthorizationResponse, error) {
	decision, remembered, refused := a.decision(ctx, user)
	switch {
	case refused != nil:
		return a.refuse(ctx, refused, user.Subject), nil
	case decision == Allow:
		return a.issue(ctx, user, a.scopes, nil)
	case a.prompts("none"):
		return a.refuse(ctx, failed(consentRequired, "consent_required", "The user has to be asked for consent."), user.Subject), nil
	}
	return a.prompt(ctx, user, remembered, browser)
}

// decision asks the hook, or decides without one. A denial is an error.
func (a *authorization) decision(ctx context.Context, user *User) (_ Decision, remembered []string, _ *Error) {
	remembered, err := a.remembered(ctx, user.Subject)
	if err != nil {
		return Ask, nil, unavailable(err)
	}
	decision := a.defaultDecision(remembered)
	if a.config.Consent != nil {
		person := *user
		decision, err = a.config.Consent(ctx, &ConsentRequest{
			Client: cloneClient(a.client), User: &person,
			Scopes: slices.Clone(a.scopes), Resources: slices.Clone(a.resources), AuthorizationDetails: joinDetails(a.details), Remembered: slices.Clone(remembered),
			RedirectURI: a.redirectURI, Default: decision,
		})
		if err != nil {
			return Ask, nil, broken("consent_hook_failed", err)
		}
	}
	if decision == Deny {
		a.emit(ctx, Event{Type: AuthorizationDenied, ClientID: a.client.ID, Subject: user.Subject, Scopes: a.scopes, Reason: "denied_by_host"})
		return Deny, nil, failed(accessDenied, "denied_by_host", "The request was denied.")
	}
	return decision, remembered, nil
}

func (a *authorization) defaultDecision(remembered []string) Decision {
	switch {
	case a.prompts("consent"), impersonable(a.client, a.redirectURI):
		return Ask
	case a.client.FirstParty:
		return Allow
	case a.details != nil: // each is a question of its own; what is remembered is scopes
		return Ask
	case remembered != nil && len(without(a.scopes, remembered)) == 0:
		return Allow
	}
	return Ask
}

// remembered is what of this request the user has granted before; nil if there is no
// consent to remember.
func (a *authorization) remembered(ctx context.Context, subject string) ([]string, error) {
	if a.config.Lifetimes.Consent < 0 {
		return nil, nil
	}
	consent, err := a.config.Storage.Consent(ctx, subject, a.client.ID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case !consent.ExpiresAt.IsZero() && !a.at.Before(consent.ExpiresAt):
		return nil, nil
	case len(without(a.resources, consent.Resources)) > 0:
		return nil, nil // what was granted at one resource was not at another
	}
	a.reliesOn(consent)
	return append([]string{}, within(a.scopes, consent.Scopes)...), nil
}

// reliesOn notes that what follows presupposes a consent: it must not be withdrawn
// before the commit.
func (a *authorization) reliesOn(consent *storage.Consent) {
	a.unendedSince = earlier(a.unendedSince, consent.GrantedAt)
}

// prompt makes the consent page.
func (a *authorization) prompt(ctx context.Context, user *User, remembered []string, browser string) (*AuthorizationResponse, error) {
	sealed, refused := a.sealInteraction(ctx, interactionPurpose, interaction{
		Query: a.remember().Encode(), Subject: user.Subject, ExpiresAt: a.at.Add(interactionLifetime),
	}, browser)
	switch {
	case refused != nil && refused.Reason == "browser_missing":
		return nil, a.report(ctx, refused, a.client.ID, user.Subject)
	case refused != nil:
		return a.refuse(ctx, refused, user.Subject), nil
	}
	prompt := &ConsentPrompt{
		Client: a.client, User: user, Interaction: sealed,
		Loopback: impersonable(a.client, a.redirectURI) && onDevice(a.redirectURI),
	}
	prompt.SelfDescribed, prompt.ClientIDHost = selfDescribed(a.client, a.documentHost), a.documentHost
	if u, err := url.Parse(a.redirectURI); err == nil {
		if prompt.RedirectHost = u.Host; u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			prompt.RedirectHost = u.Scheme
		}
	}
	if prompt.Scopes, prompt.Resources, prompt.Details, refused = a.question(ctx, remembered); refused != nil {
		return a.refuse(ctx, refused, user.Subject), nil
	}
	return &AuthorizationResponse{Consent: prompt}, nil
}

// question is what the user is asked to grant, of whichever grant it is.
func (a *authorization) question(ctx context.Context, remembered []string) (scopes []ScopePrompt, resources []Resource, details []DetailPrompt, refused *Error) {
	if details, refused = a.describeDetails(ctx); refused != nil {
		return nil, nil, nil, refused
	}
	for _, identifier := range a.resources {
		if r := a.resource(identifier); r != nil {
			resources = append(resources, *r)
		}
	}
	for _, scope := range a.shown() {
		scopes = append(scopes, ScopePrompt{
			Name: scope, Description: a.config.Scopes[scope], Remembered: slices.Contains(remembered, scope),
		})
	}
	return scopes, resources, details, nil
}

// SubmitConsent handles the answer of the consent page. The request is judged again
// from the start; the answer counts once, from the browser that was shown the page,
// and for the user who was asked (RFC 6819 §4.4.1.8, RFC 9700 §4.7).
func (s *Server) SubmitConsent(ctx context.Context, sub *ConsentSubmission) (*AuthorizationResponse, error) {
	ctx, release := s.bounded(ctx)
	defer release()
	at := s.now()
	state, refusal := s.openInteraction(ctx, interactionPurpose, sub, at)
	if refusal != nil {
		return nil, s.report(ctx, refusal, "", "")
	}
	params, err := url.ParseQuery(state.Query)
	if err != nil {
		return nil, s.report(ctx, broken("interaction_unreadable", err), "", "")
	}
	a := s.newAuthorization(params, at)
	a.answering = true
	if response, err := a.validate(ctx); response != nil || err != nil {
		return response, asError(err)
	}
	user, response, err := a.user(&AuthorizationRequest{Parameters: params, HTTP: sub.HTTP, Browser: sub.Browser})
	if response != nil || err != nil {
		return response, err
	}
	if user.Subject != state.Subject {
		// Another account is signed in now: it has to be asked itself.
		return &AuthorizationResponse{Redirect: a.restartURL()}, nil
	}
	if _, _, refused := a.decision(ctx, user); refused != nil { // the hook may have changed its mind
		return a.refuse(ctx, refused, user.Subject), nil
	}
	page := &answeredPage{sub: sub, state: state, at: at, granted: a.granted(sub.Scopes)}
	if !sub.Approve || (len(page.granted) == 0 && len(a.scopes) > 0 && a.details == nil) {
		return a.deny(ctx, user, page)
	}
	if s.config.Lifetimes.Consent >= 0 {
		if page.consent, err = a.newConsent(ctx, user.Subject, page.granted); err != nil {
			return a.refuse(ctx, unavailable(err), user.Subject), nil
		}
	}
	return a.issue(ctx, user, page.granted, page)
}

// sealInteraction seals the state of a page, bound to the browser that is shown it.
func (s *Server) sealInteraction(ctx context.Context, purpose string, state interaction, browser string) (string, *Error) {
	if browser == "" {
		return "", broken("browser_missing", errors.New("no Browser was given; put the value of a random cookie into that field of the request"))
	}
	sum := sha256.Sum256([]byte(browser))
	state.ID, state.Browser = rand.Text(), sum[:]
	plain, err := json.Marshal(state)
	switch {
	case err != nil:
		return "", broken("interaction_unencodable", err)
	case len(plain) > maxInteraction:
		return "", failed(invalidRequest, "request_too_long", "The request is too long.")
	}
	sealed, err := s.keys.Seal(ctx, purpose, plain)
	if err != nil {
		return "", unavailable(err)
	}
	return sealed, nil
}

// openInteraction opens the sealed state and checks that this browser may answer.
func (s *Server) openInteraction(ctx context.Context, purpose string, sub *ConsentSubmission, at time.Time) (*interaction, *Error) {
	plain, err := s.keys.Unseal(ctx, purpose, sub.Interaction)
	var state interaction
	if err == nil {
		err = json.Unmarshal(plain, &state)
	}
	sum := sha256.Sum256([]byte(sub.Browser))
	var refused *Error
	switch {
	case err != nil:
		refused = failed(invalidRequest, "interaction_invalid", "This page is not valid any more. Go back to the application and start again.").because(err)
	case sub.Browser == "":
		refused = failed(invalidRequest, "browser_cookie_missing", "Your browser did not send the cookie that this page set. Go back to the application and start again.").
			because(errors.New("the cookie of the consent page did not come back; is the page reached by another scheme or host than Config.Issuer names, or does a proxy drop Set-Cookie?"))
	case subtle.ConstantTimeCompare(sum[:], state.Browser) != 1:
		refused = failed(invalidRequest, "interaction_of_another_browser", "This page was opened in another browser. Go back to the application and start again.")
	case !at.Before(state.ExpiresAt):
		refused = failed(invalidRequest, "interaction_expired", "This page has been open for too long. Go back to the application and start again.")
	default:
		return &state, nil
	}
	refused.Status = http.StatusForbidden
	return nil, refused
}

// newConsent is what is remembered from now on: what was granted earlier and not
// asked for this time stays, what was unticked goes.
func (a *authorization) newConsent(ctx context.Context, subject string, granted []string) (*storage.Consent, error) {
	consent := &storage.Consent{Subject: subject, ClientID: a.client.ID, Resources: a.resources, GrantedAt: a.at}
	old, err := a.config.Storage.Consent(ctx, subject, a.client.ID)
	switch {
	case err == nil && !sameSet(a.resources, old.Resources):
		// A record says nothing about which scope was for which resource, so the last
		// answer takes its place.
	case err == nil && (old.ExpiresAt.IsZero() || a.at.Before(old.ExpiresAt)):
		a.reliesOn(old)
		consent.Scopes = without(old.Scopes, a.scopes)
	case err != nil && !errors.Is(err, storage.ErrNotFound):
		return nil, err
	}
	consent.Scopes = append(consent.Scopes, granted...)
	if lifetime := a.config.Lifetimes.Consent; lifetime > 0 {
		consent.ExpiresAt = a.at.Add(lifetime)
	}
	return consent, nil
}
