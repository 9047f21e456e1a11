package engine

import (
	"context"
	"slices"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
)

// refreshHandler is fosite's refresh grant with the scope parameter of RFC 6749 §6,
// which fosite ignores: the access token may be narrower than the authorization,
// never wider.
type refreshHandler struct {
	*oauth2.RefreshTokenGrantHandler
}

func (h *refreshHandler) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	u := unitFrom(ctx)
	asked := u.token.Scopes
	if err := h.RefreshTokenGrantHandler.HandleTokenEndpointRequest(ctx, r); err != nil {
		return err
	}
	granted := r.GetGrantedScopes()
	for _, scope := range asked {
		if !granted.Has(scope) {
			u.reason = "scope_not_granted"
			return fosite.ErrInvalidScope
		}
	}
	if len(asked) == 0 {
		return nil
	}
	narrowed := slices.DeleteFunc(slices.Clone(granted), func(scope string) bool { return !slices.Contains(asked, scope) })
	r.(*fosite.AccessRequest).GrantedScope = narrowed
	return nil
}
