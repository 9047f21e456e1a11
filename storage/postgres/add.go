package postgres

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/internal/record"
)

// A record that has expired makes room, one that lives does not. $1 is the present.
const room = `expires_at = CAST(CASE WHEN old.expires_at <= $1 THEN CAST(excluded.expires_at AS text)
	ELSE '` + wordExists + `' END AS bigint), `

var (
	addCodes = inserts(`INSERT INTO grantor_codes AS old (digest, expires_at, record, consumed_at)`, 4,
		`ON CONFLICT (digest) DO UPDATE SET `+room+`
			record = excluded.record, consumed_at = excluded.consumed_at`)

	addTokens = inserts(`INSERT INTO grantor_tokens AS old (digest, expires_at, record, consumed_at, revoked_at, answer)`, 6,
		`ON CONFLICT (digest) DO UPDATE SET `+room+`
			record = excluded.record, consumed_at = excluded.consumed_at,
			revoked_at = excluded.revoked_at, answer = excluded.answer`)

	addGrants = inserts(`INSERT INTO grantor_grants AS old (id, expires_at, record, subject, client_id, revoked_at, revoked_reason)`, 7,
		`ON CONFLICT (id) DO UPDATE SET `+room+`
			record = excluded.record, subject = excluded.subject, client_id = excluded.client_id,
			revoked_at = excluded.revoked_at, revoked_reason = excluded.revoked_reason`)
)

const putConsent = `INSERT INTO grantor_consents (subject, client_id, expires_at, record) VALUES ($1, $2, $3, $4)
	ON CONFLICT (subject, client_id) DO UPDATE SET expires_at = excluded.expires_at, record = excluded.record`

// One that is there twice, in the table or in the Write, is not added the second time.
const addNotice = `WITH added AS (
		INSERT INTO grantor_notices (id, record) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING 1)
	SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM added) THEN '1' ELSE '` + wordExists + `' END AS bigint)`

// inserts are statements for one row, for two, and so on: a pair of tokens is one
// statement. There are few of them, so that each connection prepares few.
func inserts(into string, columns int, conflict string) (all [4]string) {
	var values []string
	next := 2
	for i := range all {
		row := make([]string, columns)
		for j := range row {
			row[j] = "$" + strconv.Itoa(next)
			next++
		}
		values = append(values, "("+strings.Join(row, ", ")+")")
		all[i] = into + " VALUES " + strings.Join(values, ", ") + " " + conflict
	}
	return all
}

// addition is a record as it is inserted. The columns hold what may change or be
// judged, so the record is written without.
type addition struct {
	key       []byte
	expiresAt time.Time
	record    any
	columns   []any
}

// add states what is to be stored. An error means that it cannot be.
func (p *plan) add(w *storage.Write) error {
	codes := make([]addition, 0, len(w.Codes))
	for _, c := range w.Codes {
		columns := []any{microsOrNull(c.ConsumedAt)}
		c.ConsumedAt = time.Time{}
		codes = append(codes, addition{c.Digest[:], c.ExpiresAt, &c, columns})
	}
	grants := make([]addition, 0, len(w.Grants))
	for _, g := range w.Grants {
		columns := []any{name(g.Subject), name(g.ClientID), microsOrNull(g.RevokedAt), filled([]byte(g.RevokedReason))}
		g.RevokedAt, g.RevokedReason = time.Time{}, ""
		grants = append(grants, addition{name(g.ID), g.ExpiresAt, &g, columns})
	}
	tokens := make([]addition, 0, len(w.Tokens))
	for _, t := range w.Tokens {
		columns := []any{microsOrNull(t.ConsumedAt), microsOrNull(t.RevokedAt), filled(t.Answer)}
		t.ConsumedAt, t.RevokedAt, t.Answer = time.Time{}, time.Time{}, nil
		tokens = append(tokens, addition{t.Digest[:], t.ExpiresAt, &t, columns})
	}
	if err := p.addAll(&addCodes, codes); err != nil {
		return err
	}
	if err := p.addAll(&addGrants, grants); err != nil {
		return err
	}
	if err := p.addAll(&addTokens, tokens); err != nil {
		return err
	}
	if err := p.addNotices(w.Notices); err != nil {
		return err
	}
	return p.putConsents(w.Consents)
}

// addAll adds in the order of keys, as everybody does. All that can fail fails with the
// same fact, so the order tells nothing.
func (p *plan) addAll(sql *[4]string, all []addition) error {
	slices.SortFunc(all, func(a, b addition) int { return bytes.Compare(a.key, b.key) })
	for i := 1; i < len(all); i++ {
		if bytes.Equal(all[i].key, all[i-1].key) {
			p.fail(wordExists)
			return nil
		}
	}
	for some := range slices.Chunk(all, len(sql)) {
		args := []any{p.at}
		for _, a := range some {
			data, err := record.Encode(a.record)
			if err != nil {
				return err
			}
			args = append(append(args, a.key, micros(a.expiresAt), data), a.columns...)
		}
		p.do(sql[len(some)-1], args...)
	}
	return nil
}

// addNotices adds in the order of keys too. A notice does not expire, so nothing makes room.
func (p *plan) addNotices(notices []storage.Notice) error {
	all := make([]addition, 0, len(notices))
	for _, n := range notices {
		all = append(all, addition{key: name(n.ID), record: &n})
	}
	slices.SortFunc(all, func(a, b addition) int { return bytes.Compare(a.key, b.key) })
	for _, a := range all {
		data, err := record.Encode(a.record)
		if err != nil {
			return err
		}
		p.do(addNotice, a.key, data)
	}
	return nil
}

// putConsents keeps the order of those for the same subject and client: the last counts.
func (p *plan) putConsents(consents []storage.Consent) error {
	all := make([]addition, 0, len(consents))
	for _, c := range consents {
		all = append(all, addition{record: &c, columns: []any{name(c.Subject), name(c.ClientID), microsOrNull(c.ExpiresAt)}})
	}
	slices.SortStableFunc(all, func(a, b addition) int {
		if order := bytes.Compare(a.columns[0].([]byte), b.columns[0].([]byte)); order != 0 {
			return order
		}
		return bytes.Compare(a.columns[1].([]byte), b.columns[1].([]byte))
	})
	for _, a := range all {
		data, err := record.Encode(a.record)
		if err != nil {
			return err
		}
		p.do(putConsent, append(a.columns, data)...)
	}
	return nil
}
