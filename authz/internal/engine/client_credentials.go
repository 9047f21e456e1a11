package engine

import (
	"context"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
)

// clientCredentialsHandler is fosite's client credentials grant (RFC 6749 §4.4)
// with the right error for a public client, and with the scopes granted, which
// fosite leaves to its embedder.
type clientCredentialsHandler struct {
	*oauth2.ClientCredentialsGrantHandler
}

func (h *clientCredentialsHandler) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	if h.CanHandleTokenEndpointRequest(ctx, r) && r.GetClient().IsPublic() {
		unitFrom(ctx).reason = "public_client"
		return fosite.ErrUnauthorizedClient
	}
	if err := h.ClientCredentialsGrantHandler.HandleTokenEndpointRequest(ctx, r); err != nil {
		return err
	}
	for _, scope := range r.GetRequestedScopes() {
		r.GrantScope(scope)
	}
	return nil
}
