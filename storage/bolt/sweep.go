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
)

// sweep removes what expired well before at. Keys begin with the time at which their
// record may go, so the dead are at the left edge. The record itself has the last
// word: while it says that it lives, it stays.
func (db *DB) sweep(t *txn, at time.Time, added int) error {
	cutoff := at.Add(-sweepMargin)
	budget := sweepStep + 2*added
	edges := []struct {
		bucket bucket
		stamp  func(key []byte) (time.Time, bool)
		dead   func(key, value []byte) []place
	}{
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
		edge := edges[(i+db.turn)%len(edges)] // each comes first in its turn
		var doomed []place
		err := guard(func() error {
			c := t.bucket(edge.bucket).Cursor()
			k, v := c.Seek(db.swept[edge.bucket])
			for ; k != nil && budget > 0; k, v = c.Next() {
				if stamp, ok := edge.stamp(k); ok && !stamp.Before(cutoff) {
					k = nil
					break
				}
				budget--
				doomed = append(doomed, edge.dead(k, v)...)
			}
			// The next sweep goes on from here, so that records which outlive their
			// stamp, or are damaged, do not shield those behind them for ever.
			db.swept[edge.bucket] = bytes.Clone(k)
			return nil
		})
		if err != nil {
			continue // a damaged page must not stop writes that do not need it
		}
		for _, p := range doomed {
			if err := t.remove(p); err != nil {
				return err
			}
		}
	}
	return nil
}
