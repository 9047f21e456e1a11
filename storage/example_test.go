package storage_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// An authorization code is exchanged for a token: using up the one and storing the
// other is one Write, so the code can yield only one token.
func ExampleWrite() {
	ctx := context.Background()
	store := memory.New()
	defer store.Close()

	now := time.Now()
	expires := now.Add(time.Minute)
	grant := storage.Grant{ID: storage.NewGrantID(expires), ClientID: "app", Subject: "alice", ExpiresAt: expires}
	code := storage.NewDigest(expires, "the code")
	err := store.Commit(ctx, storage.Write{
		At:     now,
		Codes:  []storage.Code{{Digest: code, Kind: storage.AuthorizationCode, GrantID: grant.ID, ExpiresAt: expires}},
		Grants: []storage.Grant{grant},
	})
	if err != nil {
		log.Fatal(err)
	}

	exchange := storage.Write{
		At:           now,
		ConsumeCodes: []storage.Digest{code},
		Live:         []string{grant.ID},
		Tokens: []storage.Token{{
			Digest: storage.NewDigest(expires, "the token"), Kind: storage.AccessToken,
			GrantID: grant.ID, ExpiresAt: expires,
		}},
	}
	fmt.Println("first:", store.Commit(ctx, exchange))
	fmt.Println("again:", errors.Is(store.Commit(ctx, exchange), storage.ErrConsumed))
	// Output:
	// first: <nil>
	// again: true
}

// A host that keeps clients in a table of its own brings only the look-up.
func ExampleJoin() {
	mine := storage.ClientsFunc(func(ctx context.Context, id string) (*storage.Client, error) {
		if id != "app" {
			return nil, storage.ErrNotFound
		}
		return &storage.Client{ID: "app", Name: "Weather"}, nil
	})
	rest := memory.New()
	store := storage.Join(mine, rest, rest, rest)
	defer store.Close()

	client, err := store.Client(context.Background(), "app")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Name)
	// Output: Weather
}
