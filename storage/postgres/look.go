package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// row is what a look-up by key finds, in any table.
type row struct {
	record            []byte
	consumed, revoked *int64
	more              []byte
}

func (r *row) columns() []any { return []any{&r.record, &r.consumed, &r.revoked, &r.more} }

// table is how rows are looked up by key: one, or several at once.
type table struct{ one, many string }

func tableOf(name, key, columns string) *table {
	return &table{
		one: "SELECT " + columns + " FROM " + name + " WHERE " + key + " = $1",
		// Written like this there is no other way than through the index for each key, also
		// where the engine has not noticed yet that the table is no longer empty.
		many: "SELECT wanted.n, found.* FROM unnest((SELECT $1::bytea[])) WITH ORDINALITY AS wanted (k, n), LATERAL (SELECT " +
			columns + " FROM " + name + " WHERE " + key + " = wanted.k LIMIT 1) AS found",
	}
}

var (
	clientTable = tableOf("grantor_clients", "id", "record, NULL::bigint AS a, NULL::bigint AS b, NULL::bytea AS c")
	codeTable   = tableOf("grantor_codes", "digest", "record, consumed_at, NULL::bigint AS b, NULL::bytea AS c")
	tokenTable  = tableOf("grantor_tokens", "digest", "record, consumed_at, revoked_at, answer")
	grantTable  = tableOf("grantor_grants", "id", "record, NULL::bigint AS a, revoked_at, revoked_reason")

	tables = []*table{clientTable, codeTable, tokenTable, grantTable}
)

// look is one look-up, which travels with others.
type look struct {
	table *table
	key   []byte
	found bool
	row   row
}

// lookUp finds the row with this key, or pgx.ErrNoRows.
func (db *DB) lookUp(ctx context.Context, t *table, key []byte) (r row, err error) {
	var l *look // once it travels with others it belongs to them until they are back
	err = db.looks.do(ctx, func() (*look, error) {
		l = &look{table: t, key: key}
		return l, nil
	}, func() error {
		l = nil
		return db.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, t.one, key).Scan(r.columns()...)
		})
	})
	switch {
	case err != nil || l == nil:
		return r, err
	case !l.found:
		return r, pgx.ErrNoRows
	}
	return l.row, nil
}

// lookTogether makes several look-ups in one trip. If it fails, each is made by itself.
func (db *DB) lookTogether(ctx context.Context, all []*look) error {
	var batch pgx.Batch
	var asked [][]*look
	for _, t := range tables {
		var these []*look
		var keys [][]byte
		for _, l := range all {
			if l.table == t {
				these, keys = append(these, l), append(keys, l.key)
			}
		}
		if len(these) > 0 {
			asked = append(asked, these)
			batch.Queue(t.many, keys)
		}
	}
	err := db.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		results := conn.SendBatch(ctx, &batch)
		for _, these := range asked {
			if err := scanLooks(results, these); err != nil {
				_ = results.Close() // says the same
				return err
			}
		}
		return results.Close()
	})
	if err != nil {
		return errAlone
	}
	return nil
}

func scanLooks(results pgx.BatchResults, these []*look) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	var n int64
	for rows.Next() {
		var r row
		if err := rows.Scan(append([]any{&n}, r.columns()...)...); err != nil {
			return err
		}
		these[n-1].row, these[n-1].found = r, true
	}
	return rows.Err()
}
