package postgres_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

func mustCommit(t *testing.T, s storage.Store, w storage.Write) {
	t.Helper()
	if err := s.Commit(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// Look-ups that come at once share trips. Each finds what it asked for.
func TestLookUpsThatComeAtOnceFindTheirOwn(t *testing.T) {
	db := open(t, newSchema(t, shared(t)))
	all := exchanges(t, db, 40)
	for i, e := range all {
		mustCommit(t, db, e.write)
		if err := db.PutClient(t.Context(), storage.Client{ID: fmt.Sprint("client", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i, err := range crowd(8*len(all), func(i int) error {
		ctx, e := t.Context(), all[i/8]
		token := e.write.Tokens[i%2]
		absent := storage.NewDigest(time.Now(), fmt.Sprint(i))
		missing := func(err error) error {
			if !errors.Is(err, storage.ErrNotFound) {
				return fmt.Errorf("got %v, want ErrNotFound", err)
			}
			return nil
		}
		switch i % 8 {
		case 0, 1:
			got, err := db.Token(ctx, token.Digest)
			if err == nil && (got.Digest != token.Digest || got.Kind != token.Kind || got.GrantID != token.GrantID) {
				return fmt.Errorf("got %+v, want %+v", got, token)
			}
			return err
		case 2:
			got, err := db.Code(ctx, e.code.Digest)
			if err == nil && (got.Digest != e.code.Digest || got.GrantID != e.grant.ID || got.ConsumedAt.IsZero()) {
				return fmt.Errorf("got %+v, want %+v, used", got, e.code)
			}
			return err
		case 3:
			got, err := db.Grant(ctx, e.grant.ID)
			if err == nil && (got.ID != e.grant.ID || !got.RevokedAt.IsZero()) {
				return fmt.Errorf("got %+v, want %+v", got, e.grant)
			}
			return err
		case 4:
			id := fmt.Sprint("client", i/8)
			got, err := db.Client(ctx, id)
			if err == nil && got.ID != id {
				return fmt.Errorf("got %+v, want %s", got, id)
			}
			return err
		case 5:
			_, err := db.Code(ctx, absent)
			return missing(err)
		case 6:
			_, err := db.Token(ctx, e.code.Digest)
			return missing(err)
		}
		_, err := db.Client(ctx, "absent")
		return missing(err)
	}) {
		if err != nil {
			t.Errorf("look-up %d: %v", i, err)
		}
	}
}
