package crash

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/postgres"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// postgresBackend is a private PostgreSQL with several servers on it.
type postgresBackend struct {
	primary *postgrestest.Cluster
	standby *postgrestest.Cluster // nil if there is none
}

var _ database = (*postgresBackend)(nil)

func newPostgresBackend(context.Context) (*postgresBackend, error) {
	c, err := postgrestest.Start()
	if err != nil {
		return nil, err
	}
	return &postgresBackend{primary: c}, nil
}

func (b *postgresBackend) replicas() int { return 3 }

// address leads to whichever of the two takes writes.
func (b *postgresBackend) address() string {
	if b.standby == nil {
		return b.primary.URL()
	}
	one, err1 := url.Parse(b.primary.URL())
	two, err2 := url.Parse(b.standby.URL())
	if err1 != nil || err2 != nil {
		return b.primary.URL() // where no server will start
	}
	one.Host = strings.Join([]string{one.Host, two.Host}, ",")
	q := one.Query()
	q.Set("target_session_attrs", "read-write")
	one.RawQuery = q.Encode()
	return one.String()
}

// open waits until the connections of servers that were killed have come to their ends:
// what they had sent may still be at work.
func (b *postgresBackend) open(ctx context.Context) (storage.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		var busy int
		err := b.ask(ctx, &busy, `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND state <> 'idle'`, childApplication)
		if err == nil && busy == 0 {
			break
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("the database does not come to rest: %d connections are busy: %w", busy, err)
		}
	}
	return postgres.Open(ctx, b.primary.URL(), postgres.Options{ApplicationName: "grantor-crash-audit"})
}

// ask runs a statement, and reads the one value that it returns.
func (b *postgresBackend) ask(ctx context.Context, into any, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, b.primary.URL())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return conn.QueryRow(ctx, sql, args...).Scan(into)
}

// check does nothing: whether its pages are sound is PostgreSQL's affair.
func (b *postgresBackend) check(context.Context) error { return nil }

func (b *postgresBackend) size() string {
	var size string
	if err := b.ask(context.Background(), &size, `SELECT pg_size_pretty(pg_database_size(current_database()))`); err != nil {
		return err.Error()
	}
	return size
}

// cut ends about half of the servers' connections.
func (b *postgresBackend) cut(ctx context.Context) error {
	var n int
	return b.ask(ctx, &n, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1 AND random() < 0.5`, childApplication)
}

func (b *postgresBackend) crash(context.Context) error {
	if err := b.primary.Kill(); err != nil {
		return err
	}
	return b.primary.Restart()
}

func (b *postgresBackend) newPair(context.Context) error {
	standby, err := b.primary.Standby()
	b.standby = standby
	return err
}

func (b *postgresBackend) takeOver(context.Context) error {
	if err := b.primary.Kill(); err != nil {
		return err
	}
	if err := b.standby.Promote(); err != nil {
		return err
	}
	dead := b.primary
	b.primary, b.standby = b.standby, nil
	return dead.Close()
}

func (b *postgresBackend) close() error {
	if b.standby != nil {
		_ = b.standby.Close() // before its primary, which would wait for it
	}
	return b.primary.Close()
}
