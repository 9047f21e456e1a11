package postgres

import (
	"bytes"
	"slices"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// lock takes, in order, what the plan would otherwise take out of order. It never
// fails.
func (p *plan) lock(w *storage.Write) {
	var subjects [][]byte
	for _, u := range w.Unended {
		subjects = append(subjects, name(u.Subject))
	}
	for _, r := range w.Revoke {
		if r.Subject != "" {
			subjects = append(subjects, name(r.Subject))
		}
	}
	for _, subject := range sorted(subjects) {
		p.lockSubject(subject, w.At)
	}
	if !tangled(w) {
		return
	}
	var codes, tokens, grants, ended [][]byte
	for _, d := range w.ConsumeCodes {
		codes = append(codes, d[:])
	}
	for _, c := range w.ConsumeTokens {
		tokens = append(tokens, c.Digest[:])
	}
	for _, id := range w.Live {
		grants = append(grants, name(id))
	}
	for _, r := range w.Revoke {
		if r.GrantID != "" {
			grants = append(grants, name(r.GrantID))
		}
		if r.Token != (storage.Digest{}) {
			tokens = append(tokens, r.Token[:])
		}
		if r.Subject != "" {
			ended = append(ended, name(r.Subject))
		}
	}
	if len(codes) > 0 {
		p.do(lockCodes, codes)
	}
	if len(tokens) > 0 {
		p.do(lockTokens, tokens)
	}
	if len(grants)+len(ended) > 0 {
		p.do(lockGrants, grants, ended)
	}
}

const (
	lockCodes  = `SELECT count(*) FROM (SELECT 1 FROM grantor_codes WHERE digest = ANY($1) ORDER BY digest FOR UPDATE) AS locked`
	lockTokens = `SELECT count(*) FROM (SELECT 1 FROM grantor_tokens WHERE digest = ANY($1) ORDER BY digest FOR UPDATE) AS locked`
	lockGrants = `SELECT count(*) FROM (SELECT 1 FROM grantor_grants
		WHERE id = ANY($1) OR subject = ANY($2) AND revoked_at IS NULL ORDER BY id FOR UPDATE) AS locked`
)

// tangled tells a Write that touches several rows of a kind, or comes back to one. The
// most frequent ones do not.
func tangled(w *storage.Write) bool {
	used := len(w.ConsumeCodes) + len(w.ConsumeTokens) + len(w.Live)
	if len(w.ConsumeCodes) > 1 || len(w.ConsumeTokens) > 1 || len(w.Live) > 1 || len(w.Revoke) > 1 {
		return true
	}
	return len(w.Revoke) == 1 && (used > 0 || w.Revoke[0].Subject != "")
}

// lockSubject lets authorizations of a subject and revocations of all of them take
// turns. Whichever comes second sees what the first has done, and a new grant either is
// seen and revoked, or comes to know of the revocation. The row is written, not only
// locked: so the second one also fails where the isolation is stricter than ours.
func (p *plan) lockSubject(subject []byte, at time.Time) {
	p.do(`INSERT INTO grantor_endings AS old (subject, client_id, forget_at) VALUES ($1, '', $2)
		ON CONFLICT (subject, client_id) DO UPDATE SET forget_at = CASE
			WHEN old.ended_at IS NULL THEN excluded.forget_at
			ELSE GREATEST(old.forget_at, excluded.forget_at) END`,
		subject, micros(at.Add(storage.RememberEnded)))
}

// sorted drops what is there twice.
func sorted(keys [][]byte) [][]byte {
	slices.SortFunc(keys, bytes.Compare)
	return slices.CompactFunc(keys, bytes.Equal)
}
