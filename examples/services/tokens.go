package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// tokens are what a service gets from the authorization server.
type tokens struct {
	*assertions
	issuer string

	mu   sync.Mutex
	kept map[[2]string]tokenAnswer // the service's own, by resource and scope
}

func newTokens(clientID, issuer string) (*tokens, error) {
	a, err := newAssertions(clientID, issuer)
	return &tokens{assertions: a, issuer: issuer, kept: map[[2]string]tokenAnswer{}}, err
}

// tokenAnswer is a success response (RFC 6749 §5.1).
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	Scope       string `json:"scope"`
	ExpiresIn   int    `json:"expires_in"`

	expiresAt time.Time
}

// refusal is an error response (RFC 6749 §5.2).
type refusal struct {
	Status      int
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the authorization server answers %d %s: %s", r.Status, r.Code, r.Description)
}

// spare is how long a token that is kept has to be good for yet.
const spare = time.Minute

// own is a token of the service's own (RFC 6749 §4.4) for one resource (RFC 8707). It is kept
// while it is good, and asked for once when several want it.
func (t *tokens) own(ctx context.Context, resource, scope string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept, there := t.kept[[2]string{resource, scope}]
	if there && time.Now().Add(spare).Before(kept.expiresAt) {
		return kept.AccessToken, nil
	}
	answer, err := t.ask(ctx, url.Values{"grant_type": {"client_credentials"}, "resource": {resource}, "scope": {scope}})
	if err != nil {
		return "", err
	}
	t.kept[[2]string{resource, scope}] = *answer
	return answer.AccessToken, nil
}

// onBehalf exchanges a token that was sent to this service for one with which it calls the
// next, for whom the first was (RFC 8693 §2.1). The service is the actor, by a token of its own.
func (t *tokens) onBehalf(ctx context.Context, received, resource, scope string) (string, error) {
	actor, err := t.own(ctx, t.issuer, mayAct)
	if err != nil {
		return "", err
	}
	answer, err := t.ask(ctx, exchangeForm(received, actor, resource, scope))
	if err != nil {
		return "", err
	}
	return answer.AccessToken, nil
}

func exchangeForm(subject, actor, resource, scope string) url.Values {
	const accessToken = "urn:ietf:params:oauth:token-type:access_token"
	return url.Values{
		"grant_type": {exchangeGrant}, "resource": {resource}, "scope": {scope},
		"subject_token": {subject}, "subject_token_type": {accessToken},
		"actor_token": {actor}, "actor_token_type": {accessToken},
	}
}

// ask sends a token request with a new assertion.
func (t *tokens) ask(ctx context.Context, form url.Values) (*tokenAnswer, error) {
	assertion, err := t.next()
	if err != nil {
		return nil, err
	}
	return t.askWith(ctx, assertion, form)
}

func (t *tokens) askWith(ctx context.Context, assertion string, form url.Values) (*tokenAnswer, error) {
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	asked := time.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.issuer+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := outbound.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body := json.NewDecoder(io.LimitReader(response.Body, maxBody))
	if response.StatusCode != http.StatusOK {
		refused := &refusal{Status: response.StatusCode}
		if err := body.Decode(refused); err != nil {
			return nil, fmt.Errorf("the authorization server answers %s, without JSON", response.Status)
		}
		return nil, refused
	}
	answer := new(tokenAnswer)
	if err := body.Decode(answer); err != nil {
		return nil, fmt.Errorf("what the authorization server answers is not to be understood: %w", err)
	}
	answer.expiresAt = asked.Add(time.Duration(answer.ExpiresIn) * time.Second)
	return answer, nil
}

// maxBody bounds what is read of one answer, in bytes.
const maxBody = 1 << 20

// outbound is what services call with. A token that is meant for one host must not follow a
// redirect to another.
var outbound = &http.Client{
	Timeout:       10 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}
