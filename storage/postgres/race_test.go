package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// crowd calls try n times at once and returns what each got.
func crowd(n int, try func(i int) error) []error {
	outcomes := make([]error, n)
	start := make(chan struct{})
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() {
			<-start
			outcomes[i] = try(i)
		})
	}
	close(start)
	done.Wait()
	return outcomes
}

// winner is who got nil; the others must have got the given fact.
func winner(t *testing.T, outcomes []error, fact error) int {
	t.Helper()
	won := -1
	for i, err := range outcomes {
		switch {
		case err == nil && won < 0:
			won = i
		case err == nil:
			t.Fatalf("callers %d and %d both won", won, i)
		case !errors.Is(err, fact):
			t.Fatalf("caller %d: got %v, want %v", i, err, fact)
		}
	}
	if won < 0 {
		t.Fatal("nobody won")
	}
	return won
}

// atEachIsolation runs a test as usual, and as on engines that refuse what they cannot
// put into an order.
func atEachIsolation(t *testing.T, test func(t *testing.T)) {
	for _, level := range []string{"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"} {
		t.Run(level, func(t *testing.T) {
			postgres.SetIsolation(t, level)
			test(t)
		})
	}
}

func TestReplicasConsumeOnce(t *testing.T) {
	cluster := shared(t)
	atEachIsolation(t, func(t *testing.T) {
		replicas := openMany(t, 2, newSchema(t, cluster))
		now := time.Now()
		for round := range rounds(10, 200) {
			all := exchanges(t, replicas[0], 1)
			e := all[0]
			token := func(i int) storage.Digest {
				return storage.NewDigest(now.Add(time.Hour), fmt.Sprint(round, "/", i))
			}
			won := winner(t, crowd(64, func(i int) error {
				w := e.write
				w.Tokens = []storage.Token{{Digest: token(i), Kind: storage.RefreshToken, ExpiresAt: now.Add(time.Hour)}}
				return replicas[i%2].Commit(t.Context(), w)
			}), storage.ErrConsumed)
			for i := range 64 {
				_, err := replicas[(i+1)%2].Token(t.Context(), token(i))
				if i == won && err != nil || i != won && !errors.Is(err, storage.ErrNotFound) {
					t.Fatalf("token of caller %d, where %d won: %v", i, won, err)
				}
			}
		}
	})
}

func TestReplicasRotateOnce(t *testing.T) {
	cluster := shared(t)
	atEachIsolation(t, func(t *testing.T) {
		replicas := openMany(t, 3, newSchema(t, cluster))
		for revision := uint64(1); revision <= 20; revision++ {
			issuer := func(i int) string { return fmt.Sprint("replica ", i) }
			won := winner(t, crowd(9, func(i int) error {
				return replicas[i%3].SwapKeys(t.Context(), storage.KeyRing{Revision: revision, Issuer: issuer(i)})
			}), storage.ErrConflict)
			for _, db := range replicas {
				ring, err := db.Keys(t.Context())
				if err != nil || ring.Revision != revision || ring.Issuer != issuer(won) {
					t.Fatalf("after revision %d, won by %d: %+v, %v", revision, won, ring, err)
				}
			}
		}
	})
}

// Either the revocation sees the grant, or the authorization learns of the revocation.
func TestRevocationReachesAuthorizationsInFlight(t *testing.T) {
	cluster := shared(t)
	atEachIsolation(t, func(t *testing.T) {
		replicas := openMany(t, 2, newSchema(t, cluster))
		revoked, refused := 0, 0
		for round := range rounds(1000, 10_000) {
			subject, client := fmt.Sprint("user", round%7), "app"
			since := time.Now()
			at := since.Add(time.Millisecond)
			g := storage.Grant{
				ID: storage.NewGrantID(at.Add(time.Hour)), Subject: subject, ClientID: client,
				CreatedAt: at, ExpiresAt: at.Add(time.Hour),
			}
			revocation := storage.Revocation{Subject: subject}
			if round%2 == 0 {
				revocation.ClientID = client
			}
			outcomes := crowd(2, func(i int) error {
				if i == 0 {
					return replicas[0].Commit(t.Context(), storage.Write{At: at, Revoke: []storage.Revocation{revocation}})
				}
				return replicas[1].Commit(t.Context(), storage.Write{
					At: at, Grants: []storage.Grant{g},
					Unended: []storage.Unended{{Subject: subject, ClientID: client, Since: since}},
				})
			})
			if outcomes[0] != nil {
				t.Fatalf("round %d: revoking: %v", round, outcomes[0])
			}
			got, err := replicas[0].Grant(t.Context(), g.ID)
			switch {
			case outcomes[1] == nil && err == nil && !got.RevokedAt.IsZero():
				revoked++
			case errors.Is(outcomes[1], storage.ErrRevoked) && errors.Is(err, storage.ErrNotFound):
				refused++
			default:
				t.Fatalf("round %d: the authorization got %v, and its grant is %+v, %v", round, outcomes[1], got, err)
			}
		}
		t.Logf("%d were seen and revoked, %d were refused", revoked, refused)
	})
}

// Writes that touch the same records in opposite orders must not wait for each other
// until the server ends one of them: that takes it a second.
func TestOppositeOrdersDoNotDeadlock(t *testing.T) {
	cluster := postgrestest.New(t, postgrestest.Options{NoSync: true})
	url := newSchema(t, cluster)
	replicas := openMany(t, 2, url)
	now := time.Now()
	for round := range 100 {
		all := exchanges(t, replicas[0], 2)
		a, b := all[0], all[1]
		seen := []storage.Code{
			{Digest: storage.NewDigest(now.Add(time.Hour), fmt.Sprint("x", round)), Kind: storage.SeenOnce, ExpiresAt: now.Add(time.Hour)},
			{Digest: storage.NewDigest(now.Add(time.Hour), fmt.Sprint("y", round)), Kind: storage.SeenOnce, ExpiresAt: now.Add(time.Hour)},
		}
		start := time.Now()
		for i, err := range crowd(8, func(i int) error {
			w := storage.Write{At: now}
			first, second := a, b
			if i%2 == 0 {
				first, second = b, a
			}
			switch i / 2 {
			case 0:
				w.Live = []string{first.grant.ID, second.grant.ID}
				w.Revoke = []storage.Revocation{{GrantID: second.grant.ID}, {GrantID: first.grant.ID}}
			case 1:
				w.Revoke = []storage.Revocation{{Subject: first.grant.Subject}, {Subject: second.grant.Subject}}
			case 2:
				w.ConsumeCodes = []storage.Digest{first.code.Digest, second.code.Digest}
			case 3:
				w.Codes = []storage.Code{seen[i%2], seen[(i+1)%2]}
			}
			return replicas[i%2].Commit(context.Background(), w)
		}) {
			if err != nil && !errors.Is(err, storage.ErrRevoked) && !errors.Is(err, storage.ErrConsumed) && !errors.Is(err, storage.ErrExists) {
				t.Fatalf("round %d, caller %d: %v", round, i, err)
			}
		}
		if d := time.Since(start); d > 900*time.Millisecond {
			t.Errorf("round %d took %s", round, d)
		}
	}
	if n := do(t, url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n > 0 {
		t.Errorf("the server had to end %d deadlocks", n)
	}
}
