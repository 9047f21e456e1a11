package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// person is a user as a site knows them.
type person struct {
	Name                    string
	SignedInAt, ConfirmedAt time.Time
	IDToken, UserInfo       []claim

	subject, sid string // with the issuer, the one name that lasts (OpenID Connect Core §5.7)
	hint         string // the ID token as it came
}

// claim is one thing that Pager says.
type claim struct{ Name, Value string }

func newPerson(raw string, idToken *oidc.IDToken, info *oidc.UserInfo) (*person, error) {
	var said struct {
		AuthTime int64  `json:"auth_time"`
		Session  string `json:"sid"`
	}
	var told struct{ Name string }
	var inToken, inInfo map[string]json.RawMessage
	for _, read := range []struct {
		from interface{ Claims(any) error }
		into any
	}{{idToken, &said}, {idToken, &inToken}, {info, &told}, {info, &inInfo}} {
		if err := read.from.Claims(read.into); err != nil {
			return nil, fmt.Errorf("unreadable claims: %w", err)
		}
	}
	if told.Name == "" { // which the user may keep back
		told.Name = idToken.Subject
	}
	return &person{
		Name: told.Name, SignedInAt: time.Unix(said.AuthTime, 0), ConfirmedAt: idToken.IssuedAt,
		IDToken: list(inToken), UserInfo: list(inInfo), subject: idToken.Subject, sid: said.Session, hint: raw,
	}, nil
}

func list(claims map[string]json.RawMessage) []claim {
	var l []claim
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		l = append(l, claim{name, string(claims[name])})
	}
	return l
}
