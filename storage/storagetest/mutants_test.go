package storagetest_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// mutant is a backend with one fault.
type mutant struct {
	name string

	// caughtBy is the beginning of the names of the checks that must notice.
	caughtBy string

	open func() storage.Store

	// split tells that it keeps codes and tokens apart.
	split bool

	// persists tells that checks with a Reopen are for it as well; reopen is that
	// Reopen if it is not simply the same store again.
	persists bool
	reopen   func(storage.Store) storage.Store

	// crash is its Crash, if it has one.
	crash func(storage.Store) storage.Store
}

// tampered is a sound store whose Commit goes through a function.
type tampered struct {
	storage.Store
	commit func(ctx context.Context, sound storage.Store, w storage.Write) error
}

func (s tampered) Commit(ctx context.Context, w storage.Write) error {
	return s.commit(ctx, s.Store, w)
}

func tamper(commit func(ctx context.Context, sound storage.Store, w storage.Write) error) func() storage.Store {
	return func() storage.Store { return tampered{memory.New(), commit} }
}

// disk is how long a mutant that looks first and writes later takes in between.
const disk = time.Millisecond

// To add a mutant, add a line. Wrap memory.New with tamper if the fault is in
// Commit, with a type of its own otherwise.
var mutants = []mutant{
	{name: "reads_then_writes_a_consumed_code", caughtBy: "races/one_consumes_a_code", open: readThenWrite()},
	{name: "judges_in_one_transaction_and_writes_in_another", caughtBy: "races/revoked_grants", open: tamper(
		func(ctx context.Context, sound storage.Store, w storage.Write) error {
			if err := sound.Commit(ctx, storage.Write{At: w.At, Live: w.Live}); err != nil {
				return err
			}
			time.Sleep(disk)
			w.Live = nil
			return sound.Commit(ctx, w)
		})},
	{name: "adds_without_asking_whether_it_is_there", caughtBy: "codes/seen_once", open: tamper(
		func(ctx context.Context, sound storage.Store, w storage.Write) error {
			err := sound.Commit(ctx, w)
			if errors.Is(err, storage.ErrExists) {
				return nil
			}
			return err
		})},
	{name: "loses_a_revocation_by_subject", caughtBy: "grants/revoked_by_subject", open: tamper(
		func(ctx context.Context, sound storage.Store, w storage.Write) error {
			var kept []storage.Revocation
			for _, r := range w.Revoke {
				if r.Subject == "" {
					kept = append(kept, r)
				}
			}
			w.Revoke = kept
			return sound.Commit(ctx, w)
		})},
	{name: "acknowledges_a_revocation_before_it_is_made", caughtBy: "races/revoked_", open: tamper(
		func(ctx context.Context, sound storage.Store, w storage.Write) error {
			if len(w.Revoke) == 0 || len(w.Codes)+len(w.Tokens)+len(w.Grants) > 0 {
				return sound.Commit(ctx, w)
			}
			go func() {
				time.Sleep(disk)
				_ = sound.Commit(context.Background(), w)
			}()
			return nil
		})},
	{name: "revokes_for_all_clients_when_told_one", caughtBy: "grants/revoked_by_subject_and_client", open: tamper(
		func(ctx context.Context, sound storage.Store, w storage.Write) error {
			for i := range w.Revoke {
				w.Revoke[i].ClientID = ""
			}
			return sound.Commit(ctx, w)
		})},
	{name: "writes_step_by_step", caughtBy: "atomic/none_after_token_exists", open: tamper(
		func(ctx context.Context, sound storage.Store, w storage.Write) error {
			first := storage.Write{At: w.At, ConsumeCodes: w.ConsumeCodes}
			if err := sound.Commit(ctx, first); err != nil {
				return err
			}
			w.ConsumeCodes = nil
			return sound.Commit(ctx, w)
		})},
	{name: "shows_half_a_write", caughtBy: "races/nothing_is_seen_by_halves", open: tamper(
		func(ctx context.Context, sound storage.Store, w storage.Write) error {
			tokens := w.Tokens
			w.Tokens = nil
			if err := sound.Commit(ctx, w); err != nil || len(tokens) == 0 {
				return err
			}
			time.Sleep(disk)
			return sound.Commit(ctx, storage.Write{At: w.At, Tokens: tokens})
		})},
	{name: "lives_until_and_including_expiry", caughtBy: "codes/life_ends_at_expiry", open: tamper(
		func(ctx context.Context, sound storage.Store, w storage.Write) error {
			if len(w.ConsumeCodes) > 0 {
				w.At = w.At.Add(-time.Microsecond)
			}
			return sound.Commit(ctx, w)
		})},
	{name: "keeps_what_it_is_passed", caughtBy: "copies/what_is_passed_in", open: aliasing()},
	{name: "returns_its_own_records", caughtBy: "copies/what_is_returned", open: aliasing()},
	{name: "sweeps_a_used_live_token", caughtBy: "sweep/the_living_stay", open: forgetful()},
	{name: "never_sweeps", caughtBy: "sweep/the_expired_go", open: tamper(
		func(ctx context.Context, sound storage.Store, w storage.Write) error {
			if len(w.Codes) == 1 && w.Codes[0].Kind == storage.SeenOnce && w.At.After(time.Now().Add(time.Hour)) {
				return nil // the kit lets time pass in vain
			}
			return sound.Commit(ctx, w)
		})},
	{name: "says_absent_when_it_could_not_look", caughtBy: "context/cancelled_before", open: func() storage.Store {
		return hasty{memory.New()}
	}},
	{name: "swaps_keys_unasked", caughtBy: "races/one_swaps_the_keys", open: func() storage.Store {
		return &careless{Store: memory.New()}
	}},
	{name: "writes_when_it_is_closed", caughtBy: "durable/a_kill", persists: true,
		open:  func() storage.Store { return memory.New() },
		crash: func(storage.Store) storage.Store { return memory.New() }},
	{name: "forgets_on_restart", caughtBy: "durable/", persists: true,
		open:   func() storage.Store { return memory.New() },
		reopen: func(storage.Store) storage.Store { return memory.New() }},
}

// readThenWrite consumes codes by looking at them first.
func readThenWrite() func() storage.Store {
	return tamper(func(ctx context.Context, sound storage.Store, w storage.Write) error {
		for _, d := range w.ConsumeCodes {
			c, err := sound.Code(ctx, d)
			if err != nil {
				return err
			}
			if !c.ConsumedAt.IsZero() {
				return storage.ErrConsumed
			}
		}
		time.Sleep(disk)
		err := sound.Commit(ctx, w)
		if errors.Is(err, storage.ErrConsumed) { // an unconditional UPDATE would not notice
			w.ConsumeCodes = nil
			return sound.Commit(ctx, w)
		}
		return err
	})
}

// aliased keeps the records it is given, and hands out those it keeps.
type aliased struct {
	storage.Store
	mu     sync.Mutex
	tokens map[storage.Digest]*storage.Token
}

func aliasing() func() storage.Store {
	return func() storage.Store {
		return &aliased{Store: memory.New(), tokens: make(map[storage.Digest]*storage.Token)}
	}
}

func (s *aliased) Commit(ctx context.Context, w storage.Write) error {
	if err := s.Store.Commit(ctx, w); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range w.Tokens {
		s.tokens[t.Digest] = &t
	}
	for _, c := range w.ConsumeTokens {
		s.tokens[c.Digest].ConsumedAt, s.tokens[c.Digest].Answer = w.At, c.Answer
	}
	return nil
}

func (s *aliased) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tokens[d]; t != nil {
		return t, nil
	}
	return s.Store.Token(ctx, d)
}

// dropping forgets used tokens when an hour has passed since it was made.
type dropping struct {
	storage.Store
	mu   sync.Mutex
	made time.Time
	late bool
}

func forgetful() func() storage.Store {
	return func() storage.Store { return &dropping{Store: memory.New(), made: time.Now()} }
}

func (s *dropping) Commit(ctx context.Context, w storage.Write) error {
	s.mu.Lock()
	s.late = s.late || w.At.Sub(s.made) > time.Hour
	s.mu.Unlock()
	return s.Store.Commit(ctx, w)
}

func (s *dropping) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	t, err := s.Store.Token(ctx, d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.late && !t.ConsumedAt.IsZero() {
		return nil, storage.ErrNotFound
	}
	return t, err
}

// hasty takes every failure to find a client for its absence.
type hasty struct{ storage.Store }

func (s hasty) Client(ctx context.Context, id string) (*storage.Client, error) {
	c, err := s.Store.Client(ctx, id)
	if err != nil {
		return nil, storage.ErrNotFound
	}
	return c, nil
}

// careless compares the revision and swaps in two steps.
type careless struct {
	storage.Store
	mu   sync.Mutex
	ring storage.KeyRing
}

func (s *careless) Keys(context.Context) (*storage.KeyRing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ring := s.ring
	return &ring, nil
}

func (s *careless) SwapKeys(ctx context.Context, ring storage.KeyRing) error {
	stored, _ := s.Keys(ctx)
	if stored.Revision != ring.Revision-1 {
		return storage.ErrConflict
	}
	time.Sleep(disk)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ring = ring
	return nil
}
