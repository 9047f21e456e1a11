package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// The audit of the store: what the diaries tell, against what is there. Nobody writes
// meanwhile.

// auditor looks into a store.
type auditor struct {
	ctx   context.Context
	store storage.Store
	now   time.Time // by the servers' clock
	found *findings
	book  *book
	swept atomic.Int64 // records that had their time and are gone
}

// audit judges what is new, and some of what is old; or everything.
func (a *auditor) audit(everything bool) {
	const sample = 60
	b := a.book
	b.mu.Lock()
	judge := b.fresh
	if everything {
		judge = b.changes
	} else {
		for range min(sample, len(b.changes)) {
			judge = append(judge, b.changes[rand.IntN(len(b.changes))])
		}
	}
	b.fresh = nil
	b.mu.Unlock()
	each(16, judge, func(c *change) {
		if err := a.judge(c); err != nil {
			a.found.cannot(err)
		}
	})
	a.settle(judge)
	if everything {
		a.findDoubles()
	}
	a.found.cannot(a.judgeRing())
	a.found.cannot(a.judgeClients())
}

// sight is what can be seen of one effect of a change.
type sight int

const (
	moot sight = iota // nothing follows from it: it expired, or later changes hide it
	yes
	no
)

// effect is one effect of a change, in words, and whether it is to be seen.
type effect struct {
	what string
	is   sight
	ends bool // it takes something away
}

// judge holds a change to its outcome.
func (a *auditor) judge(c *change) error {
	effects, err := a.effects(c)
	if err != nil {
		return err
	}
	var seen, missing []effect
	for _, e := range effects {
		switch e.is {
		case yes:
			seen = append(seen, e)
		case no:
			missing = append(missing, e)
		}
	}
	switch {
	case len(seen) > 0 && len(missing) > 0:
		a.found.found(orphaned, c.String(), "there is %s, but not %s", seen[0].what, missing[0].what)
	case c.outcome == done && len(missing) > 0:
		what := lost
		if missing[0].ends {
			what = resurrected
		}
		a.found.found(what, c.String(), "it was acknowledged, and there is not %s", missing[0].what)
	case c.outcome == refused && len(seen) > 0:
		a.found.found(orphaned, c.String(), "it was refused, and there is %s", seen[0].what)
	}
	return nil
}

// settle notes which of the changes with an unknown outcome have happened: from now on
// they stay as they are.
func (a *auditor) settle(judged []*change) {
	a.book.mu.Lock()
	defer a.book.mu.Unlock()
	for _, c := range judged {
		if c.outcome != unknown {
			continue
		}
		effects, err := a.effects(c)
		if err != nil {
			a.found.cannot(err)
			return
		}
		for _, e := range effects {
			switch e.is {
			case yes:
				c.outcome = done
			case no:
				c.outcome = refused
			}
		}
	}
}

func (a *auditor) effects(c *change) ([]effect, error) {
	var all []effect
	add := func(is sight, ends bool, format string, args ...any) {
		all = append(all, effect{fmt.Sprintf(format, args...), is, ends})
	}
	for _, d := range c.consumeCodes {
		code, is, err := look(a, d.ExpiresAt(), func() (*storage.Code, error) { return a.store.Code(a.ctx, d) })
		if err != nil {
			return nil, err
		}
		if is == yes {
			is = a.used(c, d, code.ConsumedAt)
		}
		add(is, true, "the use of a code")
	}
	for _, d := range c.consumeTokens {
		token, is, err := look(a, d.ExpiresAt(), func() (*storage.Token, error) { return a.store.Token(a.ctx, d) })
		if err != nil {
			return nil, err
		}
		if is == yes {
			is = a.used(c, d, token.ConsumedAt)
			if is == yes && len(token.Answer) == 0 {
				a.found.found(orphaned, c.String(), "a used refresh token is without its answer")
			}
		}
		add(is, true, "the use of a refresh token")
	}
	for _, f := range c.codes {
		code, is, err := look(a, f.digest.ExpiresAt(), func() (*storage.Code, error) { return a.store.Code(a.ctx, f.digest) })
		if err != nil {
			return nil, err
		}
		if is == yes && !same(code.IssuedAt, c.at) {
			is = moot // an answered page: it is another answer that counted
		}
		add(is, false, "a code (%s)", f.digest)
		if is == yes && code.GrantID != "" {
			if err := a.hasGrant(c, "code", code.GrantID); err != nil {
				return nil, err
			}
		}
	}
	for _, f := range c.tokens {
		token, is, err := look(a, f.digest.ExpiresAt(), func() (*storage.Token, error) { return a.store.Token(a.ctx, f.digest) })
		if err != nil {
			return nil, err
		}
		add(is, false, "a token (%s)", f.digest)
		if is == yes && token.GrantID != "" {
			if err := a.hasGrant(c, "token", token.GrantID); err != nil {
				return nil, err
			}
		}
	}
	for _, g := range c.grants {
		is, err := a.grant(c, g)
		if err != nil {
			return nil, err
		}
		add(is, false, "the grant %s", g.id)
	}
	for _, p := range c.consents {
		is, err := a.consent(c, p)
		if err != nil {
			return nil, err
		}
		add(is, false, "the consent of %s for %s", p.subject, p.client)
	}
	for _, r := range c.revoke {
		more, err := a.ending(c, r)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// look looks something up that is kept until a time.
func look[T any](a *auditor, keptUntil time.Time, get func() (*T, error)) (*T, sight, error) {
	record, err := get()
	switch {
	case errors.Is(err, storage.ErrNotFound):
		if a.now.Before(keptUntil) {
			return nil, no, nil
		}
		a.swept.Add(1)
		return nil, moot, nil
	case err != nil:
		return nil, moot, fmt.Errorf("looking into the store: %w", err)
	}
	return record, yes, nil
}

// stamped tells whether a record was marked at a time: by the change of that time, by
// another, or not at all.
func stamped(mark, at time.Time) sight {
	switch {
	case mark.IsZero():
		return no
	case same(mark, at):
		return yes
	}
	return moot
}

// used is stamped for a code or a token that was used up. Two that tried so in the same
// microsecond cannot be told apart by that.
func (a *auditor) used(c *change, d storage.Digest, mark time.Time) sight {
	is := stamped(mark, c.at)
	if is == yes && slices.ContainsFunc(a.book.uses[d], func(o *change) bool {
		return o != c && o.outcome != refused && same(o.at, c.at)
	}) {
		return moot
	}
	return is
}

// same compares to the microsecond, which is what stores promise.
func same(a, b time.Time) bool {
	return a.Truncate(time.Microsecond).Equal(b.Truncate(time.Microsecond))
}
