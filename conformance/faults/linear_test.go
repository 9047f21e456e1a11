package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	. "github.com/grantor-oauth/grantor/conformance/faults"
	"github.com/grantor-oauth/grantor/storage"
)

// clients is how many work on one user at a time; work is how many operations that are
// together, before they move on to the next. A history is ten times that.
const (
	clients = 10
	work    = 100
	users   = 10
)

// patience is how long the checker may think about one history.
const patience = time.Minute

// workload turns actions into calls of a store.
type workload struct {
	store   storage.Store
	history *History
	began   time.Time // all times count from here
	ticks   *atomic.Int64
	prefix  string
	ids     [][slots]string // of the grants
}

// newWorkload prepares a history. Stores may be shared by several: the names differ.
func newWorkload(store storage.Store, began time.Time, ticks *atomic.Int64, prefix string) *workload {
	w := &workload{store: store, history: &History{}, began: began, ticks: ticks, prefix: prefix, ids: make([][slots]string, users)}
	for u := range w.ids {
		for g := range slots {
			w.ids[u][g] = storage.NewGrantID(w.expiry())
		}
	}
	return w
}

func (w *workload) expiry() time.Time { return w.began.Add(24 * time.Hour) }
func (w *workload) time(tick int64) time.Time {
	return w.began.Add(time.Duration(tick) * time.Microsecond)
}
func (w *workload) subject(a action) string      { return fmt.Sprint(w.prefix, " user ", a.user) }
func (w *workload) code(a action) storage.Digest { return w.digest("code", a.user, a.grant, 0) }
func (w *workload) token(a action, i int) storage.Digest {
	return w.digest("token", a.user, a.grant, i)
}

func (w *workload) digest(kind string, user, grant, i int) storage.Digest {
	return storage.NewDigest(w.expiry(), fmt.Sprint(w.prefix, kind, user, " ", grant, " ", i))
}

// invent makes up an action. The early slots are preferred, so that they fill up first.
func (w *workload) invent(user int) action {
	kinds := []string{
		"authorize", "authorize", "redeem", "redeem", "redeem", "refresh", "refresh", "refresh", "refresh", "refresh", "refresh",
		"read code", "read token", "read token", "read grant", "revoke grant", "revoke token", "revoke user",
	}
	a := action{user: user, kind: kinds[rand.IntN(len(kinds))], grant: rand.IntN(slots), token: rand.IntN(chain - 1)}
	if rand.IntN(3) > 0 {
		a.token = rand.IntN(2)
	}
	if (a.kind == "revoke user" || a.kind == "revoke grant") && rand.IntN(3) > 0 {
		a.kind = "refresh" // else there would soon be nothing left to do
	}
	return a
}

// write is the Write that an action is.
func (w *workload) write(a action) storage.Write {
	grant := w.ids[a.user][a.grant]
	token := func(i int) storage.Token {
		return storage.Token{Digest: w.token(a, i), Kind: storage.RefreshToken, ClientID: "app", GrantID: grant, IssuedAt: w.began, ExpiresAt: w.expiry()}
	}
	out := storage.Write{At: w.time(a.at)}
	switch a.kind {
	case "authorize":
		out.Unended = []storage.Unended{{Subject: w.subject(a), ClientID: "app", Since: w.time(a.since)}}
		out.Grants = []storage.Grant{{ID: grant, ClientID: "app", Subject: w.subject(a), CreatedAt: w.began, ExpiresAt: w.expiry()}}
		out.Codes = []storage.Code{{Digest: w.code(a), Kind: storage.AuthorizationCode, ClientID: "app", GrantID: grant, IssuedAt: w.began, ExpiresAt: w.expiry()}}
	case "redeem":
		out.ConsumeCodes, out.Live, out.Tokens = []storage.Digest{w.code(a)}, []string{grant}, []storage.Token{token(0)}
	case "refresh":
		out.ConsumeTokens, out.Live, out.Tokens = []storage.Consumption{{Digest: w.token(a, a.token)}}, []string{grant}, []storage.Token{token(a.token + 1)}
	case "revoke grant":
		out.Revoke = []storage.Revocation{{GrantID: grant, Reason: "test"}}
	case "revoke token":
		out.Revoke = []storage.Revocation{{Token: w.token(a, a.token), Reason: "test"}}
	case "revoke user":
		out.Revoke = []storage.Revocation{{Subject: w.subject(a), Reason: "test"}}
	}
	return out
}

// call does it, and translates the answer. An error is one that says nothing.
func (w *workload) call(ctx context.Context, a action) (any, error) {
	flags := func(found error, isUsed, isRevoked bool) (any, error) {
		m := exists
		if isUsed {
			m |= used
		}
		if isRevoked {
			m |= revoked
		}
		if errors.Is(found, storage.ErrNotFound) {
			return mark(0), nil
		}
		return m, found
	}
	switch a.kind {
	case "read code":
		c, err := w.store.Code(ctx, w.code(a))
		return flags(err, c != nil && !c.ConsumedAt.IsZero(), false)
	case "read token":
		t, err := w.store.Token(ctx, w.token(a, a.token))
		return flags(err, t != nil && !t.ConsumedAt.IsZero(), t != nil && !t.RevokedAt.IsZero())
	case "read grant":
		g, err := w.store.Grant(ctx, w.ids[a.user][a.grant])
		return flags(err, false, g != nil && !g.RevokedAt.IsZero())
	}
	err := w.store.Commit(ctx, w.write(a))
	for fact, answer := range map[error]string{
		nil: done, storage.ErrNotFound: notFound, storage.ErrExists: already, storage.ErrConsumed: consumed, storage.ErrRevoked: ended,
	} {
		if errors.Is(err, fact) {
			return answer, nil
		}
	}
	return nil, err
}

// record runs the workload.
func (w *workload) record() *History {
	for user := range users {
		var left atomic.Int64
		left.Store(work)
		together(clients, func(client int) {
			for left.Add(-1) >= 0 {
				a := w.invent(user)
				a.since = w.ticks.Load() - int64(rand.IntN(3))
				pause(4)
				a.at = w.ticks.Add(1)
				answered, lost := w.history.Invoke(client, a)
				pause(2)
				answer, err := w.call(context.Background(), a)
				pause(4)
				switch {
				case err == nil:
					answered(answer)
				case a.kind != "read code" && a.kind != "read token" && a.kind != "read grant":
					lost()
				}
			}
		})
	}
	return w.history
}

// pause lets others go first, one time in so many.
func pause(n int) {
	if rand.IntN(n) == 0 {
		time.Sleep(time.Duration(rand.IntN(100)) * time.Microsecond)
	}
}

// flaky is the plan in which some calls fail and some lose their answer.
func flaky(int, string) Fault {
	switch rand.IntN(40) {
	case 0:
		return Fail
	case 1:
		return Lose
	}
	return None
}

// check asks porcupine.
func check(t *testing.T, model porcupine.Model, h *History) porcupine.CheckResult {
	t.Helper()
	result, _ := porcupine.CheckOperationsVerbose(model, operations(h), patience)
	if result == porcupine.Unknown {
		t.Fatalf("the checker did not come to an end in %v", patience)
	}
	return result
}

// Every backend behaves as if one thing happened after the other, whatever overlaps and
// whatever answers get lost.
func TestLinearizable_stores(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			linearizable(t, b.open(t))
		})
	}
}

func linearizable(t *testing.T, inner storage.Store) {
	store, began, ticks := NewStore(inner), time.Now().UTC().Truncate(time.Second), &atomic.Int64{}
	ticks.Store(10)
	defer store.Close()
	store.Break(flaky)
	lost, facts := 0, map[any]int{}
	for round := range rounds(5, 100) {
		h := newWorkload(store, began, ticks, fmt.Sprint(round)).record()
		for _, o := range h.Operations() {
			if o.Unknown() {
				lost++
			}
			facts[o.Output]++
		}
		if check(t, storeModel, h) != porcupine.Ok {
			t.Fatalf("history %d is not linearizable", round)
		}
	}
	for _, fact := range []any{done, notFound, already, consumed, ended, exists, exists | used, exists | revoked} {
		if facts[fact] == 0 {
			t.Errorf("no operation was answered with %v: the workload does not try enough", fact)
		}
	}
	if lost == 0 {
		t.Error("no answer got lost: the faults do not strike")
	}
}
