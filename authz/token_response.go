package authz

import (
	"encoding/json"
	"strconv"
	"time"
)

// TokenResponse is a successful answer of the token endpoint (RFC 6749 §5.1). It
// holds live credentials: do not log it.
type TokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`

	// IDToken tells who the user is and how they signed in (OpenID Connect Core §3.1.3.3).
	IDToken string `json:"id_token,omitempty"`

	IssuedTokenType string `json:"issued_token_type,omitempty"` // RFC 8693 §2.2.1; empty for other grants

	AuthorizationDetails json.RawMessage `json:"authorization_details,omitempty"` // RFC 9396 §7
}

// AppendJSON appends what encoding/json makes of r to b, which every token request needs,
// in a tenth of the time.
func (r *TokenResponse) AppendJSON(b []byte) []byte {
	return append(r.appendMembers(append(b, '{')), '}')
}

func (r *TokenResponse) appendMembers(b []byte) []byte {
	b = appendJSONString(append(b, `"access_token":`...), r.AccessToken)
	b = appendJSONString(append(b, `,"token_type":`...), r.TokenType)
	b = strconv.AppendInt(append(b, `,"expires_in":`...), r.ExpiresIn, 10)
	if r.RefreshToken != "" {
		b = appendJSONString(append(b, `,"refresh_token":`...), r.RefreshToken)
	}
	if r.Scope != "" {
		b = appendJSONString(append(b, `,"scope":`...), r.Scope)
	}
	if r.IDToken != "" {
		b = appendJSONString(append(b, `,"id_token":`...), r.IDToken)
	}
	if r.IssuedTokenType != "" {
		b = appendJSONString(append(b, `,"issued_token_type":`...), r.IssuedTokenType)
	}
	if len(r.AuthorizationDetails) > 0 {
		b = append(append(b, `,"authorization_details":`...), r.AuthorizationDetails...)
	}
	return b
}

// appendJSONString leaves what needs to be escaped to encoding/json, but for the line break
// that is in every filedAnswer.
func appendJSONString(b []byte, s string) []byte {
	start := len(b)
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\n':
			b = append(b, `\n`...)
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			escaped, _ := json.Marshal(s) // a string is never refused
			return append(b[:start], escaped...)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// accessTokenAnswer is a TokenResponse on its way: with the instant it expires, so
// that an answer that is given again tells the time that is left.
type accessTokenAnswer struct {
	TokenResponse
	ExpiresAt time.Time `json:"expires_at"`
}

// filedAnswer is what a used refresh token leaves behind: the answer it got, and
// what was asked. It is sealed under the used token, which we do not keep.
type filedAnswer struct {
	Asked  string            `json:"asked"`
	Answer accessTokenAnswer `json:"answer"`
}

// appendJSON appends what encoding/json would make of it.
func (f *filedAnswer) appendJSON(b []byte) ([]byte, error) {
	b = appendJSONString(append(b, `{"asked":`...), f.Asked)
	b = f.Answer.appendMembers(append(b, `,"answer":{`...))
	b, err := f.Answer.ExpiresAt.AppendText(append(b, `,"expires_at":"`...))
	return append(b, `"}}`...), err
}
