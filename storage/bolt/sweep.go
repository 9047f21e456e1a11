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

	// sweepStep is how many records each commit looks at, besides two for each one
	// it adds: the sweep is always faster than growth, and no commit is slow.
	sweepStep = 64

	// roamStep is the same for the buckets that are in no order of time. They grow with
	// the users, not with what these do.
	roamStep = 2
)

// sweep removes what expired well before at. Keys begin with the time at which their
// record may go, so the dead are at the left edge. The record itself has the last
// word: while it says that it lives, it stays.
func (db *DB) sweep(t *txn, at time.Time, added int) error {
	cutoff := at.Add(-sweepMargin)
	budget := sweepStep + 2*added
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
	db.turn++
	for i := range edges {
		// Each comes first in its turn.
		if err := db.sweepSome(t, edges[(i+db.turn)%len(edges)], cutoff, &budget); err != nil {
			return err
		}
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
		if err := db.sweepSome(t, e, cutoff, &budget); err != nil {
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

// sweepSome looks at some records, from where it stopped last time.
func (db *DB) sweepSome(t *txn, e edge, cutoff time.Time, budget *int) error {
	var doomed []place
	err := guard(func() error {
		c := t.bucket(e.bucket).Cursor()
		k, v := c.Seek(db.swept[e.bucket])
		for ; k != nil && *budget > 0; k, v = c.Next() {
			if stamp, ok := e.stamp(k); ok && !stamp.Before(cutoff) {
				k = nil
				break
			}
			*budget--
			doomed = append(doomed, e.dead(k, v)...)
		}
		// The next sweep goes on from here, so that records which outlive their
		// stamp, or are damaged, do not shield those behind them for ever.
		db.swept[e.bucket] = bytes.Clone(k)
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
