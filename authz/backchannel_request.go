package authz

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The parameters of a backchannel authentication request: OpenID Connect CIBA Core §7.1, §7.2.

const (
	maxNotificationToken = 1024 // §7.1

	// minNotificationToken is what 128 bits take, in the alphabet of §7.1.
	minNotificationToken = 22

	// maxBindingMessage is how many characters the host may have to show: §7.1 has them be few.
	maxBindingMessage = 128

	maxUserCode = 256

	// backchannelWindow is longer than any signed request lives; see onceBy.
	backchannelWindow = 2 * maxRequestObjectLife
)

// The codes of §13.
const (
	unknownUserID         = "unknown_user_id"
	expiredLoginHintToken = "expired_login_hint_token"
	missingUserCode       = "missing_user_code"
	invalidUserCode       = "invalid_user_code"
	invalidBindingMessage = "invalid_binding_message"
)

// checksOfBackchannel are the checks of a request, in order.
var checksOfBackchannel = []func(*backchannel, context.Context) *Error{
	(*backchannel).checkSigned,
	(*backchannel).checkScopes,
	(*backchannel).checkNotificationToken,
	(*backchannel).checkHint,
	(*backchannel).checkBindingMessage,
	(*backchannel).checkUserCode,
	(*backchannel).checkRequestedExpiry,
}

// backchannelParameters are those that belong into a signed request and nowhere else (§7.1.1).
var backchannelParameters = []string{
	"scope", "client_notification_token", "acr_values", "login_hint_token", "id_token_hint", "login_hint",
	"binding_message", "user_code", "requested_expiry", "resource", "authorization_details",
}

// checkSigned puts the parameters in a signed request in the place of those outside, among which
// there must be none of them (§7.1.1). Whether a client signs is settled when it is registered
// (§4), so that nobody who gets hold of its secret may leave the signature out.
func (b *backchannel) checkSigned(ctx context.Context) *Error {
	if once(b.params, "request_uri") != "" {
		return failed(invalidRequest, "request_uri_not_supported", "The request_uri parameter is not supported.")
	}
	compact, algorithm := once(b.params, "request"), b.client.BackchannelAuthenticationRequestSigningAlg
	switch {
	case compact == "" && (algorithm != "" || b.config.RequireSignedRequestObjects):
		return failed(invalidRequest, "request_object_required", "The authentication requests of this client have to be signed.")
	case compact == "":
		return nil
	case algorithm == "":
		return badBackchannelRequest("alg_not_registered", "is signed, and the client has registered no backchannel_authentication_request_signing_alg")
	}
	for _, name := range backchannelParameters {
		if slices.ContainsFunc(b.params[name], func(value string) bool { return value != "" }) {
			return failed(invalidRequest, "parameter_outside_request", "Beside a signed request there must be no parameter that belongs into it.")
		}
	}
	signed, err := b.openRequestObject(ctx, compact)
	if err != nil {
		return asInvalidRequest(err)
	}
	t, err := parseRequestObject(signed, b.config.keyAlgs())
	if err != nil {
		return asInvalidRequest(err)
	}
	if err := b.checkRequestObjectClaims(t, b.at); err != nil {
		return asInvalidRequest(err)
	}
	switch c := &t.claims; {
	case c.IssuedAt == nil, c.NotBefore == nil, c.ID == "":
		return badBackchannelRequest("claims_missing", "must have an iat, an nbf and a jti")
	case t.algorithm != algorithm:
		return badBackchannelRequest("alg_not_registered", "is not signed with the backchannel_authentication_request_signing_alg of the client")
	case b.client.JWKS == "" && b.client.JWKSURI == "":
		return badBackchannelRequest("keys_missing", "cannot be verified: the client has registered no keys")
	}
	switch signed, err := b.someKey(ctx, b.client, t.signedByKey); {
	case err != nil:
		return keysUnavailable(err)
	case !signed:
		return badBackchannelRequest("signature_invalid", "is not signed by a key of the client")
	}
	params, err := requestParameters(t.payload)
	switch {
	case err != nil:
		return asInvalidRequest(err)
	case params.Has("request") || params.Has("request_uri"):
		return badBackchannelRequest("nested", "holds another request or request_uri")
	case params.Has("client_id") && once(params, "client_id") != b.client.ID:
		return badBackchannelRequest("client_id_wrong", "does not hold the client_id of the client")
	}
	b.params, b.signed = params, true
	b.marks = onceBy("backchannel request:"+b.client.ID+"\x00"+t.claims.ID, b.client.ID, t.claims.ExpiresAt.Time, backchannelWindow, b.at)
	return checkParameters(params)
}

// badBackchannelRequest is what is wrong with a signed request, for which §13 has no code of its
// own.
func badBackchannelRequest(reason, why string) *Error {
	return asInvalidRequest(badRequestObject(reason, why))
}

func asInvalidRequest(e *Error) *Error {
	if e.Code == invalidRequestObject {
		e.Code = invalidRequest
	}
	return e
}

// checkScopes: §7.1, scope has to hold openid; and what RFC 8707 and RFC 9396 add.
func (b *backchannel) checkScopes(ctx context.Context) *Error {
	if once(b.params, "scope") == "" {
		return missing("scope")
	}
	for _, check := range []check{(*authorization).checkScope, (*authorization).checkResource, (*authorization).checkDetails} {
		if err := check(b.authorization, ctx); err != nil {
			return err
		}
	}
	if !b.asksOpenID() {
		return failed(invalidScope, "openid_missing", "The scope has to hold openid.")
	}
	if pairwise(b.client) { // while nothing is lost yet
		if _, err := b.sectorFor(b.client); err != nil {
			return err
		}
	}
	b.asked.Scope, b.asked.Resources, b.asked.Details = once(b.params, "scope"), b.params["resource"], once(b.params, "authorization_details")
	b.asked.Address, b.asked.ACRValues = b.address, strings.Fields(once(b.params, "acr_values"))
	return nil
}

// checkNotificationToken: §7.1. It is nothing to a client that polls.
func (b *backchannel) checkNotificationToken(context.Context) *Error {
	if b.client.BackchannelTokenDeliveryMode != deliveryPing {
		return nil
	}
	token := once(b.params, "client_notification_token")
	switch {
	case token == "":
		return missing("client_notification_token")
	case len(token) < minNotificationToken:
		return failed(invalidRequest, "client_notification_token_short", "The client_notification_token is too short to hold 128 random bits.")
	case len(token) > maxNotificationToken || !bearerToken(token):
		return failed(invalidRequest, "client_notification_token_malformed", "The client_notification_token is too long, or is not a bearer token.")
	}
	b.notificationToken = token
	return nil
}

// bearerToken reports whether s is a b64token (RFC 6750 §2.1).
func bearerToken(s string) bool {
	s = strings.TrimRight(s, "=")
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~+/", r)
	})
}

// checkHint: §7.1, there has to be one and no more. An id_token_hint names the user as the client
// knows them, from which a pairwise subject does not lead back to the host's own.
func (b *backchannel) checkHint(ctx context.Context) *Error {
	var idToken string
	hints := 0
	for name, value := range map[string]*string{"login_hint": &b.hint, "login_hint_token": &b.hintToken, "id_token_hint": &idToken} {
		if *value = once(b.params, name); *value != "" {
			hints++
		}
	}
	switch {
	case hints != 1:
		return failed(invalidRequest, "hints_not_one", "Exactly one of login_hint, login_hint_token and id_token_hint has to be there.")
	case idToken == "":
		return nil
	}
	subject, err := b.subjectOfHint(ctx, idToken)
	switch {
	case err != nil:
		return err
	case pairwise(b.client):
		return failed(unknownUserID, "id_token_hint_pairwise", "An id_token_hint does not tell who is meant for a client with pairwise subjects. Send a login_hint.")
	}
	b.hinted = subject
	return nil
}

// checkBindingMessage: §7.1, §13. Two people who compare what they see must not be deceived by
// characters that cannot be seen, or that turn others around.
func (b *backchannel) checkBindingMessage(context.Context) *Error {
	message := once(b.params, "binding_message")
	if utf8.RuneCountInString(message) > maxBindingMessage {
		return failed(invalidBindingMessage, "binding_message_too_long", "The binding_message is too long.")
	}
	if strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return failed(invalidBindingMessage, "binding_message_not_plain", "The binding_message has characters that cannot be shown.")
	}
	b.asked.BindingMessage = message
	return nil
}

// checkUserCode: §7.1.2. Of a client that is registered without them it means nothing.
func (b *backchannel) checkUserCode(context.Context) *Error {
	if b.config.BackchannelAuthentication.CheckUserCode == nil || !b.client.BackchannelUserCodeParameter {
		return nil
	}
	if b.userCode = once(b.params, "user_code"); len(b.userCode) > maxUserCode {
		return failed(invalidUserCode, "user_code_too_long", "The user_code is not valid.")
	}
	return nil
}

// checkRequestedExpiry: §7.1. It makes the life of the request shorter, and never longer.
func (b *backchannel) checkRequestedExpiry(context.Context) *Error {
	b.lifetime = b.config.Lifetimes.BackchannelAuthentication
	wanted := once(b.params, "requested_expiry")
	if wanted == "" {
		return nil
	}
	seconds, err := strconv.ParseUint(wanted, 10, 31)
	if err != nil || seconds == 0 {
		return failed(invalidRequest, "requested_expiry_malformed", "The requested_expiry must be a positive number of seconds.")
	}
	b.lifetime = min(b.lifetime, time.Duration(seconds)*time.Second)
	return nil
}
