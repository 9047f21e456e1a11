package self

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/conformance"
)

// prompts are what users are asked on their devices, by the user's name.
type prompts struct {
	mu      sync.Mutex
	waiting map[string][]string
}

// backchannel are the hooks of OpenID Connect CIBA.
func (s *Site) backchannel() *authz.BackchannelAuthentication {
	return &authz.BackchannelAuthentication{
		FindUser: func(_ context.Context, r *authz.BackchannelAuthenticationRequest) (string, error) {
			name := r.LoginHint
			if r.Subject != "" {
				name = r.Subject
			}
			if !slices.ContainsFunc(Users, func(u conformance.User) bool { return u.Name == name }) {
				return "", authz.ErrUnknownUser
			}
			return name, nil
		},
		Prompt: func(_ context.Context, r *authz.BackchannelAuthenticationRequest) error {
			s.prompts.mu.Lock()
			defer s.prompts.mu.Unlock()
			if s.prompts.waiting == nil {
				s.prompts.waiting = map[string][]string{}
			}
			s.prompts.waiting[r.Subject] = append(s.prompts.waiting[r.Subject], r.ID)
			return nil
		},
	}
}

// answerBackchannel has a user answer all that waits.
func (s *Site) answerBackchannel(ctx context.Context, user conformance.User, decision conformance.Decision) error {
	s.prompts.mu.Lock()
	waiting := s.prompts.waiting[user.Name]
	delete(s.prompts.waiting, user.Name)
	s.prompts.mu.Unlock()
	var problems []error
	for _, id := range waiting {
		asked, err := s.Server.PendingBackchannelAuthentication(ctx, id)
		if err != nil {
			continue // it has expired
		}
		answer := &authz.BackchannelAnswer{ID: id, Approve: decision == conformance.Allow,
			User: &authz.User{Subject: user.Name, AuthTime: s.now(), ACR: acrStrong, AMR: []string{"pwd", "otp"}}}
		for _, scope := range asked.Scopes {
			answer.Scopes = append(answer.Scopes, scope.Name)
		}
		problems = append(problems, s.Server.CompleteBackchannelAuthentication(ctx, answer))
	}
	return errors.Join(problems...)
}
