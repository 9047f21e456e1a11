package authz

import (
	stdjson "encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// foreignJWT is a JWT (RFC 7519) that somebody else made, taken apart. Nothing in it is to
// be believed before signedWith has said so of a key that belongs to whom it names.
type foreignJWT struct {
	algorithm string // alg, one of those that were allowed
	keyID     string // kid, empty for none
	typ       string // typ in lower case and without application/, empty for none
	claims    foreignClaims

	payload    []byte // the JSON of all claims
	signedText string // header and claims as they came
	jws        *jose.JSONWebSignature
}

// foreignClaims are the claims that RFC 7523 §3 looks at.
type foreignClaims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  foreignAudience `json:"aud"`
	ID        string          `json:"jti"`
	ExpiresAt *numericDate    `json:"exp"`
	NotBefore *numericDate    `json:"nbf"`
	IssuedAt  *numericDate    `json:"iat"`
}

var (
	errJWTMalformed = errors.New("authz: not a JWT that this server understands")
	errJWTAlgorithm = errors.New("authz: a JWT with an algorithm that is not allowed")
)

// parseForeignJWT takes a compact JWS apart, and refuses what readers take in different
// ways (RFC 8725 §2.4, §3.1): the JSON serialization, members that are there twice,
// encodings that are not the canonical one, and every extension that would have to be
// understood (crit, RFC 7515 §4.1.11). Keys in the header (jwk, jku, x5u, x5c) mean
// nothing here (RFC 8725 §3.10).
func parseForeignJWT(compact string, algorithms []string) (*foreignJWT, error) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 || strings.ContainsAny(compact, "\r\n") { // which the decoder overlooks
		return nil, errJWTMalformed
	}
	var text [3][]byte
	for i, part := range parts {
		var err error
		if text[i], err = strictBase64.DecodeString(part); err != nil {
			return nil, errJWTMalformed
		}
	}
	var header map[string]any
	if err := decodeStrictly(text[0], &header); err != nil || header == nil {
		return nil, errJWTMalformed
	}
	for _, extension := range []string{"crit", "b64"} {
		if _, there := header[extension]; there {
			return nil, errJWTMalformed
		}
	}
	t := &foreignJWT{}
	for name, value := range map[string]*string{"alg": &t.algorithm, "kid": &t.keyID, "typ": &t.typ} {
		if member, there := header[name]; there {
			var ok bool
			if *value, ok = member.(string); !ok {
				return nil, errJWTMalformed
			}
		}
	}
	t.typ = strings.TrimPrefix(strings.ToLower(t.typ), "application/") // RFC 7515 §4.1.9
	allowed := make([]jose.SignatureAlgorithm, 0, 1)
	for _, algorithm := range algorithms {
		if algorithm == t.algorithm {
			allowed = append(allowed, jose.SignatureAlgorithm(algorithm))
		}
	}
	if len(allowed) == 0 {
		return nil, errJWTAlgorithm
	}
	if err := decodeStrictly(text[1], &t.claims); err != nil || text[1][0] != '{' {
		return nil, errJWTMalformed
	}
	t.payload, t.signedText = text[1], strings.TrimSuffix(compact, "."+parts[2])
	var err error
	if t.jws, err = jose.ParseSignedCompact(compact, allowed); err != nil {
		return nil, errJWTMalformed
	}
	return t, nil
}

// signedWith reports whether the signature is by this key, which has to be one for the
// algorithm: see fits.
func (t *foreignJWT) signedWith(key any) bool {
	_, err := t.jws.Verify(key)
	return err == nil
}

// signedByKey reports whether the signature is by this key, and the key one that may make it.
func (t *foreignJWT) signedByKey(key *jose.JSONWebKey) bool {
	return (t.keyID == "" || key.KeyID == "" || key.KeyID == t.keyID) && fits(key, t.algorithm) && t.signedWith(key.Key)
}

// lifeFault is the reason for which a JWT is not good now, or would be for too long (RFC 7523
// §3, items 4 to 6); empty if there is none.
func (c *foreignClaims) lifeFault(now time.Time, most time.Duration) string {
	switch latest := now.Add(assertionSkew); {
	case c.ExpiresAt == nil:
		return "exp_missing"
	case !now.Before(c.ExpiresAt.Time):
		return "expired"
	case c.ExpiresAt.After(latest.Add(most)):
		return "lives_too_long"
	case c.NotBefore != nil && c.NotBefore.After(latest):
		return "not_yet_valid"
	case c.IssuedAt != nil && c.IssuedAt.After(latest):
		return "from_the_future"
	}
	return ""
}

// decodeStrictly is JSON with exact member names, none of them twice. encoding/json is
// asked first because it bounds the depth of nesting.
func decodeStrictly(b []byte, v any) error {
	if !stdjson.Valid(b) {
		return errJWTMalformed
	}
	return json.Unmarshal(b, v)
}

// foreignAudience is one string or several (RFC 7519 §4.1.3).
type foreignAudience struct {
	values []string
	array  bool
}

func (a *foreignAudience) UnmarshalJSON(b []byte) error {
	*a = foreignAudience{}
	switch b[0] {
	case '[':
		a.array = true
		return json.Unmarshal(b, &a.values)
	case '"':
		a.values = make([]string, 1)
		return json.Unmarshal(b, &a.values[0])
	}
	return errJWTMalformed
}

// numericDate is a NumericDate (RFC 7519 §2): seconds, perhaps with a fraction, which is
// cut off.
type numericDate struct{ time.Time }

// lastSecond is the end of the year 9999; a later date is an overflow in waiting.
const lastSecond = 253402300799

func (n *numericDate) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	if seconds < 0 || seconds > lastSecond {
		return errJWTMalformed
	}
	n.Time = time.Unix(int64(seconds), 0)
	return nil
}
