package authz

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// The claims parameter: OpenID Connect Core §5.5.

const (
	maxClaimsParameter = 4 << 10 // of JSON, which the grant keeps
	maxClaims          = 100     // of each kind
)

// claimsRequest is what the parameter says. Members that are not known are ignored (§5.5).
type claimsRequest struct {
	IDToken  map[string]*claimWish `json:"id_token"`
	UserInfo map[string]*claimWish `json:"userinfo"`

	text []byte
}

// claimWish is what is said of one claim; nil is nothing in particular (§5.5.1).
type claimWish struct {
	Essential bool  `json:"essential"`
	Value     any   `json:"value"`
	Values    []any `json:"values"`
}

// parseClaims reads the parameter; nil for an empty one.
func parseClaims(param string) (*claimsRequest, error) {
	if param == "" {
		return nil, nil
	}
	if len(param) > maxClaimsParameter {
		return nil, errors.New("it is too long")
	}
	if err := checkJSON(param); err != nil {
		return nil, err
	}
	// Into maps, which know names by their exact spelling, as structs do not.
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(param), &members); err != nil || members == nil {
		return nil, errors.Join(err, errors.New("it is not a JSON object"))
	}
	r := &claimsRequest{text: []byte(param)}
	for name, wishes := range map[string]*map[string]*claimWish{"id_token": &r.IDToken, "userinfo": &r.UserInfo} {
		if raw, there := members[name]; there {
			if err := json.Unmarshal(raw, wishes); err != nil {
				return nil, err
			}
		}
		if len(*wishes) > maxClaims {
			return nil, errors.New("it names too many claims")
		}
	}
	return r, nil
}

func (r *claimsRequest) json() []byte {
	if r == nil {
		return nil
	}
	return r.text
}

// wishes are the claims that are asked for by name.
func wishes(named map[string]*claimWish) []ClaimRequest {
	list := make([]ClaimRequest, 0, len(named))
	for name, wish := range named {
		c := ClaimRequest{Name: name}
		if wish != nil {
			c.Essential, c.Value, c.Values = wish.Essential, wish.Value, wish.Values
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b ClaimRequest) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// texts are the strings among the values that a claim may have.
func (w *claimWish) texts() (list []string) {
	if w == nil {
		return nil
	}
	for _, v := range append([]any{w.Value}, w.Values...) {
		if s, ok := v.(string); ok {
			list = append(list, s)
		}
	}
	return list
}
