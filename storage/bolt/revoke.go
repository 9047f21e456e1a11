package bolt

import (
	"bytes"
	"errors"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// revoke ends what r names. What is revoked already keeps its time and reason.
func revoke(t *txn, at time.Time, r storage.Revocation) error {
	if r.GrantID != "" {
		if err := revokeGrant(t, at, name(r.GrantID), r.Reason); err != nil {
			return err
		}
	}
	if r.Subject != "" {
		if err := revokeSubject(t, at, r); err != nil {
			return err
		}
	}
	if r.Token != (storage.Digest{}) {
		return revokeToken(t, at, r.Token)
	}
	return nil
}

func revokeGrant(t *txn, at time.Time, key []byte, reason string) error {
	g, err := load[storage.Grant](t, grants, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil || !g.RevokedAt.IsZero() {
		return err
	}
	g.RevokedAt, g.RevokedReason = at, reason
	return t.store(grants, key, g)
}

// ending is the last time that the authorizations of a subject, or those it gave one
// client, were ended.
type ending struct {
	At time.Time `cbor:"1,keyasint"`
}

// lastEnded is the zero time if they were not.
func lastEnded(t *txn, subject, clientID string) (time.Time, error) {
	e, err := load[ending](t, ended, consentKey(subject, clientID))
	if errors.Is(err, storage.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return e.At, nil
}

func rememberEnded(t *txn, at time.Time, subject, clientID string) error {
	last, err := lastEnded(t, subject, clientID)
	if err != nil || !last.Before(at) && !last.After(at.Add(storage.RememberEnded)) {
		return err
	}
	return t.store(ended, consentKey(subject, clientID), &ending{At: at})
}

func revokeSubject(t *txn, at time.Time, r storage.Revocation) error {
	if err := rememberEnded(t, at, r.Subject, r.ClientID); err != nil {
		return err
	}
	all, err := grantsOf(t, r.Subject, "", func(g *storage.Grant) bool {
		return r.ClientID == "" || g.ClientID == r.ClientID
	}, 0)
	if err != nil {
		return err
	}
	for _, g := range all {
		if !g.RevokedAt.IsZero() {
			continue
		}
		g.RevokedAt, g.RevokedReason = at, r.Reason
		if err := t.store(grants, name(g.ID), &g); err != nil {
			return err
		}
	}
	if r.ClientID != "" {
		return t.remove(place{consents, consentKey(r.Subject, r.ClientID)})
	}
	var withdrawn []place
	err = t.scan(consents, owner(r.Subject), nil, func(key, _ []byte) (bool, error) {
		withdrawn = append(withdrawn, place{consents, bytes.Clone(key)})
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, p := range withdrawn {
		if err := t.remove(p); err != nil {
			return err
		}
	}
	return nil
}

func revokeToken(t *txn, at time.Time, d storage.Digest) error {
	tok, err := load[storage.Token](t, tokens, d[:])
	switch {
	case errors.Is(err, storage.ErrNotFound):
		if !live(at, d.ExpiresAt()) {
			return nil // expired by itself
		}
		tok = &storage.Token{Digest: d, Kind: storage.RevokedToken, ExpiresAt: d.ExpiresAt()}
	case err != nil || !tok.RevokedAt.IsZero():
		return err
	}
	tok.RevokedAt = at
	return t.store(tokens, d[:], tok)
}
