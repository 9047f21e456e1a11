package memory

import (
	"container/heap"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

const (
	sweepMargin = time.Minute
	sweepStep   = 64
)

// due is a heap of what may be dropped, the next first.
type due []removal

// removal is one record to drop, unless it has been replaced by one that lives on.
type removal struct {
	at   time.Time
	drop func(cutoff time.Time)
}

func (d due) Len() int           { return len(d) }
func (d due) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d due) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *due) Push(x any)        { *d = append(*d, x.(removal)) }

func (d *due) Pop() any {
	last := len(*d) - 1
	r := (*d)[last]
	(*d)[last] = removal{} // let go of the record
	*d = (*d)[:last]
	return r
}

// later is when a record may go: not before its name's stamp, nor before its own end.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (s *Store) putCode(c storage.Code) {
	s.codes[c.Digest] = c
	heap.Push(&s.due, removal{later(c.Digest.ExpiresAt(), c.ExpiresAt), func(cutoff time.Time) {
		if !live(cutoff, s.codes[c.Digest].ExpiresAt) {
			delete(s.codes, c.Digest)
		}
	}})
}

func (s *Store) putToken(t storage.Token) {
	s.tokens[t.Digest] = t
	heap.Push(&s.due, removal{later(t.Digest.ExpiresAt(), t.ExpiresAt), func(cutoff time.Time) {
		if !live(cutoff, s.tokens[t.Digest].ExpiresAt) {
			delete(s.tokens, t.Digest)
		}
	}})
}

func (s *Store) putGrant(g storage.Grant) {
	s.grants[g.ID] = g
	heap.Push(&s.due, removal{g.ExpiresAt, func(cutoff time.Time) {
		if !live(cutoff, s.grants[g.ID].ExpiresAt) {
			delete(s.grants, g.ID)
		}
	}})
}

func (s *Store) putConsent(c storage.Consent) {
	p := pair{c.Subject, c.ClientID}
	s.consents[p] = c
	if c.ExpiresAt.IsZero() {
		return
	}
	heap.Push(&s.due, removal{c.ExpiresAt, func(cutoff time.Time) {
		if c := s.consents[p]; !c.ExpiresAt.IsZero() && !live(cutoff, c.ExpiresAt) {
			delete(s.consents, p)
		}
	}})
}

func (s *Store) putEnded(p pair, at time.Time) {
	s.ended[p] = at
	heap.Push(&s.due, removal{at.Add(storage.RememberEnded), func(cutoff time.Time) {
		if !live(cutoff, s.ended[p].Add(storage.RememberEnded)) {
			delete(s.ended, p)
		}
	}})
}

// sweep drops up to limit records that expired well before at.
func (s *Store) sweep(at time.Time, limit int) {
	cutoff := at.Add(-sweepMargin)
	for ; limit > 0 && len(s.due) > 0 && s.due[0].at.Before(cutoff); limit-- {
		heap.Pop(&s.due).(removal).drop(cutoff)
	}
}
