package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// crowd is how many callers a race has.
const crowd = 64

// race calls try from a crowd at once and returns what each got.
func race(try func(i int) error) []error {
	outcomes := make([]error, crowd)
	start := make(chan struct{})
	var done sync.WaitGroup
	for i := range crowd {
		done.Go(func() {
			<-start
			outcomes[i] = try(i)
		})
	}
	close(start)
	done.Wait()
	return outcomes
}

// oneWinner checks that one of outcomes is nil and the rest are the given fact. It
// returns the winner's index.
func (k *kit) oneWinner(outcomes []error, fact error) int {
	k.Helper()
	winner := -1
	for i, err := range outcomes {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			k.Fatalf("callers %d and %d both won", winner, i)
		case !errors.Is(err, fact):
			k.Fatalf("caller %d: got %v, want %v", i, err, fact)
		}
	}
	if winner < 0 {
		k.Fatalf("nobody won")
	}
	return winner
}

var raceChecks = []check{
	{name: "races/one_consumes_a_code", run: func(k *kit) {
		for round := range 4 {
			c := k.code(fmt.Sprint("code", round))
			k.commit(storage.Write{Codes: []storage.Code{c}})
			issued := func(i int) storage.Token { return k.token(fmt.Sprintf("%d of %d", i, round)) }
			winner := k.oneWinner(race(func(i int) error {
				return k.try(storage.Write{ConsumeCodes: []storage.Digest{c.Digest}, Tokens: []storage.Token{issued(i)}})
			}), storage.ErrConsumed)
			for i := range crowd {
				if i == winner {
					k.wantToken(issued(i))
					continue
				}
				t, err := k.store.Token(k.ctx, issued(i).Digest)
				absent(k, t, err)
			}
		}
	}},
	{name: "races/one_consumes_a_token", run: func(k *kit) {
		for round := range 4 {
			name := fmt.Sprint("token", round)
			t := k.token(name)
			k.commit(storage.Write{Tokens: []storage.Token{t}})
			winner := k.oneWinner(race(func(i int) error {
				return k.try(k.use(name, fmt.Sprint("answer", i)))
			}), storage.ErrConsumed)
			t.ConsumedAt, t.Answer = k.now, fmt.Append(nil, "answer", winner)
			k.wantToken(t)
		}
	}},
	{name: "races/one_is_seen_first", run: func(k *kit) {
		for round := range 4 {
			seen := storage.Code{Digest: k.digest(fmt.Sprint("jti", round)), Kind: storage.SeenOnce, ExpiresAt: k.now.Add(time.Hour)}
			k.oneWinner(race(func(int) error {
				return k.try(storage.Write{Codes: []storage.Code{seen}})
			}), storage.ErrExists)
		}
	}},
	{name: "races/one_adds_a_grant", run: func(k *kit) {
		id := k.grant("", "").ID
		winner := k.oneWinner(race(func(i int) error {
			g := k.grant(fmt.Sprint("user", i), "app")
			g.ID = id
			return k.try(storage.Write{Grants: []storage.Grant{g}})
		}), storage.ErrExists)
		for i := range crowd {
			got, err := k.store.ListGrants(k.ctx, fmt.Sprint("user", i), "", 10)
			if err != nil || (len(got) > 0) != (i == winner) {
				k.Fatalf("user%d has %d grants, %v; the winner is user%d", i, len(got), err, winner)
			}
		}
	}},
	{name: "races/one_puts_a_client_back", run: func(k *kit) {
		for round := range 4 {
			id := fmt.Sprint("app", round)
			k.putClient(k.client(id))
			read := *k.readClient(id)
			named := func(i int) storage.Client {
				c := read
				c.Name = fmt.Sprint("By ", i)
				return c
			}
			winner := k.oneWinner(race(func(i int) error { return k.store.PutClient(k.ctx, named(i)) }), storage.ErrConflict)
			k.wantClient(named(winner))
		}
	}},
	{name: "races/one_swaps_the_keys", run: func(k *kit) {
		for round := range uint64(4) {
			winner := k.oneWinner(race(func(i int) error {
				return k.store.SwapKeys(k.ctx, k.ring(round+1, fmt.Sprint("key", i)))
			}), storage.ErrConflict)
			k.wantRing(k.ring(round+1, fmt.Sprint("key", winner)))
		}
	}},
	{name: "races/neighbours_do_not_disturb", run: func(k *kit) {
		// Whatever is grouped for speed, each Write succeeds or fails on its own.
		k.commit(storage.Write{Codes: []storage.Code{k.code("taken")}})
		outcomes := race(func(i int) error {
			w := storage.Write{Codes: []storage.Code{k.code(fmt.Sprint(i))}}
			if i%2 == 1 {
				w.Codes = append(w.Codes, k.code("taken"))
			}
			return k.try(w)
		})
		for i, err := range outcomes {
			if i%2 == 0 {
				if err != nil {
					k.Fatalf("caller %d: %v", i, err)
				}
				k.wantCode(k.code(fmt.Sprint(i)))
				continue
			}
			if !errors.Is(err, storage.ErrExists) {
				k.Fatalf("caller %d: got %v, want ErrExists", i, err)
			}
			c, err := k.store.Code(k.ctx, k.digest(fmt.Sprint(i)))
			absent(k, c, err)
		}
	}},
	{name: "races/nothing_is_seen_by_halves", whole: true, run: func(k *kit) {
		for round := range 20 {
			code, token := k.code(fmt.Sprint(round)), k.token(fmt.Sprint(round))
			done := make(chan error, 1)
			go func() { done <- k.try(storage.Write{Codes: []storage.Code{code}, Tokens: []storage.Token{token}}) }()
			for finished := false; !finished; {
				select {
				case err := <-done:
					if err != nil {
						k.Fatalf("Commit: %v", err)
					}
					finished = true
				default:
				}
				c, err := k.store.Code(k.ctx, code.Digest)
				if gone(k, c, err) {
					continue
				}
				t, err := k.store.Token(k.ctx, token.Digest)
				if gone(k, t, err) {
					k.Fatalf("the code of a Write is there and its token is not")
				}
			}
			k.wantCode(code)
			k.wantToken(token)
		}
	}},
	{name: "races/revoked_grants_stay_dead", run: func(k *kit) { k.raceRevocation(true) }},
	{name: "races/revoked_subjects_stay_dead", run: func(k *kit) { k.raceRevocation(false) }},
	{name: "races/revoked_tokens_stay_dead", run: func(k *kit) {
		for round := range 20 {
			t := k.token(fmt.Sprint(round))
			k.commit(storage.Write{Tokens: []storage.Token{t}})
			var revoked atomic.Bool
			race(func(i int) error {
				if i == crowd/2 {
					if err := k.try(storage.Write{Revoke: []storage.Revocation{{Token: t.Digest}}}); err != nil {
						k.Errorf("revoking: %v", err)
					}
					revoked.Store(true)
					return nil
				}
				late := revoked.Load()
				if err := k.try(k.use(fmt.Sprint(round), "")); late && !errors.Is(err, storage.ErrRevoked) {
					k.Errorf("consuming after the revocation: got %v, want ErrRevoked", err)
				}
				return nil
			})
			got, err := k.store.Token(k.ctx, t.Digest)
			if err != nil || got.RevokedAt.IsZero() {
				k.Fatalf("after the race: got %v, %v, want it revoked", got, err)
			}
		}
	}},
}

// raceRevocation lets a family of refresh tokens be refreshed by several callers as
// fast as they can, revokes its grant in the middle, and looks for what outlives it.
func (k *kit) raceRevocation(byID bool) {
	k.Helper()
	for round := range 10 {
		subject := fmt.Sprint("user", round)
		g := k.grant(subject, "app")
		revocation := storage.Revocation{GrantID: g.ID}
		if !byID {
			revocation = storage.Revocation{Subject: subject}
		}
		k.commit(storage.Write{Grants: []storage.Grant{g}})

		var revoked atomic.Bool
		var refreshed atomic.Int64
		var family sync.WaitGroup
		var at [4]atomic.Int64 // which token each member is about to use
		token := func(member, i int) string { return fmt.Sprintf("%d/%d/%d", round, member, i) }
		for member := range at {
			family.Go(func() {
				name := func(i int) string { return token(member, i) }
				first := k.token(name(0))
				if err := k.try(storage.Write{Live: []string{g.ID}, Tokens: []storage.Token{first}}); err != nil {
					if !errors.Is(err, storage.ErrRevoked) {
						k.Errorf("first token: %v", err)
					}
					return
				}
				for i := 0; ; i++ {
					at[member].Store(int64(i))
					late := revoked.Load()
					w := k.use(name(i), "")
					w.Live = []string{g.ID}
					w.Tokens = []storage.Token{k.token(name(i + 1))}
					err := k.try(w)
					if err == nil && late {
						k.Errorf("a token was refreshed after the revocation had returned")
						return
					}
					if err != nil {
						if !errors.Is(err, storage.ErrRevoked) {
							k.Errorf("refreshing: got %v, want nil or ErrRevoked", err)
						}
						return
					}
					refreshed.Add(1)
				}
			})
		}
		for spin := 0; refreshed.Load() < 8 && spin < 1000; spin++ {
			time.Sleep(100 * time.Microsecond)
		}
		if err := k.try(storage.Write{Revoke: []storage.Revocation{revocation}}); err != nil {
			k.Errorf("revoking: %v", err)
		}
		revoked.Store(true)
		if err := k.try(storage.Write{Live: []string{g.ID}}); !errors.Is(err, storage.ErrRevoked) {
			k.Errorf("right after the revocation: got %v, want ErrRevoked", err)
		}
		// What is not there now must not be there later, whenever it was begun.
		var unborn []storage.Digest
		for member := range at {
			next := int(at[member].Load()) + 1
			for i := next; i < next+3; i++ {
				d := k.digest(token(member, i))
				if t, err := k.store.Token(k.ctx, d); gone(k, t, err) {
					unborn = append(unborn, d)
				}
			}
		}
		family.Wait()
		for _, d := range unborn {
			if t, err := k.store.Token(k.ctx, d); !gone(k, t, err) {
				k.Errorf("a token was stored after the revocation had returned")
			}
		}
		got, err := k.store.Grant(k.ctx, g.ID)
		if err != nil || got.RevokedAt.IsZero() {
			k.Fatalf("after the race: got %v, %v, want the grant revoked", got, err)
		}
	}
}
