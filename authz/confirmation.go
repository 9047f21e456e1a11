package authz

import (
	"encoding/json"
)

// confirmation are keys: those that a request proves to hold, or those that a token is bound
// to. In a token it is the cnf claim (RFC 7800 §3.1).
type confirmation struct {
	Key string `json:"jkt,omitempty"` // SHA-256 thumbprint of a DPoP key (RFC 9449 §6.1)
}

// claim is the cnf claim; nil if there is nothing to confirm.
func (c confirmation) claim() []byte {
	if c == (confirmation{}) {
		return nil
	}
	b, _ := json.Marshal(c) // strings, which always can
	return b
}

// confirms reports whether whoever holds these keys may use what is bound to cnf. What it
// demands and is not known here cannot be confirmed.
func (c confirmation) confirms(cnf []byte) bool {
	if len(cnf) == 0 {
		return true
	}
	var wanted map[string]string
	if err := json.Unmarshal(cnf, &wanted); err != nil || len(wanted) == 0 {
		return false
	}
	held := map[string]string{"jkt": c.Key}
	for method, key := range wanted {
		if key == "" || held[method] != key {
			return false
		}
	}
	return true
}

// tokenType is that of what is bound to these keys (RFC 9449 §5).
func (c confirmation) tokenType() string {
	if c.Key != "" {
		return "DPoP"
	}
	return "Bearer"
}
