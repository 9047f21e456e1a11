package postgres

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/internal/record"
)

// ListClients returns up to limit clients whose ID sorts after the given one.
func (db *DB) ListClients(ctx context.Context, after string, limit int) ([]storage.Client, error) {
	return list(ctx, db, after, limit, pages[storage.Client]{
		sql:  "SELECT id, record FROM grantor_clients WHERE id >= $1 ORDER BY id LIMIT $2",
		name: func(c *storage.Client) string { return c.ID },
	})
}

// ListGrants returns up to limit grants of one subject whose ID sorts after the given
// one.
func (db *DB) ListGrants(ctx context.Context, subject, after string, limit int) ([]storage.Grant, error) {
	return list(ctx, db, after, limit, pages[storage.Grant]{
		sql:  "SELECT id, record, revoked_at, revoked_reason FROM grantor_grants WHERE subject = $3 AND id >= $1 ORDER BY id LIMIT $2",
		args: []any{name(subject)},
		name: func(g *storage.Grant) string { return g.ID },
		scan: func(rows pgx.Rows, key, data *[]byte) (func(*storage.Grant), error) {
			var revoked *int64
			var reason []byte
			err := rows.Scan(key, data, &revoked, &reason)
			return func(g *storage.Grant) { setRevoked(g, revoked, reason) }, err
		},
	})
}

// ListConsents returns up to limit consents of one subject whose ClientID sorts after
// the given one.
func (db *DB) ListConsents(ctx context.Context, subject, after string, limit int) ([]storage.Consent, error) {
	return list(ctx, db, after, limit, pages[storage.Consent]{
		sql:  "SELECT client_id, record FROM grantor_consents WHERE subject = $3 AND client_id >= $1 ORDER BY client_id LIMIT $2",
		args: []any{name(subject)},
		name: func(c *storage.Consent) string { return c.ClientID },
	})
}

// ListNotices returns up to limit notices whose ID sorts before the given one.
func (db *DB) ListNotices(ctx context.Context, before string, limit int) ([]storage.Notice, error) {
	if err := db.begin(ctx); err != nil {
		return nil, err
	}
	defer db.end()
	var all []storage.Notice
	err := db.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		all = nil
		rows, err := conn.Query(ctx, "SELECT record FROM grantor_notices WHERE id < $1 ORDER BY id LIMIT $2", name(before), max(limit, 0))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var data []byte
			var n storage.Notice
			if err := rows.Scan(&data); err != nil {
				return err
			}
			if err := record.Decode(data, &n); err != nil {
				return err
			}
			all = append(all, n)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, explain(ctx, "listing", err)
	}
	return all, nil
}

// pages is a way to read records in the order of their keys. $1 is the first key, $2
// the most rows.
type pages[T any] struct {
	sql  string
	args []any
	name func(*T) string
	scan func(rows pgx.Rows, key, data *[]byte) (func(*T), error) // nil: key and record alone
}

// pageSize bounds what is fetched at once, whatever the limit.
const pageSize = 1000

type found[T any] struct {
	key    []byte
	record T
}

// list reads on until it has enough. Where names are too long to be keys, those that
// begin alike come in no order; they are read together and put in order here.
func list[T any](ctx context.Context, db *DB, after string, limit int, p pages[T]) ([]T, error) {
	if err := db.begin(ctx); err != nil {
		return nil, err
	}
	defer db.end()
	var all []T
	var alike []found[T] // with the same head, until the last of them has come
	settle := func() {
		slices.SortFunc(alike, func(a, b found[T]) int { return cmp.Compare(p.name(&a.record), p.name(&b.record)) })
		for i := range alike {
			if after == "" || p.name(&alike[i].record) > after {
				all = append(all, alike[i].record)
			}
		}
		alike = alike[:0]
	}
	from := head(name(after))
	for len(all) < limit {
		// Two more: the one that from itself may be, and one that shows that what was
		// read last has no more like it.
		size := min(limit, pageSize) + 2
		page, err := p.read(ctx, db, from, size)
		if err != nil {
			return nil, err
		}
		for _, f := range page {
			if len(alike) > 0 && !bytes.Equal(head(alike[0].key), head(f.key)) {
				settle()
			}
			alike = append(alike, f)
		}
		if len(page) < size {
			settle()
			break
		}
		from = append(bytes.Clone(page[size-1].key), 0) // the next key there can be
	}
	return all[:min(len(all), max(limit, 0))], nil
}

func (p *pages[T]) read(ctx context.Context, db *DB, from []byte, size int) ([]found[T], error) {
	var page []found[T]
	err := db.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		page = page[:0]
		rows, err := conn.Query(ctx, p.sql, append([]any{from, size}, p.args...)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var f found[T]
			if err := p.row(rows, &f); err != nil {
				return err
			}
			page = append(page, f)
		}
		return rows.Err()
	})
	return page, explain(ctx, "listing", err)
}

func (p *pages[T]) row(rows pgx.Rows, f *found[T]) error {
	var data []byte
	fill := func(*T) {}
	var err error
	if p.scan != nil {
		fill, err = p.scan(rows, &f.key, &data)
	} else {
		err = rows.Scan(&f.key, &data)
	}
	if err != nil {
		return err
	}
	if err := record.Decode(data, &f.record); err != nil {
		return err
	}
	fill(&f.record)
	return nil
}
