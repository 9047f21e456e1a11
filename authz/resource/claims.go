package resource

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

// claims are the members that a signed token (RFC 9068 §2.2) and an introspection
// answer (RFC 7662 §2.2) have in common, as they stand in JSON.
type claims struct {
	Issuer    string       `json:"iss"`
	Subject   string       `json:"sub"`
	ClientID  string       `json:"client_id"`
	ID        string       `json:"jti"`
	Audience  audience     `json:"aud"`
	Scope     string       `json:"scope"`
	IssuedAt  *numericDate `json:"iat"`
	ExpiresAt *numericDate `json:"exp"`
	NotBefore *numericDate `json:"nbf"`
	AuthTime  *numericDate `json:"auth_time"`
	ACR       string       `json:"acr"`
	AMR       []string     `json:"amr"`

	all map[string]any
}

// decodeClaims reads a JSON object. It refuses repeated members, because two readers
// of one token must not see two tokens (RFC 8725 §2.4).
func decodeClaims(b []byte) (*claims, error) {
	c := &claims{}
	if err := decode(b, c); err != nil {
		return nil, err
	}
	if err := decode(b, &c.all); err != nil {
		return nil, err
	}
	return c, nil
}

// decode is JSON with exact member names, none of them repeated. encoding/json is
// asked first because it bounds the depth of nesting.
func decode(b []byte, v any) error {
	if !stdjson.Valid(b) {
		return errors.New("not JSON")
	}
	return json.Unmarshal(b, v)
}

// checkTimes holds the token against the clock (RFC 7519 §4.1.4 to §4.1.6). Its
// errors wrap ErrInvalidToken.
func (c *claims) checkTimes(now time.Time, leeway time.Duration) error {
	switch {
	case c.ExpiresAt != nil && !now.Before(c.ExpiresAt.Add(leeway)):
		return refused("expired; the client has to get a new one")
	case c.NotBefore != nil && now.Add(leeway).Before(c.NotBefore.Time):
		return refused("not valid yet; compare this machine's clock with the issuer's")
	case c.IssuedAt != nil && now.Add(leeway).Before(c.IssuedAt.Time):
		return refused("issued in the future; compare this machine's clock with the issuer's")
	}
	return nil
}

// checkAudience makes sure that the token is for this resource (RFC 9068 §4, RFC
// 7662 §4): a token for another must not open this one.
func (c *claims) checkAudience(audience string) error {
	if !slices.Contains(c.Audience, audience) {
		return refused("not for the audience %q; the client has to ask for that resource (RFC 8707)", audience)
	}
	return nil
}

func (c *claims) token() *Token {
	t := &Token{
		Issuer: c.Issuer, Subject: c.Subject, ClientID: c.ClientID, ID: c.ID,
		Audience: c.Audience, Scopes: strings.Fields(c.Scope),
		ACR: c.ACR, AMR: c.AMR, Claims: c.all,
	}
	for _, at := range []struct {
		from *numericDate
		to   *time.Time
	}{{c.IssuedAt, &t.IssuedAt}, {c.ExpiresAt, &t.ExpiresAt}, {c.AuthTime, &t.AuthTime}} {
		if at.from != nil {
			*at.to = at.from.Time
		}
	}
	return t
}

// refused is a statement about the token. It takes only what is configured here, never
// what the token says.
func refused(format string, configured ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalidToken}, configured...)...)
}

// audience is one string or several (RFC 7519 §4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*a = make(audience, 1)
		return json.Unmarshal(b, &(*a)[0])
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// numericDate is a NumericDate (RFC 7519 §2): seconds, perhaps with a fraction.
type numericDate struct{ time.Time }

// lastSecond is the end of the year 9999; a later date is an overflow in waiting.
const lastSecond = 253402300799

func (n *numericDate) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	if seconds < 0 || seconds > lastSecond {
		return errors.New("date out of range")
	}
	n.Time = time.Unix(int64(seconds), 0)
	return nil
}
