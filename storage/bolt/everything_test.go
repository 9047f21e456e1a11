package bolt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// everything is a record of every kind, with odd values. Times are whole microseconds.
func everything() (storage.Write, storage.Write, []storage.Client, storage.KeyRing) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)
	end := at.AddDate(50, 0, 0)
	digest := func(name string) storage.Digest { return storage.NewDigest(end, name) }
	grant := func(n int, subject string) storage.Grant {
		return storage.Grant{
			ID: fmt.Sprintf("%s%020x", digest("").String()[:12], n), ClientID: "app", Subject: subject,
			Scopes: []string{"read", "write"}, Resources: []string{"https://api.example.com"},
			AuthTime: at.Add(-time.Minute), ACR: "phr", AMR: []string{"pwd", "otp"}, CreatedAt: at, ExpiresAt: end,
		}
	}
	live, dead, odd := grant(1, "ana"), grant(2, "ana"), grant(3, "o\x00d\xff")
	odd.ID = strings.Repeat("long", 2000)
	first := storage.Write{
		At: at,
		Codes: []storage.Code{
			{Digest: digest("unused"), Kind: storage.AuthorizationCode, ClientID: "app", GrantID: live.ID, RedirectURI: "https://app.example.com/cb",
				RedirectURIOmitted: true, CodeChallenge: "challenge", IssuedAt: at, ExpiresAt: end},
			{Digest: digest("used"), Kind: storage.AuthorizationCode, ClientID: "app", GrantID: live.ID, IssuedAt: at, ExpiresAt: end},
			{Digest: digest("seen"), Kind: storage.SeenOnce, Answer: []byte{0, 255}, IssuedAt: at, ExpiresAt: end},
		},
		Grants: []storage.Grant{live, dead, odd},
		Tokens: []storage.Token{
			{Digest: digest("refresh"), Kind: storage.RefreshToken, ClientID: "app", GrantID: live.ID, Scopes: []string{"read"}, Resources: []string{"r"}, IssuedAt: at, ExpiresAt: end},
			{Digest: digest("rotated"), Kind: storage.RefreshToken, ClientID: "app", GrantID: live.ID, IssuedAt: at, ExpiresAt: end},
			{Digest: digest("access"), Kind: storage.AccessToken, ClientID: "app", Claims: []byte(`{"tenant":"acme"}`), IssuedAt: at, ExpiresAt: end},
		},
		Consents: []storage.Consent{
			{Subject: "ana", ClientID: "app", Scopes: []string{"read"}, Resources: []string{"r"}, GrantedAt: at, ExpiresAt: end},
			{Subject: "o\x00d\xff", ClientID: "app", Scopes: []string{"read"}, GrantedAt: at},
		},
	}
	second := storage.Write{
		At:            at.Add(time.Second),
		ConsumeCodes:  []storage.Digest{digest("used")},
		ConsumeTokens: []storage.Consumption{{Digest: digest("rotated"), Answer: []byte("sealed")}},
		Revoke:        []storage.Revocation{{GrantID: dead.ID, Reason: "revoked_by_host"}, {Token: digest("mark")}},
	}
	clients := []storage.Client{
		{ID: "app", Name: "An app", RedirectURIs: []string{"https://app.example.com/cb"}, Scopes: []string{"read"}, AccessTokenLifetime: time.Minute,
			Secrets: []storage.Secret{{Hash: "$sha256$x", ExpiresAt: end}}, CreatedAt: at},
		{ID: "o\x00d\xff"},
	}
	ring := storage.KeyRing{Revision: 1, Issuer: "https://app.example.com", Keys: []storage.Key{
		{ID: "k", Algorithm: "ES256", Material: []byte("material"), CreatedAt: at, ActiveAt: at, ExpiresAt: end},
	}}
	return first, second, clients, ring
}

// writeEverything fills an empty store.
func writeEverything(store storage.Store) error {
	ctx := context.Background()
	first, second, clients, ring := everything()
	for _, c := range clients {
		if err := store.PutClient(ctx, c); err != nil {
			return err
		}
	}
	return errors.Join(store.Commit(ctx, first), store.Commit(ctx, second), store.SwapKeys(ctx, ring))
}

// readEverything is all of it, as it comes back.
func readEverything(store storage.Store) (string, error) {
	ctx := context.Background()
	first, second, clients, _ := everything()
	var all []any
	var errs []error
	note := func(v any, err error) {
		all, errs = append(all, v), append(errs, err)
	}
	for _, c := range clients {
		got, err := store.Client(ctx, c.ID)
		if err == nil && got.Revision == 0 {
			err = errors.New("a client has no Revision")
		}
		note(got, err)
		if err == nil {
			got.Revision = 0               // each store has its own
			all = append(all, got.Secrets) // which JSON leaves out
		}
	}
	for _, c := range first.Codes {
		got, err := store.Code(ctx, c.Digest)
		note(got, err)
	}
	for _, t := range first.Tokens {
		got, err := store.Token(ctx, t.Digest)
		note(got, err)
	}
	got, err := store.Token(ctx, second.Revoke[1].Token)
	note(got, err)
	for _, g := range first.Grants {
		got, err := store.Grant(ctx, g.ID)
		note(got, err)
		list, err := store.ListGrants(ctx, g.Subject, "", 10)
		note(list, err)
	}
	for _, c := range first.Consents {
		got, err := store.Consent(ctx, c.Subject, c.ClientID)
		note(got, err)
	}
	ring, err := store.Keys(ctx)
	note(ring, err)
	text, err := json.Marshal(all)
	return string(text), errors.Join(append(errs, err)...)
}
