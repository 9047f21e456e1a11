package bolt

import (
	"context"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// Commit applies w whole or not at all, and returns when that is on disk. If ctx ends
// while w waits for its turn, nothing of w happens; if it ends while the disk is busy with
// w, Commit returns all the same, and w may happen or not.
func (db *DB) Commit(ctx context.Context, w storage.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(w.ConsumeCodes)+len(w.ConsumeTokens)+len(w.Codes)+len(w.Grants)+
		len(w.Tokens)+len(w.Consents)+len(w.Revoke)+len(w.TakeNotices)+len(w.Notices) == 0 {
		return db.read(func(t *txn) error {
			if err := judgeLive(t, &w); err != nil {
				return err
			}
			return judgeUnended(t, &w)
		})
	}
	// The caller may be gone, and use its slices again, before w has had its turn.
	w.ConsumeCodes, w.ConsumeTokens = slices.Clone(w.ConsumeCodes), slices.Clone(w.ConsumeTokens)
	for i, c := range w.ConsumeTokens {
		w.ConsumeTokens[i].Answer = slices.Clone(c.Answer)
	}
	w.Live, w.Unended, w.Revoke = slices.Clone(w.Live), slices.Clone(w.Unended), slices.Clone(w.Revoke)
	w.TakeNotices = slices.Clone(w.TakeNotices)
	additions, err := prepare(&w)
	if err != nil {
		return err
	}
	return db.write(ctx, &job{
		at:        w.At,
		added:     len(w.Codes) + len(w.Grants) + len(w.Tokens),
		takesBack: w.TakesBack(),
		apply:     func(t *txn) error { return apply(t, &w, additions) },
	})
}

// additions are the new records of a Write, encoded before its turn comes: whoever
// holds the write lock holds up everybody.
type additions struct {
	codes, tokens, grants, subjects, consents, notices []sealed
}

func prepare(w *storage.Write) (*additions, error) {
	var a additions
	var err error
	add := func(to *[]sealed, b bucket, key []byte, record any) {
		if err == nil {
			var value []byte
			value, err = seal(b, key, record)
			*to = append(*to, sealed{place{b, key}, value})
		}
	}
	for i := range w.Codes {
		add(&a.codes, codes, w.Codes[i].Digest[:], &w.Codes[i])
	}
	for i := range w.Tokens {
		add(&a.tokens, tokens, w.Tokens[i].Digest[:], &w.Tokens[i])
	}
	for i := range w.Grants {
		add(&a.grants, grants, name(w.Grants[i].ID), &w.Grants[i])
		add(&a.subjects, bySubj, subjectKey(&w.Grants[i]), nil)
	}
	for i := range w.Consents {
		c := &w.Consents[i]
		add(&a.consents, consents, consentKey(c.Subject, c.ClientID), c)
	}
	for i := range w.Notices {
		add(&a.notices, notices, name(w.Notices[i].ID), &w.Notices[i])
	}
	return &a, err
}

// apply judges every condition of w, in the order that storage.Write gives, and
// then makes every change. Only reading can fail with a fact.
func apply(t *txn, w *storage.Write, a *additions) error {
	usedCodes, err := judgeCodes(t, w)
	if err != nil {
		return err
	}
	usedTokens, err := judgeTokens(t, w)
	if err != nil {
		return err
	}
	if err := judgeLive(t, w); err != nil {
		return err
	}
	if err := judgeUnended(t, w); err != nil {
		return err
	}
	if err := judgeNotices(t, w); err != nil {
		return err
	}
	replaced, err := judgeAdditions(t, w, a)
	if err != nil {
		return err
	}

	for _, c := range usedCodes {
		c.ConsumedAt = w.At
		if err := t.store(codes, c.Digest[:], c); err != nil {
			return err
		}
	}
	for i, tok := range usedTokens {
		tok.ConsumedAt, tok.Answer = w.At, w.ConsumeTokens[i].Answer
		if err := t.store(tokens, tok.Digest[:], tok); err != nil {
			return err
		}
	}
	for _, p := range replaced {
		if err := t.remove(p); err != nil {
			return err
		}
	}
	for _, id := range w.TakeNotices {
		if err := t.remove(place{notices, name(id)}); err != nil {
			return err
		}
	}
	for _, list := range [][]sealed{a.codes, a.grants, a.subjects, a.tokens, a.notices, a.consents} {
		for _, s := range list {
			if err := t.put(s); err != nil {
				return err
			}
		}
	}
	for _, r := range w.Revoke {
		if err := revoke(t, w.At, r); err != nil {
			return err
		}
	}
	return nil
}

// live reports whether something that ends at expiresAt still is at the given time:
// the last instant belongs to death.
func live(at, expiresAt time.Time) bool { return at.Before(expiresAt) }

func judgeCodes(t *txn, w *storage.Write) ([]*storage.Code, error) {
	var used []*storage.Code
	for i, d := range w.ConsumeCodes {
		c, err := load[storage.Code](t, codes, d[:])
		if err != nil {
			return nil, err
		}
		switch {
		case !live(w.At, c.ExpiresAt):
			return nil, storage.ErrNotFound
		case !c.ConsumedAt.IsZero():
			return nil, storage.ErrConsumed
		}
		for _, earlier := range w.ConsumeCodes[:i] {
			if earlier == d {
				return nil, storage.ErrConsumed
			}
		}
		used = append(used, c)
	}
	return used, nil
}

func judgeTokens(t *txn, w *storage.Write) ([]*storage.Token, error) {
	var used []*storage.Token
	for i, c := range w.ConsumeTokens {
		tok, err := load[storage.Token](t, tokens, c.Digest[:])
		if err != nil {
			return nil, err
		}
		switch {
		case !live(w.At, tok.ExpiresAt):
			return nil, storage.ErrNotFound
		case !tok.RevokedAt.IsZero():
			return nil, storage.ErrRevoked
		case !tok.ConsumedAt.IsZero():
			return nil, storage.ErrConsumed
		}
		for _, earlier := range w.ConsumeTokens[:i] {
			if earlier.Digest == c.Digest {
				return nil, storage.ErrConsumed
			}
		}
		used = append(used, tok)
	}
	return used, nil
}

func judgeLive(t *txn, w *storage.Write) error {
	for _, id := range w.Live {
		g, err := load[storage.Grant](t, grants, name(id))
		switch {
		case err != nil:
			return err
		case !live(w.At, g.ExpiresAt):
			return storage.ErrNotFound
		case !g.RevokedAt.IsZero():
			return storage.ErrRevoked
		}
	}
	return nil
}

func judgeUnended(t *txn, w *storage.Write) error {
	for _, u := range w.Unended {
		all, err := lastEnded(t, u.Subject, "")
		if err != nil {
			return err
		}
		one, err := lastEnded(t, u.Subject, u.ClientID)
		if err != nil {
			return err
		}
		for _, last := range []time.Time{all, one} {
			if last.After(u.Since) && !last.After(u.Since.Add(storage.RememberEnded)) {
				return storage.ErrRevoked
			}
		}
	}
	return nil
}

// judgeAdditions finds out whether there is room for what is to be added. An expired
// record is as good as absent: whether the sweep has come by must make no
// difference. What such a record leaves elsewhere is returned, to be removed.
func judgeAdditions(t *txn, w *storage.Write, a *additions) (replaced []place, err error) {
	seen := make(map[string]bool) // only filled for a long Write
	for i, s := range a.codes {
		old, err := vacant[storage.Code](t, s.place, a.codes[:i], seen)
		if err != nil {
			return nil, err
		}
		if old != nil && live(w.At, old.ExpiresAt) {
			return nil, storage.ErrExists
		}
	}
	for i, s := range a.grants {
		old, err := vacant[storage.Grant](t, s.place, a.grants[:i], seen)
		if err != nil {
			return nil, err
		}
		if old != nil {
			if live(w.At, old.ExpiresAt) {
				return nil, storage.ErrExists
			}
			replaced = append(replaced, place{bySubj, subjectKey(old)})
		}
	}
	for i, s := range a.tokens {
		old, err := vacant[storage.Token](t, s.place, a.tokens[:i], seen)
		if err != nil {
			return nil, err
		}
		if old != nil && live(w.At, old.ExpiresAt) {
			return nil, storage.ErrExists
		}
	}
	for i, s := range a.notices {
		old, err := vacant[storage.Notice](t, s.place, a.notices[:i], seen)
		if err != nil {
			return nil, err
		}
		if old != nil {
			return nil, storage.ErrExists
		}
	}
	return replaced, nil
}

func judgeNotices(t *txn, w *storage.Write) error {
	for i, id := range w.TakeNotices {
		if slices.Contains(w.TakeNotices[:i], id) {
			return storage.ErrNotFound
		}
		if _, err := load[storage.Notice](t, notices, name(id)); err != nil {
			return err
		}
	}
	return nil
}

// vacant returns the record that is filed at p, nil if there is none, and ErrExists
// if the same Write adds one there.
func vacant[T any](t *txn, p place, earlier []sealed, seen map[string]bool) (*T, error) {
	if addedBefore(p, earlier, seen) {
		return nil, storage.ErrExists
	}
	value, err := t.find(p.bucket, p.key)
	if value == nil || err != nil {
		return nil, err
	}
	old := new(T)
	return old, unseal(p.bucket, p.key, value, old)
}

// fewAdditions is how many are compared one by one, which needs no map.
const fewAdditions = 16

// addedBefore reports whether one of the earlier additions is filed at p.
func addedBefore(p place, earlier []sealed, seen map[string]bool) bool {
	if len(earlier) < fewAdditions {
		return slices.ContainsFunc(earlier, func(s sealed) bool { return string(s.key) == string(p.key) })
	}
	added := earlier[len(earlier)-1:]
	if len(earlier) == fewAdditions {
		added = earlier
	}
	for _, s := range added {
		seen[s.bucket.String()+string(s.key)] = true
	}
	return seen[p.bucket.String()+string(p.key)]
}
