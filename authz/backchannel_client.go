package authz

import (
	"slices"
	"strings"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
)

// What a client registers about backchannel authentication: OpenID Connect CIBA Core §4.

// checkBackchannel finds the faults of a client.
func (s *Server) checkBackchannel(c *Client, grants []string, fault func(field, format string, args ...any)) {
	uses := slices.Contains(grants, grantBackchannel)
	if uses && public(c) {
		fault("GrantTypes", "%s needs a client that authenticates, with Secrets or keys (CIBA Core §7.1)", grantBackchannel)
	}
	switch mode := c.BackchannelTokenDeliveryMode; {
	case mode != "" && mode != deliveryPoll && mode != deliveryPing:
		fault("BackchannelTokenDeliveryMode", "is %q; use %s or %s", mode, deliveryPoll, deliveryPing)
	case mode == deliveryPing && c.BackchannelClientNotificationEndpoint == "":
		fault("BackchannelClientNotificationEndpoint", "is empty; the mode %s needs it", deliveryPing)
	}
	if endpoint := c.BackchannelClientNotificationEndpoint; endpoint != "" {
		if err := fetch.Check(endpoint); err != nil {
			fault("BackchannelClientNotificationEndpoint", "%q: %v", endpoint, err)
		}
	}
	switch alg := c.BackchannelAuthenticationRequestSigningAlg; {
	case alg != "" && !slices.Contains(s.config.keyAlgs(), alg):
		fault("BackchannelAuthenticationRequestSigningAlg", "is %q; use one of %s", alg, strings.Join(s.config.keyAlgs(), ", "))
	case alg != "" && c.JWKS == "" && c.JWKSURI == "":
		fault("JWKS", "is empty, and JWKSURI too; BackchannelAuthenticationRequestSigningAlg needs the client's public keys")
	case alg == "" && uses && s.config.RequireSignedRequestObjects:
		fault("BackchannelAuthenticationRequestSigningAlg", "is empty; Config.RequireSignedRequestObjects needs it")
	}
}

// backchannelMetadata fills in what clients register, where the grant is on. Who uses it has to
// say how it learns of the answer.
func (s *Server) backchannelMetadata(m clientMetadata, c *Client) (err *Error) {
	if s.config.BackchannelAuthentication == nil {
		return nil
	}
	if c.BackchannelTokenDeliveryMode, err = m.text("backchannel_token_delivery_mode", maxMetadataText); err != nil {
		return err
	}
	uses := slices.Contains(c.GrantTypes, grantBackchannel)
	if mode := c.BackchannelTokenDeliveryMode; mode != deliveryPoll && mode != deliveryPing && (uses || mode != "") {
		return badMetadata("backchannel_token_delivery_mode", "must be poll or ping")
	}
	if c.BackchannelClientNotificationEndpoint, err = m.text("backchannel_client_notification_endpoint", maxMetadataURL); err != nil {
		return err
	}
	endpoint := c.BackchannelClientNotificationEndpoint
	if (endpoint != "" || c.BackchannelTokenDeliveryMode == deliveryPing) && fetch.Check(endpoint) != nil {
		return badMetadata("backchannel_client_notification_endpoint", "must be an https URL")
	}
	if c.BackchannelAuthenticationRequestSigningAlg, err = m.text("backchannel_authentication_request_signing_alg", maxMetadataText); err != nil {
		return err
	}
	if alg := c.BackchannelAuthenticationRequestSigningAlg; alg != "" && !slices.Contains(s.config.keyAlgs(), alg) {
		return badMetadata("backchannel_authentication_request_signing_alg", "is none of backchannel_authentication_request_signing_alg_values_supported")
	}
	c.BackchannelUserCodeParameter, err = m.flag("backchannel_user_code_parameter")
	return err
}
