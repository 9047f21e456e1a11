package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/grantor-oauth/grantor/storage"
)

// Client returns the client with this exact ID, or storage.ErrNotFound.
func (s *Store) Client(ctx context.Context, clientID string) (*storage.Client, error) {
	return one(ctx, s, s.clients, clientID, copyClient)
}

// Code returns the record filed under d, or storage.ErrNotFound.
func (s *Store) Code(ctx context.Context, d storage.Digest) (*storage.Code, error) {
	return one(ctx, s, s.codes, d, copyCode)
}

// Token returns the record filed under d, or storage.ErrNotFound.
func (s *Store) Token(ctx context.Context, d storage.Digest) (*storage.Token, error) {
	return one(ctx, s, s.tokens, d, copyToken)
}

// Grant returns the grant with this ID, or storage.ErrNotFound.
func (s *Store) Grant(ctx context.Context, grantID string) (*storage.Grant, error) {
	return one(ctx, s, s.grants, grantID, copyGrant)
}

// Consent returns what the subject has agreed to for this client, or
// storage.ErrNotFound.
func (s *Store) Consent(ctx context.Context, subject, clientID string) (*storage.Consent, error) {
	return one(ctx, s, s.consents, pair{subject, clientID}, copyConsent)
}

// Keys returns the stored ring; before the first SwapKeys, a zero one.
func (s *Store) Keys(ctx context.Context) (*storage.KeyRing, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	ring := copyRing(s.ring)
	return &ring, nil
}

// Epoch returns the number of the present epoch; see storage.Epochs.
func (s *Store) Epoch(of any) (epoch uint64, known bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.epoch, of == any(s) && !s.closed
}

// ListClients returns up to limit clients whose ID sorts after the given one.
func (s *Store) ListClients(ctx context.Context, after string, limit int) ([]storage.Client, error) {
	return list(ctx, s, s.clients, after, limit, copyClient, func(c storage.Client) (string, bool) {
		return c.ID, true
	})
}

// ListGrants returns up to limit grants of one subject whose ID sorts after the
// given one.
func (s *Store) ListGrants(ctx context.Context, subject, after string, limit int) ([]storage.Grant, error) {
	return list(ctx, s, s.grants, after, limit, copyGrant, func(g storage.Grant) (string, bool) {
		return g.ID, g.Subject == subject
	})
}

// ListConsents returns up to limit consents of one subject whose ClientID sorts
// after the given one.
func (s *Store) ListConsents(ctx context.Context, subject, after string, limit int) ([]storage.Consent, error) {
	return list(ctx, s, s.consents, after, limit, copyConsent, func(c storage.Consent) (string, bool) {
		return c.ClientID, c.Subject == subject
	})
}

// ListNotices returns up to limit notices whose ID sorts before the given one.
func (s *Store) ListNotices(ctx context.Context, before string, limit int) ([]storage.Notice, error) {
	return list(ctx, s, s.notices, "", limit, func(n storage.Notice) storage.Notice { return n }, func(n storage.Notice) (string, bool) {
		return n.ID, n.ID < before
	})
}

func one[K comparable, V any](ctx context.Context, s *Store, from map[K]V, key K, clone func(V) V) (*V, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	record, ok := from[key]
	if !ok {
		return nil, storage.ErrNotFound
	}
	record = clone(record)
	return &record, nil
}

// list returns the records that belong, by the name under which they sort.
func list[K comparable, V any](ctx context.Context, s *Store, from map[K]V, after string, limit int, clone func(V) V, belongs func(V) (string, bool)) ([]V, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var found []V
	for _, record := range from {
		if name, ok := belongs(record); ok && (after == "" || name > after) {
			found = append(found, record)
		}
	}
	slices.SortFunc(found, func(a, b V) int {
		nameA, _ := belongs(a)
		nameB, _ := belongs(b)
		return cmp.Compare(nameA, nameB)
	})
	found = found[:min(len(found), max(limit, 0))]
	for i := range found {
		found[i] = clone(found[i])
	}
	return found, nil
}
