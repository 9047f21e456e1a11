package memory

import (
	"context"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// PutClient creates or replaces the client with this ID, unless that has become another since
// it was read: then it returns storage.ErrConflict.
func (s *Store) PutClient(ctx context.Context, client storage.Client) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if client.Revision != 0 && client.Revision != s.clients[client.ID].Revision {
		return storage.ErrConflict
	}
	client.Revision = storage.NewRevision()
	s.clients[client.ID] = copyClient(client)
	s.epoch++
	return nil
}

// DeleteClient removes the client, or returns storage.ErrNotFound.
func (s *Store) DeleteClient(ctx context.Context, clientID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.epoch++
	if _, ok := s.clients[clientID]; !ok {
		return storage.ErrNotFound
	}
	delete(s.clients, clientID)
	return nil
}

// SwapKeys stores ring if the stored Revision is still ring.Revision-1, and returns
// storage.ErrConflict if it is not.
func (s *Store) SwapKeys(ctx context.Context, ring storage.KeyRing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if s.ring.Revision+1 != ring.Revision {
		return storage.ErrConflict
	}
	s.ring = copyRing(ring)
	return nil
}

// Commit applies w whole or not at all.
func (s *Store) Commit(ctx context.Context, w storage.Write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.judge(&w); err != nil {
		return err
	}
	s.apply(&w)
	if w.TakesBack() {
		s.epoch++
	}
	s.sweep(w.At, sweepStep+2*(len(w.Codes)+len(w.Grants)+len(w.Tokens)))
	return nil
}

// judge changes nothing.
func (s *Store) judge(w *storage.Write) error {
	usedCodes := make(map[storage.Digest]bool)
	for _, d := range w.ConsumeCodes {
		c, ok := s.codes[d]
		if !ok || !live(w.At, c.ExpiresAt) {
			return storage.ErrNotFound
		}
		if !c.ConsumedAt.IsZero() || usedCodes[d] {
			return storage.ErrConsumed
		}
		usedCodes[d] = true
	}
	usedTokens := make(map[storage.Digest]bool)
	for _, used := range w.ConsumeTokens {
		t, ok := s.tokens[used.Digest]
		if !ok || !live(w.At, t.ExpiresAt) {
			return storage.ErrNotFound
		}
		if !t.RevokedAt.IsZero() {
			return storage.ErrRevoked
		}
		if !t.ConsumedAt.IsZero() || usedTokens[used.Digest] {
			return storage.ErrConsumed
		}
		usedTokens[used.Digest] = true
	}
	for _, id := range w.Live {
		g, ok := s.grants[id]
		if !ok || !live(w.At, g.ExpiresAt) {
			return storage.ErrNotFound
		}
		if !g.RevokedAt.IsZero() {
			return storage.ErrRevoked
		}
	}
	for _, u := range w.Unended {
		for _, p := range []pair{{u.Subject, ""}, {u.Subject, u.ClientID}} {
			if last := s.ended[p]; last.After(u.Since) && !last.After(u.Since.Add(storage.RememberEnded)) {
				return storage.ErrRevoked
			}
		}
	}
	taken := make(map[string]bool)
	for _, id := range w.TakeNotices {
		if _, ok := s.notices[id]; !ok || taken[id] {
			return storage.ErrNotFound
		}
		taken[id] = true
	}
	return s.judgeAdditions(w)
}

// judgeAdditions lets an expired record count as absent, swept or not.
func (s *Store) judgeAdditions(w *storage.Write) error {
	newCodes := make(map[storage.Digest]bool)
	for _, c := range w.Codes {
		if old, ok := s.codes[c.Digest]; ok && live(w.At, old.ExpiresAt) || newCodes[c.Digest] {
			return storage.ErrExists
		}
		newCodes[c.Digest] = true
	}
	newGrants := make(map[string]bool)
	for _, g := range w.Grants {
		if old, ok := s.grants[g.ID]; ok && live(w.At, old.ExpiresAt) || newGrants[g.ID] {
			return storage.ErrExists
		}
		newGrants[g.ID] = true
	}
	newTokens := make(map[storage.Digest]bool)
	for _, t := range w.Tokens {
		if old, ok := s.tokens[t.Digest]; ok && live(w.At, old.ExpiresAt) || newTokens[t.Digest] {
			return storage.ErrExists
		}
		newTokens[t.Digest] = true
	}
	newNotices := make(map[string]bool)
	for _, n := range w.Notices {
		if _, ok := s.notices[n.ID]; ok || newNotices[n.ID] {
			return storage.ErrExists
		}
		newNotices[n.ID] = true
	}
	return nil
}

// apply cannot fail.
func (s *Store) apply(w *storage.Write) {
	for _, d := range w.ConsumeCodes {
		c := s.codes[d]
		c.ConsumedAt = w.At
		s.codes[d] = c
	}
	for _, used := range w.ConsumeTokens {
		t := s.tokens[used.Digest]
		t.ConsumedAt, t.Answer = w.At, used.Answer
		s.tokens[used.Digest] = copyToken(t)
	}
	for _, c := range w.Codes {
		s.putCode(copyCode(c))
	}
	for _, g := range w.Grants {
		s.putGrant(copyGrant(g))
	}
	for _, t := range w.Tokens {
		s.putToken(copyToken(t))
	}
	for _, id := range w.TakeNotices {
		delete(s.notices, id)
	}
	for _, n := range w.Notices {
		s.notices[n.ID] = n
	}
	for _, c := range w.Consents {
		s.putConsent(copyConsent(c))
	}
	for _, r := range w.Revoke {
		s.revoke(w, r)
	}
}

func (s *Store) revoke(w *storage.Write, r storage.Revocation) {
	if g, ok := s.grants[r.GrantID]; ok && r.GrantID != "" {
		s.revokeGrant(w.At, r.Reason, g)
	}
	if r.Subject != "" {
		s.revokeSubject(w.At, r)
	}
	if r.Token != (storage.Digest{}) {
		s.revokeToken(w.At, r.Token)
	}
}

func (s *Store) revokeGrant(at time.Time, reason string, g storage.Grant) {
	if g.RevokedAt.IsZero() {
		g.RevokedAt, g.RevokedReason = at, reason
		s.grants[g.ID] = g
	}
}

func (s *Store) revokeSubject(at time.Time, r storage.Revocation) {
	for _, g := range s.grants {
		if r.Subject == g.Subject && (r.ClientID == "" || r.ClientID == g.ClientID) {
			s.revokeGrant(at, r.Reason, g)
		}
	}
	for p := range s.consents {
		if r.Subject == p.subject && (r.ClientID == "" || r.ClientID == p.clientID) {
			delete(s.consents, p)
		}
	}
	p := pair{r.Subject, r.ClientID}
	if last := s.ended[p]; last.Before(at) || last.After(at.Add(storage.RememberEnded)) {
		s.putEnded(p, at)
	}
}

func (s *Store) revokeToken(at time.Time, d storage.Digest) {
	t, ok := s.tokens[d]
	switch {
	case ok && t.RevokedAt.IsZero():
		t.RevokedAt = at
		s.tokens[d] = t
	case !ok && live(at, d.ExpiresAt()):
		s.putToken(storage.Token{Digest: d, Kind: storage.RevokedToken, ExpiresAt: d.ExpiresAt(), RevokedAt: at})
	}
}
