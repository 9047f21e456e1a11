package postgres

import (
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/internal/record"
)

const (
	revokeGrant = `UPDATE grantor_grants SET revoked_at = $2, revoked_reason = $3 WHERE id = $1 AND revoked_at IS NULL`

	markToken = `UPDATE grantor_tokens SET revoked_at = $2 WHERE digest = $1 AND revoked_at IS NULL`

	// A token that is not stored leaves a mark.
	revokeToken = `INSERT INTO grantor_tokens AS old (digest, revoked_at, expires_at, record) VALUES ($1, $2, $3, $4)
		ON CONFLICT (digest) DO UPDATE SET revoked_at = COALESCE(old.revoked_at, excluded.revoked_at)`

	// The subject and its grants are locked already.
	endSubject = `INSERT INTO grantor_endings AS old (subject, client_id, ended_at, forget_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (subject, client_id) DO UPDATE SET
			ended_at = CASE WHEN old.ended_at BETWEEN excluded.ended_at AND excluded.forget_at
				THEN old.ended_at ELSE excluded.ended_at END,
			forget_at = CASE WHEN old.ended_at BETWEEN excluded.ended_at AND excluded.forget_at
				THEN old.forget_at ELSE excluded.forget_at END`
	revokeGrantsOfSubject = `UPDATE grantor_grants SET revoked_at = $3, revoked_reason = $4
		WHERE subject = $1 AND ($2::bytea IS NULL OR client_id = $2) AND revoked_at IS NULL`
	withdrawConsents = `DELETE FROM grantor_consents WHERE subject = $1 AND ($2::bytea IS NULL OR client_id = $2)`
)

// revoke comes last, so that it reaches what the same Write adds.
func (p *plan) revoke(w *storage.Write) {
	for _, r := range w.Revoke {
		if r.GrantID != "" {
			p.do(revokeGrant, name(r.GrantID), p.at, filled([]byte(r.Reason)))
		}
		if r.Subject != "" {
			p.revokeSubject(r, w.At)
		}
		if r.Token != (storage.Digest{}) {
			p.revokeToken(r.Token, w.At)
		}
	}
}

func (p *plan) revokeSubject(r storage.Revocation, at time.Time) {
	subject := name(r.Subject)
	var client []byte // all of them
	if r.ClientID != "" {
		client = name(r.ClientID)
	}
	p.do(endSubject, subject, name(r.ClientID), p.at, micros(at.Add(storage.RememberEnded)))
	p.do(revokeGrantsOfSubject, subject, client, p.at, filled([]byte(r.Reason)))
	p.do(withdrawConsents, subject, client)
}

func (p *plan) revokeToken(d storage.Digest, at time.Time) {
	expires := d.ExpiresAt()
	if !expires.After(at) {
		p.do(markToken, d[:], p.at) // the token itself has expired, its record may be kept
		return
	}
	mark, err := record.Encode(&storage.Token{Digest: d, Kind: storage.RevokedToken, ExpiresAt: expires})
	if err != nil {
		panic(err) // a constant size
	}
	p.do(revokeToken, d[:], p.at, micros(expires), mark)
}
