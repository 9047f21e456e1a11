package authz

import (
	"context"
	"errors"
	"slices"

	"github.com/grantor-oauth/grantor/authz/internal/jwe"
	"github.com/grantor-oauth/grantor/authz/internal/keyring"
)

// What clients encrypt to this server: request objects (RFC 9101 §6.1) and ID tokens that come
// back as hints (OpenID Connect Core §3.1.2.1). Anybody can encrypt to a public key, so that
// nothing counts but the signature inside.

// openRequestObject is the JWS in an encrypted request object, or compact itself if it is not
// encrypted.
func (s *Server) openRequestObject(ctx context.Context, compact string) (string, *Error) {
	switch {
	case !jwe.Is(compact):
		return compact, nil
	case !s.config.RequestObjectEncryption:
		return "", badRequestObject("encrypted", "is encrypted, which is not supported. Sign it, and push it if it has to be confidential")
	}
	message, err := jwe.Parse(compact)
	switch {
	case errors.Is(err, jwe.ErrAlgorithm):
		return "", badRequestObject("encryption_not_allowed", "is not encrypted with one of request_object_encryption_alg_values_supported and one of request_object_encryption_enc_values_supported")
	case err != nil:
		return "", badRequestObject("malformed", "is not a JWT that this server understands")
	case !slices.Contains(requestObjectTypes, message.ContentType):
		return "", badRequestObject("cty_wrong", "has a cty that is neither JWT nor oauth-authz-req+jwt")
	}
	inside, err := s.keys.Decrypt(ctx, message)
	switch {
	case errors.Is(err, keyring.ErrInvalid):
		return "", badRequestObject("decryption_failed", "is not encrypted to a key of this server. Fetch its jwks_uri again")
	case err != nil:
		return "", unavailable(err)
	case jwe.Is(string(inside)): // RFC 9101 §6.1: what comes out is signed
		return "", badRequestObject("encrypted_twice", "is encrypted twice")
	}
	return string(inside), nil
}

// openHint is the ID token in a hint that the client has encrypted to this server; anything else
// as it is. That an ID token which was encrypted to the client comes back as it went is the
// client's fault: nobody but it can read that.
func (s *Server) openHint(ctx context.Context, hint string) (string, error) {
	if !s.config.RequestObjectEncryption || !jwe.Is(hint) {
		return hint, nil
	}
	message, err := jwe.Parse(hint)
	if err != nil {
		return hint, nil
	}
	inside, err := s.keys.Decrypt(ctx, message)
	switch {
	case errors.Is(err, keyring.ErrInvalid):
		return hint, nil
	case err != nil:
		return "", err
	}
	return string(inside), nil
}
