package resource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// IntrospectionConfig is what [Introspection] makes a verifier of. Issuer, Audience,
// ClientID and ClientSecret are required; every other zero value is a safe default.
type IntrospectionConfig struct {
	// Issuer is the authorization server's identifier.
	Issuer string

	// Audience is this resource server's identifier. A token that is not for it is
	// invalid here (RFC 7662 §4). It also keeps a refresh token, which has no
	// audience, from passing as an access token.
	Audience string

	// ClientID and ClientSecret are what this resource server authenticates with, by
	// client_secret_basic (RFC 7662 §2.1, RFC 6749 §2.3.1).
	ClientID     string
	ClientSecret string

	// SignedAnswers demands answers that the issuer has signed (RFC 9701), and believes no
	// other; nil takes plain JSON. What a token opens then does not rest on the connection
	// to the issuer alone, which something in between may end.
	SignedAnswers *SignedAnswers

	// Endpoint is the introspection endpoint. Empty means the one in the issuer's
	// metadata (RFC 8414 §2), which is looked up once.
	Endpoint string

	// CacheFor is how long an answer about an active token may be used again, at
	// most 5 minutes. A revocation stays unseen for as long (RFC 7662 §4), so the
	// default is not to.
	CacheFor time.Duration

	// HTTPClient asks; nil for a plain one. Its redirect policy is replaced, and 5
	// seconds are the limit whatever its own is.
	HTTPClient *http.Client

	// Clock tells the time; nil for time.Now.
	Clock func() time.Time

	// Leeway is how far the issuer's clock may be off. Default 30 s, at most 5
	// minutes; negative for none.
	Leeway time.Duration
}

// Introspection verifies access tokens, opaque ones too, by asking their issuer (RFC
// 7662 §2). It asks nothing until the first token comes.
func Introspection(config IntrospectionConfig) (Verifier, error) {
	v := &introspector{config: config, client: outbound(config.HTTPClient), endpoint: config.Endpoint}
	faults := []error{checkIssuer(config.Issuer), checkAudienceConfig(config.Audience)}
	if config.Endpoint != "" {
		faults = append(faults, checkURL("Endpoint", config.Endpoint))
	}
	if config.ClientID == "" || config.ClientSecret == "" {
		faults = append(faults, errors.New("resource: ClientID or ClientSecret is missing; register this API as a client at the server, as only those who authenticate may introspect (RFC 7662 §2.1)"))
	}
	if config.CacheFor < 0 || config.CacheFor > 5*time.Minute {
		faults = append(faults, errors.New("resource: CacheFor is negative or more than 5 minutes; a revoked token would be good for as long"))
	}
	var err error
	v.config.Leeway, err = checkLeeway(config.Leeway)
	faults = append(faults, err)
	if v.config.Clock == nil {
		v.config.Clock = time.Now
	}
	if config.SignedAnswers != nil {
		v.signed, err = newSignedAnswers(&v.config, v.client)
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if config.CacheFor > 0 {
		v.answers = &answers{kept: map[answerKey]answer{}}
	}
	return v, nil
}

type introspector struct {
	config  IntrospectionConfig
	client  *http.Client
	answers *answers       // nil for none
	signed  *signedAnswers // nil if plain ones will do

	mu       sync.Mutex
	endpoint string // empty until discovered
}

// VerifyAccessToken asks the issuer, and holds its answer against the clock and the
// audience again.
func (v *introspector) VerifyAccessToken(ctx context.Context, token string) (*Token, error) {
	if token == "" || len(token) > maxTokenBytes {
		return nil, refused("empty, or longer than %d bytes", maxTokenBytes)
	}
	now := v.config.Clock()
	if body, ok := v.answers.find(token, now); ok {
		return v.read(body, now)
	}
	got, err := v.ask(ctx, token)
	if err != nil {
		return nil, fmt.Errorf("resource: the issuer could not be asked about the token: %w", err)
	}
	asked, body := now, got.body
	now = v.config.Clock() // the answer may have taken its time
	if v.signed != nil {
		if body, err = v.signed.introspection(ctx, got, asked, now); err != nil {
			return nil, fmt.Errorf("resource: the issuer's answer cannot be believed: %w", err)
		}
	}
	t, err := v.read(body, now)
	if err == nil {
		until := now.Add(v.config.CacheFor)
		if !t.ExpiresAt.IsZero() && t.ExpiresAt.Before(until) {
			until = t.ExpiresAt
		}
		v.answers.keep(token, body, now, until)
	}
	return t, err
}

// read makes a token of an introspection answer (RFC 7662 §2.2).
func (v *introspector) read(body []byte, now time.Time) (*Token, error) {
	c, err := decodeClaims(body)
	if err != nil {
		return nil, errors.New("resource: the issuer's answer is not a JSON object of the shape of RFC 7662 §2.2")
	}
	switch active, ok := c.all["active"].(bool); {
	case !ok:
		return nil, errors.New("resource: the issuer's answer lacks the member active (RFC 7662 §2.2); check that Endpoint is its introspection endpoint")
	case !active:
		return nil, refused("not active: expired, revoked or not the issuer's")
	}
	if c.Issuer == "" {
		c.Issuer = v.config.Issuer // it may stay unsaid, but this is who said the rest
	}
	if c.Issuer != v.config.Issuer {
		return nil, refused("not from issuer %q", v.config.Issuer)
	}
	if err := errors.Join(c.checkAudience(v.config.Audience), c.checkTimes(now, v.config.Leeway)); err != nil {
		return nil, err
	}
	return c.token(), nil
}

// answered is an answer as it came.
type answered struct {
	body        []byte
	contentType string
}

// ask sends the introspection request (RFC 7662 §2.1).
func (v *introspector) ask(ctx context.Context, token string) (*answered, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	endpoint, err := v.where(ctx)
	if err != nil {
		return nil, err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// RFC 6749 §2.3.1: each half is form-urlencoded before it is joined with a colon.
	req.SetBasicAuth(url.QueryEscape(v.config.ClientID), url.QueryEscape(v.config.ClientSecret))
	if v.signed != nil {
		req.Header.Set("Accept", answerType) // RFC 9701 §4
	}
	body, header, err := fetch(v.client, req)
	var status *statusError
	if errors.As(err, &status) && (status.status == http.StatusUnauthorized || status.status == http.StatusForbidden) {
		return nil, fmt.Errorf("%w; check ClientID and ClientSecret", err)
	}
	if err != nil {
		return nil, err
	}
	return &answered{body, header.Get("Content-Type")}, nil
}

// where is the introspection endpoint. Several may discover it at once at the start,
// which does no harm: each of them has a request to the issuer to make anyway.
func (v *introspector) where(ctx context.Context) (string, error) {
	v.mu.Lock()
	endpoint := v.endpoint
	v.mu.Unlock()
	if endpoint != "" {
		return endpoint, nil
	}
	m, err := discover(ctx, v.client, v.config.Issuer)
	if err != nil {
		return "", err
	}
	if endpoint, err = m.endpoint("introspection_endpoint", m.IntrospectionEndpoint); err != nil {
		return "", err
	}
	v.mu.Lock()
	v.endpoint = endpoint
	v.mu.Unlock()
	return endpoint, nil
}
