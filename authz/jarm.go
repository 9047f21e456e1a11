package authz

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// Signed and encrypted authorization responses: JWT Secured Authorization Response Mode for OAuth 2.0 (JARM).

const (
	// responseType is the typ header of such an answer. JARM has none of its own, and there are
	// clients that take JWT alone; no sub is in it, so that it is no ID token.
	responseType = "JWT"

	// responseLifetime is for how long an answer may be believed, or for as long as its code
	// lives: 10 minutes at most, as JARM §2.1 recommends, and long enough for a client whose
	// clock is ahead.
	responseLifetime = 5 * time.Minute
)

// signResponse makes a JWT of the parameters of an answer (JARM §2.1), encrypted to the client
// that has registered for that (§2.2).
func (a *authorization) signResponse(ctx context.Context, params url.Values) (string, *Error) {
	algorithm := a.responseAlg(a.client.AuthorizationSignedResponseAlg)
	if !slices.Contains(a.config.SigningAlgorithms, algorithm) { // it was when the client was registered
		return "", broken("response_alg_gone",
			fmt.Errorf("client %q has AuthorizationSignedResponseAlg %q, which is not in Config.SigningAlgorithms; add it there, or change the client", a.client.ID, algorithm))
	}
	claims := map[string]any{
		"iss": a.config.Issuer, "aud": a.client.ID,
		"exp": a.at.Add(max(responseLifetime, a.config.Lifetimes.AuthorizationCode)).Unix(),
	}
	for name := range params {
		claims[name] = params.Get(name)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", broken("claims_unencodable", err)
	}
	signed, err := a.keys.Sign(ctx, algorithm, responseType, payload)
	if err != nil {
		return "", unavailable(err)
	}
	return a.encrypted(ctx, a.client, a.client.AuthorizationEncryptedResponseAlg, a.client.AuthorizationEncryptedResponseEnc, nestedJWT, signed)
}
