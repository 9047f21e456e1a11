package resource

import (
	"context"
	"crypto"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"time"
)

// SignedAnswers is what [IntrospectionConfig] demands of signed introspection answers (RFC
// 9701). Its zero value is right for most issuers.
type SignedAnswers struct {
	// Audience is what the issuer calls this resource server in its answers, their aud claim
	// (RFC 9701 §5). Empty means ClientID.
	Audience string

	// KeysURL is where the issuer publishes its keys. Empty means the jwks_uri of its
	// metadata (RFC 8414 §3).
	KeysURL string

	// Algorithms are the JWS algorithms to accept, as in [JWKSConfig]. Name the one that
	// this resource server is registered with (RFC 9701 §6) to accept no other.
	Algorithms []string

	// DecryptionKeys are the private keys of this resource server, *ecdsa.PrivateKey or
	// *rsa.PrivateKey, that the issuer encrypts its answers to because that is how it is
	// registered (introspection_encrypted_response_alg, RFC 9701 §6). With any, an answer that
	// is not encrypted is not believed; with none, one that is. Name the former key beside the
	// new one for as long as the issuer may have cached it.
	DecryptionKeys []crypto.PrivateKey
}

// answerType is the media type of a signed answer, answerTyp its typ header (RFC 9701 §5).
const (
	answerTyp  = "token-introspection+jwt"
	answerType = "application/" + answerTyp
)

// signedAnswers reads answers that the issuer has signed, for this resource server, just
// now.
type signedAnswers struct {
	signatures
	issuer, audience string
	leeway           time.Duration
	decryption       []crypto.PrivateKey
}

func newSignedAnswers(config *IntrospectionConfig, client *http.Client) (*signedAnswers, error) {
	demand := config.SignedAnswers
	a := &signedAnswers{issuer: config.Issuer, audience: demand.Audience, leeway: config.Leeway}
	if a.audience == "" {
		a.audience = config.ClientID
	}
	var faults []error
	for _, key := range demand.DecryptionKeys {
		if !decrypts(key, "") {
			faults = append(faults, fmt.Errorf("resource: SignedAnswers.DecryptionKeys has a %T; use *ecdsa.PrivateKey with P-256, P-384 or P-521, or *rsa.PrivateKey with 2048 bits or more", key))
		}
	}
	a.decryption = slices.Clone(demand.DecryptionKeys)
	if demand.KeysURL != "" {
		faults = append(faults, checkURL("SignedAnswers.KeysURL", demand.KeysURL))
	}
	algorithms, err := allowed(demand.Algorithms)
	a.signatures = signatures{
		typ: answerTyp, section: "RFC 9701 §5", algorithms: algorithms,
		keys: &keySet{issuer: config.Issuer, url: demand.KeysURL, client: client, now: config.Clock},
	}
	return a, errors.Join(append(faults, err)...)
}

// introspection is what a signed answer says about the token (RFC 9701 §5). None of its
// errors is a statement about the token.
func (a *signedAnswers) introspection(ctx context.Context, got *answered, asked, now time.Time) ([]byte, error) {
	// The type before the content: plain JSON is a downgrade, whatever it says.
	if contentType, _, err := mime.ParseMediaType(got.contentType); err != nil || contentType != answerType {
		return nil, fmt.Errorf("its Content-Type is not %s, so it is not signed (RFC 9701 §5); the issuer must support that, or SignedAnswers be nil", answerType)
	}
	signed, err := a.decrypt(string(got.body))
	if err != nil {
		return nil, err
	}
	payload, err := a.open(ctx, signed)
	if err != nil {
		return nil, err
	}
	var claims struct {
		Issuer        string             `json:"iss"`
		Audience      audience           `json:"aud"`
		IssuedAt      *numericDate       `json:"iat"`
		ExpiresAt     *numericDate       `json:"exp"` // not to be there (§5), but not to be passed over
		NotBefore     *numericDate       `json:"nbf"`
		Introspection stdjson.RawMessage `json:"token_introspection"`
	}
	if err := decode(payload, &claims); err != nil {
		return nil, errors.New("its claims are not a JSON object of the expected shape (RFC 9701 §5)")
	}
	switch {
	case claims.Issuer != a.issuer:
		return nil, fmt.Errorf("it is not from issuer %q", a.issuer)
	case !slices.Contains(claims.Audience, a.audience):
		return nil, fmt.Errorf("it is not for %q; compare SignedAnswers.Audience with what the issuer writes", a.audience)
	case claims.IssuedAt == nil:
		return nil, errors.New("it lacks the claim iat (RFC 9701 §5)")
	// An answer does not say which token it is about. One that is older than the question is
	// the answer to another.
	case claims.IssuedAt.Before(asked.Add(-a.leeway).Truncate(time.Second)):
		return nil, errors.New("it was made before it was asked for; compare this machine's clock with the issuer's")
	case now.Add(a.leeway).Before(claims.IssuedAt.Time), claims.NotBefore != nil && now.Add(a.leeway).Before(claims.NotBefore.Time):
		return nil, errors.New("it is from the future; compare this machine's clock with the issuer's")
	case claims.ExpiresAt != nil && !now.Before(claims.ExpiresAt.Add(a.leeway)):
		return nil, errors.New("it has expired; compare this machine's clock with the issuer's")
	case len(claims.Introspection) == 0:
		return nil, errors.New("it lacks the claim token_introspection (RFC 9701 §5)")
	}
	return claims.Introspection, nil
}
