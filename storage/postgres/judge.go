package postgres

import (
	"bytes"
	"slices"

	"github.com/grantor-oauth/grantor/storage"
)

const (
	// The row is judged as it is when it is locked: if somebody else has just used the
	// code, this statement waits for them, and then looks at what they left.
	consumeCode = `WITH used AS (
			UPDATE grantor_codes SET consumed_at = CAST(CASE
				WHEN consumed_at IS NOT NULL THEN '` + wordConsumed + `'
				ELSE CAST($2::bigint AS text) END AS bigint)
			WHERE digest = $1 AND expires_at > $2 RETURNING 1)
		SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM used) THEN '1' ELSE '` + wordNotFound + `' END AS bigint)`

	consumeToken = `WITH used AS (
			UPDATE grantor_tokens SET answer = $3, consumed_at = CAST(CASE
				WHEN revoked_at IS NOT NULL THEN '` + wordRevoked + `'
				WHEN consumed_at IS NOT NULL THEN '` + wordConsumed + `'
				ELSE CAST($2::bigint AS text) END AS bigint)
			WHERE digest = $1 AND expires_at > $2 RETURNING 1)
		SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM used) THEN '1' ELSE '` + wordNotFound + `' END AS bigint)`

	// The lock keeps a revocation out until the commit, and lets others in that want the
	// grant to live.
	grantLives = `SELECT CAST(COALESCE((
			SELECT CASE WHEN revoked_at IS NOT NULL THEN '` + wordRevoked + `' ELSE '1' END
			FROM grantor_grants WHERE id = $1 AND expires_at > $2 FOR SHARE), '` + wordNotFound + `') AS bigint)`

	unended = `SELECT CAST(CASE WHEN EXISTS (
			SELECT 1 FROM grantor_endings
			WHERE subject = $1 AND client_id IN ('', $2) AND ended_at > $3 AND ended_at <= $4)
		THEN '` + wordRevoked + `' ELSE '1' END AS bigint)`

	// Whoever comes second waits for the first, and then finds nothing to remove.
	takeNotice = `WITH taken AS (DELETE FROM grantor_notices WHERE id = $1 RETURNING 1)
		SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM taken) THEN '1' ELSE '` + wordNotFound + `' END AS bigint)`
)

// judge states the conditions. What is consumed is so at once; if a later condition
// fails, all of it is undone.
func (p *plan) judge(w *storage.Write) {
	for _, d := range w.ConsumeCodes {
		p.do(consumeCode, d[:], p.at)
	}
	for _, used := range w.ConsumeTokens {
		p.do(consumeToken, used.Digest[:], p.at, filled(used.Answer))
	}
	for _, id := range w.Live {
		p.do(grantLives, name(id), p.at)
	}
	for _, u := range w.Unended {
		p.do(unended, name(u.Subject), name(u.ClientID), micros(u.Since), micros(u.Since.Add(storage.RememberEnded)))
	}
	taken := make([][]byte, 0, len(w.TakeNotices))
	for _, id := range w.TakeNotices {
		taken = append(taken, name(id))
	}
	// In one order, as everybody does; what is there twice is not found the second time.
	slices.SortFunc(taken, bytes.Compare)
	for _, id := range taken {
		p.do(takeNotice, id)
	}
}

// filled is null for what is empty, as it is in records.
func filled(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}
