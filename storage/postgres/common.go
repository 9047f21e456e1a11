package postgres

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/internal/record"
)

// part is one of several Writes that are made in one transaction. It shares no memory
// with the Write.
type part struct {
	at          int64
	consume     statement
	code, token []byte // what it consumes, if anything
	live        []byte
	tokens      []addition
}

// maxCommon is how many tokens a common Write adds at most.
const maxCommon = 4

// common tells a Write that can be made together with others: one that uses up one
// credential, or none, and issues tokens. It waits for no lock but that of the credential.
func common(w *storage.Write) bool {
	used := len(w.ConsumeCodes) + len(w.ConsumeTokens)
	if used > 1 || used+len(w.Tokens) == 0 || len(w.Live) > 1 || len(w.Tokens) > maxCommon ||
		len(w.Unended)+len(w.Codes)+len(w.Grants)+len(w.Consents)+len(w.Revoke)+len(w.TakeNotices)+len(w.Notices) > 0 {
		return false
	}
	for i := range w.Tokens {
		if t := &w.Tokens[i]; !t.ConsumedAt.IsZero() || !t.RevokedAt.IsZero() || len(t.Answer) > 0 {
			return false
		}
	}
	return true
}

// partOf packs a common Write.
func partOf(w *storage.Write) (*part, error) {
	p := &part{at: micros(w.At)}
	for _, d := range w.ConsumeCodes {
		p.code = d[:]
		p.consume = statement{consumeCode, []any{p.code, p.at}}
	}
	for _, c := range w.ConsumeTokens {
		p.token = c.Digest[:]
		p.consume = statement{consumeToken, []any{p.token, p.at, filled(bytes.Clone(c.Answer))}}
	}
	for _, id := range w.Live {
		p.live = name(id)
	}
	for _, t := range w.Tokens {
		data, err := record.Encode(&t)
		if err != nil {
			return nil, err
		}
		p.tokens = append(p.tokens, addition{key: t.Digest[:], expiresAt: t.ExpiresAt, record: data})
	}
	return p, nil
}

// The arrays are behind a SELECT so that a plan does not depend on how long they are, and
// is made once.
const (
	// Nobody waits for a grant here. If somebody is revoking one of them, the others do not
	// have to wait for that; and who holds some grants and waits for another could be who
	// a revocation waits for.
	grantsLive = `SELECT CAST(COALESCE((
			SELECT CASE WHEN revoked_at IS NOT NULL THEN '` + wordRevoked + `' ELSE '1' END
			FROM grantor_grants WHERE id = wanted.id AND expires_at > $2 FOR SHARE NOWAIT), '` + wordNotFound + `') AS bigint)
		FROM unnest((SELECT $1::bytea[])) AS wanted (id)`

	addManyTokens = `INSERT INTO grantor_tokens AS old (digest, expires_at, record)
		SELECT * FROM unnest((SELECT $2::bytea[]), (SELECT $3::bigint[]), (SELECT $4::bytea[]))
		ON CONFLICT (digest) DO UPDATE SET ` + room + `
			record = excluded.record, consumed_at = NULL, revoked_at = NULL, answer = NULL`
)

// commitTogether makes several Writes in one transaction. If one of them cannot be made,
// or may not be, none is: then each is made by itself, and gets an answer of its own.
func (db *DB) commitTogether(ctx context.Context, parts []*part) error {
	statements := planTogether(parts)
	if statements == nil {
		return errAlone
	}
	_, err := db.try(ctx, statements, false)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errUnknown), errors.Is(err, errNotReplicated):
		return explain(ctx, "commit", err)
	}
	return errAlone
}

// planTogether takes rows in the same order as a plan. It judges no less strictly than
// each Write asks for: whether a grant has expired by the last At, whether a token makes
// room by the first. It is nil if two of the Writes want the same.
func planTogether(parts []*part) []statement {
	slices.SortFunc(parts, func(a, b *part) int {
		if order := bytes.Compare(a.code, b.code); order != 0 {
			return order
		}
		return bytes.Compare(a.token, b.token)
	})
	var live [][]byte
	var tokens []addition
	statements := make([]statement, 0, len(parts)+2)
	first, last := parts[0].at, parts[0].at
	for i, p := range parts {
		first, last = min(first, p.at), max(last, p.at)
		if used := p.code != nil || p.token != nil; used {
			if i > 0 && bytes.Equal(p.code, parts[i-1].code) && bytes.Equal(p.token, parts[i-1].token) {
				return nil
			}
			statements = append(statements, p.consume)
		}
		if p.live != nil {
			live = append(live, p.live)
		}
		tokens = append(tokens, p.tokens...)
	}
	if len(live) > 0 {
		statements = append(statements, statement{grantsLive, []any{sorted(live), last}})
	}
	if len(tokens) == 0 {
		return statements
	}
	slices.SortFunc(tokens, func(a, b addition) int { return bytes.Compare(a.key, b.key) })
	keys, ends, records := make([][]byte, len(tokens)), make([]int64, len(tokens)), make([][]byte, len(tokens))
	for i, t := range tokens {
		if i > 0 && bytes.Equal(t.key, keys[i-1]) {
			return nil
		}
		keys[i], ends[i], records[i] = t.key, micros(t.expiresAt), t.record.([]byte)
	}
	return append(statements, statement{addManyTokens, []any{first, keys, ends, records}})
}
