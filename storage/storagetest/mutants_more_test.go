package storagetest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// before is a sound store to which fn does something first. It is given a Write of its own.
func before(fn func(ctx context.Context, sound storage.Store, w *storage.Write) error) func() storage.Store {
	return tamper(func(ctx context.Context, sound storage.Store, w storage.Write) error {
		if err := fn(ctx, sound, &w); err != nil {
			return err
		}
		return sound.Commit(ctx, w)
	})
}

func init() {
	mutants = append(mutants, []mutant{
		{name: "does_not_ask_who_was_ended", caughtBy: "ended/since", open: before(
			func(_ context.Context, _ storage.Store, w *storage.Write) error {
				w.Unended = nil
				return nil
			})},
		{name: "asks_who_was_ended_in_a_transaction_before", caughtBy: "ended/nobody_slips_through", open: before(
			func(ctx context.Context, sound storage.Store, w *storage.Write) error {
				first := storage.Write{At: w.At, Unended: w.Unended}
				w.Unended = nil
				defer time.Sleep(disk)
				return sound.Commit(ctx, first)
			})},
		{name: "remembers_no_end_for_one_client", caughtBy: "ended/for_one_client", open: before(
			func(_ context.Context, _ storage.Store, w *storage.Write) error {
				w.Unended = slices.Clone(w.Unended)
				for i := range w.Unended {
					w.Unended[i].ClientID = ""
				}
				return nil
			})},
		{name: "remembers_an_end_only_with_grants_to_revoke", caughtBy: "ended/", open: before(
			func(ctx context.Context, sound storage.Store, w *storage.Write) error {
				w.Revoke = slices.DeleteFunc(slices.Clone(w.Revoke), func(r storage.Revocation) bool {
					grants, err := sound.ListGrants(ctx, r.Subject, "", 1)
					return r.Subject != "" && err == nil && len(grants) == 0
				})
				return nil
			})},
		{name: "believes_every_clock", caughtBy: "ended/by_a_clock_that_was_wrong", open: before(
			func(_ context.Context, _ storage.Store, w *storage.Write) error {
				for _, u := range slices.Clone(w.Unended) {
					for range 48 {
						u.Since = u.Since.Add(storage.RememberEnded)
						w.Unended = append(w.Unended, u)
					}
				}
				return nil
			})},
		{name: "consumes_what_is_named_twice", caughtBy: "codes/consumed_twice_in_one_write", open: before(
			func(_ context.Context, _ storage.Store, w *storage.Write) error {
				seen := make(map[storage.Digest]bool)
				w.ConsumeCodes = slices.DeleteFunc(slices.Clone(w.ConsumeCodes), func(d storage.Digest) bool {
					defer func() { seen[d] = true }()
					return seen[d]
				})
				return nil
			})},
		{name: "judges_a_list_from_its_end", caughtBy: "atomic/order_within_a_list", open: before(
			func(_ context.Context, _ storage.Store, w *storage.Write) error {
				w.ConsumeTokens = slices.Clone(w.ConsumeTokens)
				slices.Reverse(w.ConsumeTokens)
				return nil
			})},
		{name: "revokes_before_it_adds", caughtBy: "atomic/revoking_comes_last", open: tamper(
			func(ctx context.Context, sound storage.Store, w storage.Write) error {
				first := storage.Write{At: w.At, Revoke: w.Revoke}
				w.Revoke = slices.DeleteFunc(slices.Clone(w.Revoke), func(r storage.Revocation) bool { return r.Token == storage.Digest{} })
				first.Revoke = slices.DeleteFunc(slices.Clone(first.Revoke), func(r storage.Revocation) bool { return r.Token != storage.Digest{} })
				return errors.Join(sound.Commit(ctx, first), sound.Commit(ctx, w))
			})},
		{name: "adds_everything_unused", caughtBy: "restore/", open: before(
			func(_ context.Context, _ storage.Store, w *storage.Write) error {
				w.Codes, w.Tokens = slices.Clone(w.Codes), slices.Clone(w.Tokens)
				for i := range w.Codes {
					w.Codes[i].ConsumedAt = time.Time{}
				}
				for i := range w.Tokens {
					w.Tokens[i].ConsumedAt, w.Tokens[i].RevokedAt = time.Time{}, time.Time{}
				}
				return nil
			})},
		{name: "makes_room_and_keeps_the_old_mark", caughtBy: "codes/expired_makes_room", open: before(
			func(ctx context.Context, sound storage.Store, w *storage.Write) error {
				w.Codes = slices.Clone(w.Codes)
				for i := range w.Codes {
					if old, err := sound.Code(ctx, w.Codes[i].Digest); err == nil {
						w.Codes[i].ConsumedAt = old.ConsumedAt
					}
				}
				return nil
			})},
		{name: "sorts_what_it_is_passed", caughtBy: "copies/what_is_passed_in_is_left_alone", open: before(
			func(_ context.Context, _ storage.Store, w *storage.Write) error {
				slices.SortFunc(w.Revoke, func(a, b storage.Revocation) int { return strings.Compare(a.Subject, b.Subject) })
				return nil
			})},
		{name: "keeps_milliseconds", caughtBy: "odd_values/times", open: before(
			func(_ context.Context, _ storage.Store, w *storage.Write) error {
				w.Grants = slices.Clone(w.Grants)
				for i := range w.Grants {
					w.Grants[i].AuthTime = w.Grants[i].AuthTime.Truncate(time.Millisecond)
				}
				return nil
			})},
		{name: "revokes_for_clients_in_either_case", caughtBy: "odd_values/clients_are_kept_apart_when_revoked", open: before(
			func(_ context.Context, _ storage.Store, w *storage.Write) error {
				for _, r := range slices.Clone(w.Revoke) {
					if r.ClientID != "" {
						r.ClientID = strings.ToUpper(r.ClientID)
						w.Revoke = append(w.Revoke, r)
					}
				}
				return nil
			})},
		{name: "keeps_consents_for_ever", caughtBy: "sweep/the_expired_go", open: before(
			func(_ context.Context, _ storage.Store, w *storage.Write) error {
				w.Consents = slices.Clone(w.Consents)
				for i := range w.Consents {
					w.Consents[i].ExpiresAt = time.Time{}
				}
				return nil
			})},
		{name: "sweeps_by_the_stamp_alone", caughtBy: "sweep/what_outlives_its_stamp_stays", open: func() storage.Store {
			return &sweeping{Store: memory.New(), step: 1000, byStamp: true}
		}},
		{name: "sweeps_less_than_is_added", caughtBy: "sweep/the_dead_do_not_pile_up", open: func() storage.Store {
			return &sweeping{Store: memory.New(), step: 16}
		}},
		{name: "takes_a_negative_limit_for_none", caughtBy: "clients/listed_by_bytes", open: func() storage.Store {
			return unlimited{memory.New()}
		}},
		{name: "reads_then_writes_and_is_only_the_codes", caughtBy: "races/one_consumes_a_code", split: true, open: func() storage.Store {
			mem := memory.New()
			return storage.Join(mem, readThenWrite()(), mem, mem)
		}},
		{name: "writes_step_by_step_and_is_only_the_codes", caughtBy: "atomic/none_after_code_exists", split: true, open: func() storage.Store {
			mem := memory.New()
			return storage.Join(mem, before(func(ctx context.Context, sound storage.Store, w *storage.Write) error {
				first := storage.Write{At: w.At, ConsumeCodes: w.ConsumeCodes}
				w.ConsumeCodes = nil
				return sound.Commit(ctx, first)
			})(), mem, mem)
		}},
	}...)
}

// sweeping keeps tokens beside the sound store, and removes step of them with each Write.
type sweeping struct {
	storage.Store
	step    int
	byStamp bool // and not by their own ExpiresAt

	mu     sync.Mutex
	tokens map[storage.Digest]storage.Token
}

func (s *sweeping) Commit(ctx context.Context, w storage.Write) error {
	if err := s.Store.Commit(ctx, w); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil {
		s.tokens = make(map[storage.Digest]storage.Token)
	}
	left := s.step
	for d, t := range s.tokens {
		end := t.ExpiresAt
		if s.byStamp {
			end = d.ExpiresAt()
		}
		if end.Before(w.At) && left > 0 {
			left--
			delete(s.tokens, d)
		}
	}
	for _, t := range w.Tokens {
		s.tokens[t.Digest] = t
	}
	return nil
}

func (s *sweeping) Token(_ context.Context, d storage.Digest) (*storage.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.tokens[d]; ok {
		return &t, nil
	}
	return nil, storage.ErrNotFound
}

// unlimited has a LIMIT as SQLite has it.
type unlimited struct{ storage.Store }

func (s unlimited) ListClients(ctx context.Context, after string, limit int) ([]storage.Client, error) {
	if limit < 0 {
		limit = 1 << 30
	}
	return s.Store.ListClients(ctx, after, limit)
}
