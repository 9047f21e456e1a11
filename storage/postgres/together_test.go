package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
)

// spoiled are ways in which an exchange cannot be made, each with what it gets.
var spoiled = map[string]struct {
	want  error
	spoil func(t *testing.T, s storage.Store, e *exchange)
}{
	"a used code": {storage.ErrConsumed, func(t *testing.T, s storage.Store, e *exchange) {
		mustCommit(t, s, storage.Write{At: e.write.At, ConsumeCodes: e.write.ConsumeCodes})
	}},
	"a code that is not there": {storage.ErrNotFound, func(t *testing.T, s storage.Store, e *exchange) {
		e.write.ConsumeCodes = []storage.Digest{storage.NewDigest(e.code.ExpiresAt, "absent")}
		// What comes later in the order does not matter.
		mustCommit(t, s, storage.Write{At: e.write.At, Revoke: []storage.Revocation{{GrantID: e.grant.ID}}})
	}},
	"a code that has expired for this one alone": {storage.ErrNotFound, func(t *testing.T, s storage.Store, e *exchange) {
		e.write.At = e.code.ExpiresAt
	}},
	"a revoked grant": {storage.ErrRevoked, func(t *testing.T, s storage.Store, e *exchange) {
		mustCommit(t, s, storage.Write{At: e.write.At, Revoke: []storage.Revocation{{GrantID: e.grant.ID}}})
	}},
	"a grant that is not there": {storage.ErrNotFound, func(t *testing.T, s storage.Store, e *exchange) {
		e.write.Live = []string{storage.NewGrantID(e.grant.ExpiresAt)}
	}},
	"a grant that has expired for this one alone": {storage.ErrNotFound, func(t *testing.T, s storage.Store, e *exchange) {
		e.write.At, e.write.ConsumeCodes = e.grant.ExpiresAt, nil
	}},
	"a token that is there": {storage.ErrExists, func(t *testing.T, s storage.Store, e *exchange) {
		mustCommit(t, s, storage.Write{At: e.write.At, Tokens: e.write.Tokens[1:]})
	}},
	"a used token": {storage.ErrConsumed, func(t *testing.T, s storage.Store, e *exchange) {
		d := storage.NewDigest(e.code.ExpiresAt, "old"+e.grant.ID)
		used := []storage.Consumption{{Digest: d}}
		mustCommit(t, s, storage.Write{At: e.write.At, Tokens: []storage.Token{{Digest: d, Kind: storage.RefreshToken, ExpiresAt: e.code.ExpiresAt}}})
		mustCommit(t, s, storage.Write{At: e.write.At, ConsumeTokens: used})
		e.write.ConsumeCodes, e.write.ConsumeTokens = nil, used
	}},
}

// Commits that come at once share transactions. Each of them is judged for itself all
// the same, and one that cannot be made takes nobody along.
func TestCommitsThatComeAtOnceAreJudgedOneByOne(t *testing.T) {
	cluster := shared(t)
	atEachIsolation(t, func(t *testing.T) {
		replicas := openMany(t, 2, newSchema(t, cluster))
		for name, bad := range spoiled {
			for range rounds(2, 20) {
				all := exchanges(t, replicas[0], 64)
				isBad := func(i int) bool { return i%16 == 5 }
				for i := range all {
					if isBad(i) {
						bad.spoil(t, replicas[0], &all[i])
					}
				}
				outcomes := crowd(len(all), func(i int) error { return replicas[i%2].Commit(t.Context(), all[i].write) })
				found := crowd(len(all), func(i int) error {
					_, err := replicas[(i+1)%2].Token(t.Context(), all[i].write.Tokens[0].Digest)
					return err
				})
				for i := range all {
					switch {
					case isBad(i) && !errors.Is(outcomes[i], bad.want):
						t.Errorf("%s: got %v, want %v", name, outcomes[i], bad.want)
					case isBad(i) && !errors.Is(found[i], storage.ErrNotFound):
						t.Errorf("%s: it yielded a token all the same: %v", name, found[i])
					case !isBad(i) && (outcomes[i] != nil || found[i] != nil):
						t.Errorf("beside %s: got %v, and the token: %v", name, outcomes[i], found[i])
					}
				}
			}
		}
	})
}

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

// held holds rows that the statement locks until the function that it returns is called.
func held(t *testing.T, url, sql string, args ...any) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.Exec(context.Background(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
	}
}

// Whoever wants a grant that is being revoked waits; those who came with them do not.
func TestAGrantThatIsHeldDelaysNobodyElse(t *testing.T) {
	url := newSchema(t, shared(t))
	db := open(t, url, postgres.Options{LockTimeout: -1, StatementTimeout: -1, MaxConns: 80})
	all := exchanges(t, db, 64)
	release := held(t, url, "SELECT 1 FROM grantor_grants WHERE id = $1 FOR UPDATE", []byte(all[7].grant.ID))
	late := make(chan error, 1)
	outcomes := crowd(len(all), func(i int) error {
		if i == 7 {
			go func() { late <- db.Commit(context.Background(), all[i].write) }()
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return db.Commit(ctx, all[i].write)
	})
	for i, err := range outcomes {
		if err != nil {
			t.Errorf("exchange %d: %v", i, err)
		}
	}
	select {
	case err := <-late:
		t.Errorf("the exchange whose grant is held got %v", err)
	default:
	}
	release()
	if err := <-late; err != nil {
		t.Errorf("the exchange whose grant was held: %v", err)
	}
}

// A caller that leaves is let go at once, and the others get their answers. What becomes
// of its commit is settled when Close returns.
func TestCallersThatLeaveTakeNobodyAlong(t *testing.T) {
	url := newSchema(t, shared(t))
	db := open(t, url, postgres.Options{LockTimeout: -1, StatementTimeout: -1, MaxConns: 80})
	all := exchanges(t, db, 64)
	release := held(t, url, "SELECT 1 FROM grantor_codes FOR UPDATE")
	left := make(chan struct{}, len(all))
	released := make(chan struct{})
	go func() {
		defer close(released)
		for range len(all) / 2 {
			<-left
		}
		release()
	}()
	for i, err := range crowd(len(all), func(i int) error {
		if i%2 > 0 {
			return db.Commit(t.Context(), all[i].write)
		}
		defer func() { left <- struct{}{} }()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return db.Commit(ctx, all[i].write)
	}) {
		if i%2 > 0 && err != nil {
			t.Errorf("exchange %d, which stayed: %v", i, err)
		}
		if i%2 == 0 && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("exchange %d, which left: got %v, want the end of the context", i, err)
		}
	}
	<-released
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	other := open(t, url)
	for i, e := range all {
		code, err := other.Code(t.Context(), e.code.Digest)
		if err != nil {
			t.Fatal(err)
		}
		_, err = other.Token(t.Context(), e.write.Tokens[0].Digest)
		if used := !code.ConsumedAt.IsZero(); used != (err == nil) || i%2 > 0 && !used {
			t.Errorf("exchange %d: used: %v, its token: %v", i, used, err)
		}
	}
}
