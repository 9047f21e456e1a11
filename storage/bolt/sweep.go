package bolt

import (
	"bytes"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

const (
	// sweepMargin is how long the dead are left alone, for whoever looks into what
	// just happened.
	sweepMargin = time.Minute

	// sweepStep is how many records a sweep looks at, besides two for each one that was
	// added since the last: the sweep is always faster than growth, and no commit is slow.
	sweepStep = 64

	// roamStep is the same for the buckets that are in no order of time. They grow with
	// the users, not with what these do.
	roamStep = 16

	// When a sweep has found its end, it rests so long, or for so many commits.
	restTime    = time.Second
	restCommits = 64
)

// sweeper remembers where the sweep is.
type sweeper struct {
	next  [bucketCount][]byte // where it goes on in each bucket
	turn  int                 // says which bucket was first last time
	added int                 // records since the last sweep

	rested time.Time // when it last found its end; zero if it has more to do
	passed int       // commits since then
}

// sweep removes what expired well before at. Keys begin with the time at which their
// record may go, so the dead are at the left edge. The record itself has the last
// word: while it says that it lives, it stays. What is still in the log is not swept
// before it has been merged.
func (s *sweeper) sweep(t *txn, at time.Time, added int) error {
	s.added += added
	if s.passed++; !s.rested.IsZero() && at.Sub(s.rested) < restTime && s.passed < restCommits {
		return nil
	}
	cutoff := at.Add(-sweepMargin)
	budget := sweepStep + 2*s.added
	s.added, s.passed = 0, 0
	edges := []edge{
		{codes, digestStamp, func(key, value []byte) []place {
			var c storage.Code
			if unseal(codes, key, value, &c) != nil || !c.ExpiresAt.Before(cutoff) {
				return nil
			}
			return []place{{codes, bytes.Clone(key)}}
		}},
		{tokens, digestStamp, func(key, value []byte) []place {
			var tok storage.Token
			if unseal(tokens, key, value, &tok) != nil || !tok.ExpiresAt.Before(cutoff) {
				return nil
			}
			return []place{{tokens, bytes.Clone(key)}}
		}},
		{grants, grantStamp, func(key, value []byte) []place {
			var g storage.Grant
			if unseal(grants, key, value, &g) != nil || !g.ExpiresAt.Before(cutoff) {
				return nil
			}
			return []place{{grants, bytes.Clone(key)}, {bySubj, subjectKey(&g)}}
		}},
	}
	s.turn++
	for i := range edges {
		// Each comes first in its turn.
		if err := s.some(t, edges[(i+s.turn)%len(edges)], cutoff, &budget); err != nil {
			return err
		}
	}
	if s.rested = at; budget <= 0 {
		s.rested = time.Time{}
	}
	roam := []edge{
		{consents, noStamp, func(key, value []byte) []place {
			var c storage.Consent
			if unseal(consents, key, value, &c) != nil || c.ExpiresAt.IsZero() || !c.ExpiresAt.Before(cutoff) {
				return nil
			}
			return []place{{consents, bytes.Clone(key)}}
		}},
		{ended, noStamp, func(key, value []byte) []place {
			var e ending
			if unseal(ended, key, value, &e) != nil || !e.At.Add(storage.RememberEnded).Before(cutoff) {
				return nil
			}
			return []place{{ended, bytes.Clone(key)}}
		}},
	}
	for _, e := range roam {
		budget := roamStep
		if err := s.some(t, e, cutoff, &budget); err != nil {
			return err
		}
	}
	return nil
}

// edge is a bucket to be swept: the time before which a key's record certainly stays,
// if the key tells, and what goes with a dead record.
type edge struct {
	bucket bucket
	stamp  func(key []byte) (time.Time, bool)
	dead   func(key, value []byte) []place
}

func noStamp([]byte) (time.Time, bool) { return time.Time{}, false }

// some looks at some records, from where it stopped last time.
func (s *sweeper) some(t *txn, e edge, cutoff time.Time, budget *int) error {
	var doomed []place
	err := guard(func() error {
		c := t.bucket(e.bucket).Cursor()
		k, v := c.Seek(s.next[e.bucket])
		for ; k != nil && *budget > 0; k, v = c.Next() {
			if stamp, ok := e.stamp(k); ok && !stamp.Before(cutoff) {
				k = nil
				break
			}
			*budget--
			if newer, known := t.above(e.bucket, k); known {
				if v = newer; v == nil {
					continue
				}
			}
			doomed = append(doomed, e.dead(k, v)...)
		}
		// The next sweep goes on from here, so that records which outlive their
		// stamp, or are damaged, do not shield those behind them for ever.
		s.next[e.bucket] = bytes.Clone(k)
		return nil
	})
	if err != nil {
		return nil // a damaged page must not stop writes that do not need it
	}
	for _, p := range doomed {
		if err := t.remove(p); err != nil {
			return err
		}
	}
	return nil
}
