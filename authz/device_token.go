package authz

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/storage"
)

// redeemDeviceCode: RFC 8628 §3.4, §3.5. As with a token of the client's own there is
// nothing for the engine to judge: the user has decided, and the grant is stored.
func (s *Server) redeemDeviceCode(ctx context.Context, p *tokenPolicy) (*accessTokenAnswer, *Error) {
	return s.redeemDecision(ctx, p, "device_code", storage.DeviceCode, decisionDigest)
}

// redeemDecision is what the grants have in common in which a client asks again and again whether
// the user has decided. The parameter of this name holds a code of this kind, and decided tells
// where the decision is filed.
func (s *Server) redeemDecision(ctx context.Context, p *tokenPolicy, param string, kind storage.CodeKind, decided func(storage.Digest) storage.Digest) (*accessTokenAnswer, *Error) {
	presented := p.params.Get(param)
	if presented == "" {
		return nil, missing(param)
	}
	decision, refused := s.findDecision(ctx, p, param, kind, digestOf(presented), decided)
	if refused != nil {
		return nil, refused
	}
	grant, err := s.config.Storage.Grant(ctx, decision.GrantID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, badGrant("grant_unknown")
	case err != nil:
		return nil, unavailable(err)
	case !grant.RevokedAt.IsZero():
		return nil, badGrant("grant_revoked")
	}
	return s.issueDecided(ctx, p, decision, grant)
}

// findDecision finds the user's approval. The code of another client is as unknown as a
// random one, and stays good for its own.
func (s *Server) findDecision(ctx context.Context, p *tokenPolicy, param string, kind storage.CodeKind, digest storage.Digest, decided func(storage.Digest) storage.Digest) (*storage.Code, *Error) {
	code, err := s.config.Storage.Code(ctx, digest)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, badGrant(param + "_unknown")
	case err != nil:
		return nil, unavailable(err)
	case code.Kind != kind:
		return nil, badGrant(param + "_unknown")
	case code.ClientID != p.client.ID:
		return nil, badGrant(param + "_of_another_client")
	case !p.at.Before(code.ExpiresAt):
		return nil, failed(expiredToken, param+"_expired", "The "+param+" has expired. Start again.")
	}
	decision, err := s.config.Storage.Code(ctx, decided(digest))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		if s.polls.tooSoon(digest, p.at) {
			return nil, failed(slowDown, "polled_too_soon", "The client polls too often. Wait 5 seconds longer from now on.")
		}
		return nil, failed(authorizationPending, "undecided", "The user has not decided yet.")
	case err != nil:
		return nil, unavailable(err)
	case decision.GrantID == "":
		refused := failed(accessDenied, "denied_by_user", "The user denied the request.")
		refused.Status = 400 // RFC 6749 §5.2: the status of every error here but invalid_client
		return nil, refused
	case !decision.ConsumedAt.IsZero():
		return nil, badGrant(param + "_used")
	}
	return decision, nil
}

// issueDecided makes the tokens. Using up the approval is part of the commit.
func (s *Server) issueDecided(ctx context.Context, p *tokenPolicy, decision *storage.Code, grant *storage.Grant) (*accessTokenAnswer, *Error) {
	resources, err := p.Resources(grant.Resources)
	if err != nil {
		return nil, s.fromEngine(err)
	}
	// What the client or the server has lost meanwhile is not issued.
	granted := slices.DeleteFunc(slices.Clone(grant.Scopes), func(scope string) bool {
		_, known := s.config.Scopes[scope]
		return !known || !slices.Contains(p.client.Scopes, scope)
	})
	details, err := p.AuthorizationDetails(ctx, grant.AuthorizationDetails)
	if err != nil {
		return nil, s.fromEngine(err)
	}
	issued := &engine.Issued{
		AuthorizationDetails: details,
		Scopes:               p.Scopes(resources, granted), Grant: grant, ExpiresAt: p.AccessTokenExpiresAt(grant, resources),
		Write: &storage.Write{At: p.at, ConsumeCodes: []storage.Digest{decision.Digest}, Live: []string{grant.ID}},
	}
	if !issued.ExpiresAt.After(p.at) {
		return nil, badGrant(reasonGrantEnding)
	}
	issued.AccessToken, err = s.mintAccessToken(ctx, engine.Mint{
		Client: p.client, Grant: grant, Scopes: issued.Scopes, Resources: resources, ExpiresAt: issued.ExpiresAt,
		Confirmation: p.confirmation, AuthorizationDetails: details,
	}, issued.Write)
	if err != nil {
		return nil, s.fromEngine(err)
	}
	if slices.Contains(grantTypesOf(p.client), grantRefreshToken) && p.IssueRefreshToken(granted) {
		expiresAt := p.RefreshTokenExpiresAt(grant)
		token, digest := newCredential(expiresAt, expiresAt)
		issued.RefreshToken = token
		refresh := storage.Token{
			Digest: digest, Kind: storage.RefreshToken, ClientID: p.client.ID, GrantID: grant.ID,
			Scopes: grant.Scopes, Resources: grant.Resources, IssuedAt: p.at, ExpiresAt: expiresAt,
		}
		if public(p.client) {
			refresh.Confirmation = p.confirmation // see bind
		}
		issued.Write.Tokens = append(issued.Write.Tokens, refresh)
	}
	if err := p.addIDToken(ctx, issued); err != nil {
		return nil, err
	}
	p.useProof(issued.Write)
	if err := s.config.Storage.Commit(ctx, *issued.Write); err != nil {
		return nil, notCommitted(err)
	}
	s.emit(ctx, Event{Type: TokenIssued, ClientID: p.client.ID, Subject: grant.Subject, GrantID: grant.ID, Scopes: issued.Scopes})
	return p.answerOf(issued), nil
}

// polls remembers how fast clients poll (RFC 8628 §3.5, OpenID Connect CIBA Core §11), in the memory of this process: of
// several replicas each makes devices slow down by itself, and a restart forgets.
type polls struct {
	mu         sync.Mutex
	young, old map[storage.Digest]poll
}

type poll struct {
	last     time.Time
	interval time.Duration
}

const (
	// maxPolls is how many codes each of the two halves holds.
	maxPolls = 8192

	// pollSlack is by how much an interval may seem shorter than the client kept it: the
	// poll before may have been longer on the way.
	pollSlack = time.Second
)

func newPolls() *polls { return &polls{young: map[storage.Digest]poll{}} }

// tooSoon notes a poll, and reports whether it came before the interval was over. Then the
// interval grows, for this and all polls that follow.
func (p *polls) tooSoon(code storage.Digest, at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen, known := p.young[code]
	if !known {
		if seen, known = p.old[code]; !known {
			seen.interval = pollInterval
		}
		if len(p.young) >= maxPolls {
			p.old, p.young = p.young, map[storage.Digest]poll{}
		}
	}
	soon := known && at.Before(seen.last.Add(seen.interval-pollSlack))
	if soon {
		seen.interval += pollInterval
	}
	seen.last = at
	p.young[code] = seen
	return soon
}
