package sqlite

import (
	"context"

	"github.com/grantor-oauth/grantor/storage"
)

// remember is how long after its time the end of a user's authorizations counts.
var remember = storage.RememberEnded.Microseconds()

// Commit implements storage.Codes and storage.Tokens: its statements come in the order
// in which package storage wants the conditions judged.
func (s *Store) Commit(ctx context.Context, w storage.Write) error {
	return s.transact(ctx, func(c *change) {
		at := w.At.UnixMicro()
		c.require(w, at)
		c.makeRoom(w, at)
		c.add(w)
		c.revoke(w, at)
		c.sweep(w, at)
	})
}

// PutClient implements storage.Clients.
func (s *Store) PutClient(ctx context.Context, client storage.Client) error {
	return s.transact(ctx, func(c *change) {
		if client.Revision != 0 {
			c.unchanged(client)
		}
		client.Revision = storage.NewRevision()
		c.exec(`REPLACE INTO clients (id, record) VALUES (?, ?)`, client.ID, blob{&client})
	})
}

// DeleteClient implements storage.Clients.
func (s *Store) DeleteClient(ctx context.Context, clientID string) error {
	return s.transact(ctx, func(c *change) {
		c.must(storage.ErrNotFound, `DELETE FROM clients WHERE id = ?`, clientID)
	})
}

// SwapKeys implements storage.Keys. Where there is no row, revision 0 is replaced.
func (s *Store) SwapKeys(ctx context.Context, ring storage.KeyRing) error {
	before := int64(ring.Revision) - 1
	return s.transact(ctx, func(c *change) {
		c.must(storage.ErrConflict, `REPLACE INTO key_ring (id, revision, record) SELECT 1, ?, ?
			WHERE ? = (SELECT coalesce(max(revision), 0) FROM key_ring)`, before+1, blob{&ring}, before)
	})
}

// require judges what must be true, and marks what is consumed as it goes: whatever is
// named twice is consumed already the second time.
func (c *change) require(w storage.Write, at int64) {
	for _, d := range w.ConsumeCodes {
		c.judge(`SELECT FALSE, consumed_at IS NOT NULL FROM codes WHERE digest = ? AND expires_at > ?`, d[:], at)
		c.exec(`UPDATE codes SET consumed_at = ? WHERE digest = ?`, at, d[:])
	}
	for _, t := range w.ConsumeTokens {
		c.judge(`SELECT revoked_at IS NOT NULL, consumed_at IS NOT NULL FROM tokens
			WHERE digest = ? AND expires_at > ?`, t.Digest[:], at)
		c.exec(`UPDATE tokens SET consumed_at = ?, answer = ? WHERE digest = ?`, at, t.Answer, t.Digest[:])
	}
	for _, id := range w.Live {
		c.judge(`SELECT revoked_at IS NOT NULL, FALSE FROM grants WHERE id = ? AND expires_at > ?`, id, at)
	}
	for _, u := range w.Unended {
		c.judge(`SELECT count(*) > 0, FALSE FROM ended
			WHERE subject = ? AND client_id IN ('', ?) AND at > ?3 AND at <= ?3 + ?4`,
			u.Subject, u.ClientID, u.Since.UnixMicro(), remember)
	}
	for _, id := range w.TakeNotices {
		c.must(storage.ErrNotFound, `DELETE FROM notices WHERE id = ?`, id)
	}
}

// makeRoom removes the expired records whose place a new one takes. It comes before the
// first is added, so that a Write cannot make room for a record by another of its own.
func (c *change) makeRoom(w storage.Write, at int64) {
	for _, r := range w.Codes {
		c.exec(`DELETE FROM codes WHERE digest = ? AND expires_at <= ?`, r.Digest[:], at)
	}
	for _, r := range w.Grants {
		c.exec(`DELETE FROM grants WHERE id = ? AND expires_at <= ?`, r.ID, at)
	}
	for _, r := range w.Tokens {
		c.exec(`DELETE FROM tokens WHERE digest = ? AND expires_at <= ?`, r.Digest[:], at)
	}
}

// add stores what is new. REPLACE does for consents what may not happen to the others.
func (c *change) add(w storage.Write) {
	for _, r := range w.Codes {
		c.must(storage.ErrExists, `INSERT INTO codes (digest, expires_at, consumed_at, record)
			VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			r.Digest[:], r.ExpiresAt.UnixMicro(), stamp{&r.ConsumedAt}, blob{&r})
	}
	for _, r := range w.Grants {
		c.must(storage.ErrExists, `INSERT INTO grants
			(id, subject, client_id, expires_at, revoked_at, revoked_reason, record)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			r.ID, r.Subject, r.ClientID, r.ExpiresAt.UnixMicro(), stamp{&r.RevokedAt}, r.RevokedReason, blob{&r})
	}
	for _, r := range w.Tokens {
		c.must(storage.ErrExists, `INSERT INTO tokens (digest, expires_at, consumed_at, answer, revoked_at, record)
			VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			r.Digest[:], r.ExpiresAt.UnixMicro(), stamp{&r.ConsumedAt}, r.Answer, stamp{&r.RevokedAt}, blob{&r})
	}
	for _, r := range w.Notices {
		c.must(storage.ErrExists, `INSERT INTO notices (id, record) VALUES (?, ?) ON CONFLICT DO NOTHING`, r.ID, blob{&r})
	}
	for _, r := range w.Consents {
		c.exec(`REPLACE INTO consents (subject, client_id, expires_at, record) VALUES (?, ?, ?, ?)`,
			r.Subject, r.ClientID, stamp{&r.ExpiresAt}, blob{&r})
	}
}

// revoke ends grants and tokens. What was ended before stays as it was.
func (c *change) revoke(w storage.Write, at int64) {
	for _, r := range w.Revoke {
		switch {
		case r.GrantID != "":
			c.exec(`UPDATE grants SET revoked_at = ?, revoked_reason = ? WHERE id = ? AND revoked_at IS NULL`,
				at, r.Reason, r.GrantID)
		case r.Subject != "": // with ClientID '', of all clients
			c.exec(`UPDATE grants SET revoked_at = ?1, revoked_reason = ?2
				WHERE subject = ?3 AND ?4 IN ('', client_id) AND revoked_at IS NULL`, at, r.Reason, r.Subject, r.ClientID)
			c.exec(`DELETE FROM consents WHERE subject = ?1 AND ?2 IN ('', client_id)`, r.Subject, r.ClientID)
			c.exec(`INSERT INTO ended (subject, client_id, at) VALUES (?, ?, ?)
				ON CONFLICT DO UPDATE SET at = iif(at <= excluded.at + ?, max(at, excluded.at), excluded.at)`,
				r.Subject, r.ClientID, at, remember)
		default: // a token that is stored nowhere gets a row that says it is revoked
			mark := storage.Token{Digest: r.Token, Kind: storage.RevokedToken, ExpiresAt: r.Token.ExpiresAt()}
			c.exec(`UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE digest = ?`, at, r.Token[:])
			c.exec(`INSERT INTO tokens (digest, expires_at, revoked_at, record)
				SELECT ?1, ?2, ?3, ?4 WHERE ?2 > ?3 ON CONFLICT DO NOTHING`,
				r.Token[:], mark.ExpiresAt.UnixMicro(), at, blob{&mark})
		}
	}
}

// sweep removes some of the dead of each kind beside every Write: more than one Write
// adds, so that they cannot pile up, and few enough that nobody waits for it. Codes,
// tokens and grants are ranges from the left edge of their table. A row in there that
// expires later than its name says is passed over until then.
func (c *change) sweep(w storage.Write, at int64) {
	digest := storage.NewDigest(w.At, "")
	some := 16 + 2*(len(w.Codes)+len(w.Tokens)+len(w.Grants))
	c.exec(`DELETE FROM codes WHERE digest IN (SELECT digest FROM codes
		WHERE digest < ? AND expires_at <= ? ORDER BY digest LIMIT ?)`, digest[:6], at, some)
	c.exec(`DELETE FROM tokens WHERE digest IN (SELECT digest FROM tokens
		WHERE digest < ? AND expires_at <= ? ORDER BY digest LIMIT ?)`, digest[:6], at, some)
	c.exec(`DELETE FROM grants WHERE id IN (SELECT id FROM grants
		WHERE id < ? AND expires_at <= ? ORDER BY id LIMIT ?)`, storage.NewGrantID(w.At)[:12], at, some)
	c.exec(`DELETE FROM consents WHERE (subject, client_id) IN (SELECT subject, client_id FROM consents
		WHERE expires_at <= ? LIMIT 16)`, at)
	c.exec(`DELETE FROM ended WHERE (subject, client_id) IN (SELECT subject, client_id FROM ended
		WHERE at < ? LIMIT 16)`, at-remember)
}
