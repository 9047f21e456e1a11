package authz

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/authz/internal/keyring"
	"github.com/grantor-oauth/grantor/storage"
)

const (
	reasonRefreshReplayed = "refresh_token_replayed"
	answerPurpose         = "refresh answer"
)

// refresh: RFC 6749 §6, with rotation (RFC 9700 §4.14.2). A used token ends its
// grant when it comes back, unless it comes back at once with the same request: then
// the answer got lost on the way, or two tabs had the same idea, and the same answer
// is given again. Under FAPI 2.0 nothing is rotated.
func (s *Server) refresh(ctx context.Context, p *tokenPolicy, r *engine.TokenRequest) (*accessTokenAnswer, *Error) {
	presented := r.Parameters.Get("refresh_token")
	if presented == "" {
		return nil, missing("refresh_token")
	}
	if param := r.Parameters.Get("scope"); param != "" {
		var refused *Error
		if r.Scopes, refused = splitScope(param); refused != nil {
			return nil, refused
		}
	}
	token, refused := s.findRefreshToken(ctx, p, r, presented)
	if refused != nil {
		return nil, refused
	}
	if refused := s.activeAtRefresh(ctx, token.GrantID); refused != nil {
		return nil, refused
	}
	if !token.ConsumedAt.IsZero() {
		return s.refreshAgain(ctx, p, r, presented, token)
	}
	r.Refresh = token
	issued, _, err := s.engine.Token(ctx, r)
	if err != nil {
		return nil, s.fromEngine(err)
	}
	if !issued.ExpiresAt.After(r.At) {
		return nil, badGrant(reasonGrantEnding)
	}
	if err := p.addIDToken(ctx, issued); err != nil {
		return nil, err
	}
	if s.config.FAPI2 {
		keepRefreshToken(issued, presented)
	}
	answer := p.answerOf(issued)
	if s.config.Lifetimes.RefreshGrace > 0 && !s.config.FAPI2 {
		if issued.Write.ConsumeTokens[0].Answer, err = fileAnswer(presented, r, answer); err != nil {
			return nil, broken("answer_unsealable", err)
		}
	}
	p.useProof(issued.Write)
	switch err := s.config.Storage.Commit(ctx, *issued.Write); {
	case err == nil:
		s.emit(ctx, Event{Type: TokenRefreshed, ClientID: r.Client.ID, Subject: issued.Grant.Subject, GrantID: issued.Grant.ID, Scopes: issued.Scopes})
		return answer, nil
	case errors.Is(err, storage.ErrConsumed):
		// Another request was faster. What we made is forgotten; its answer is ours.
		if token, refused = s.findRefreshToken(ctx, p, r, presented); refused != nil {
			return nil, refused
		}
		return s.refreshAgain(ctx, p, r, presented, token)
	default:
		return nil, notCommitted(err)
	}
}

// findRefreshToken reads and judges the presented token. One of another client is as
// unknown as a random one, so that a stranger cannot end the grant with it.
func (s *Server) findRefreshToken(ctx context.Context, p *tokenPolicy, r *engine.TokenRequest, presented string) (*storage.Token, *Error) {
	token, err := s.config.Storage.Token(ctx, digestOf(presented))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, badGrant("refresh_token_unknown")
	case err != nil:
		return nil, unavailable(err)
	case token.Kind != storage.RefreshToken:
		return nil, badGrant("refresh_token_unknown")
	case token.ClientID != r.Client.ID:
		return nil, badGrant("refresh_token_of_another_client")
	case !token.RevokedAt.IsZero():
		return nil, badGrant("refresh_token_revoked")
	case !r.At.Before(token.ExpiresAt):
		return nil, badGrant("refresh_token_expired")
	case !p.held.confirms(token.Confirmation): // RFC 8705 §7.1, RFC 9449 §5, and before a replay means anything
		return nil, badGrant("refresh_token_bound_to_another_key")
	}
	return token, nil
}

// refreshAgain answers a refresh token that has been used before.
func (s *Server) refreshAgain(ctx context.Context, p *tokenPolicy, r *engine.TokenRequest, presented string, token *storage.Token) (*accessTokenAnswer, *Error) {
	grant, err := s.config.Storage.Grant(ctx, token.GrantID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, badGrant("grant_unknown")
	case err != nil:
		return nil, unavailable(err)
	case !grant.RevokedAt.IsZero():
		return nil, badGrant("grant_revoked")
	}
	// The window opens at the first use, and repeating does not extend it. A clock
	// that was set back must not hold it open.
	age := r.At.Sub(token.ConsumedAt)
	if age < s.config.Lifetimes.RefreshGrace && age > -s.config.Lifetimes.RefreshGrace {
		if answer := openAnswer(presented, r, token.Answer); answer != nil {
			if w := (storage.Write{At: r.At}); p.useProof(&w) {
				if err := s.config.Storage.Commit(ctx, w); err != nil {
					return nil, notCommitted(err)
				}
			}
			return answer, nil
		}
	}
	return nil, s.endReplayed(ctx, r, storage.Write{At: r.At, Revoke: []storage.Revocation{
		{GrantID: token.GrantID, Reason: reasonRefreshReplayed},
	}})
}

func fileAnswer(presented string, r *engine.TokenRequest, answer *accessTokenAnswer) ([]byte, error) {
	filed := filedAnswer{Asked: askedOf(r), Answer: *answer}
	plain, err := filed.appendJSON(make([]byte, 0, 384)) // which is nearly always enough
	if err != nil {
		return nil, err
	}
	return keyring.SealFor(presented, answerPurpose, plain)
}

// openAnswer is the answer filed with a used token, if the same was asked; nil
// otherwise.
func openAnswer(presented string, r *engine.TokenRequest, sealed []byte) *accessTokenAnswer {
	plain, err := keyring.UnsealWith(presented, answerPurpose, sealed)
	if err != nil {
		return nil
	}
	var filed filedAnswer
	if err := json.Unmarshal(plain, &filed); err != nil || filed.Asked != askedOf(r) {
		return nil
	}
	return &filed.Answer
}

// askedOf is the part of a refresh request that shapes its answer.
func askedOf(r *engine.TokenRequest) string {
	asked := sorted(r.Scopes) + "\n" + sorted(r.Parameters["resource"])
	if r.Confirmation != nil {
		asked += "\n" + string(r.Confirmation)
	}
	if details := r.Parameters.Get("authorization_details"); details != "" {
		asked += "\n" + details
	}
	return asked
}

func sorted(list []string) string {
	if len(list) > 1 {
		list = slices.Clone(list)
		slices.Sort(list)
	}
	return strings.Join(list, " ")
}
