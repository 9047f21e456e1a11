package postgrestest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// mainDatabase is the one that URL leads to; maintenance is always there.
const (
	mainDatabase = "grantor"
	maintenance  = "postgres"
)

// URL leads to an empty database, which is there from the start. It stays the same
// through Kill, Stop and Restart.
func (c *Cluster) URL() string { return c.urlOf(mainDatabase) }

func (c *Cluster) urlOf(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.port, database)
}

// NewDatabase makes another empty database in the same cluster, which costs less than
// another cluster.
func (c *Cluster) NewDatabase(ctx context.Context) (string, error) {
	name := fmt.Sprintf("%s_%d", mainDatabase, c.databases.Add(1))
	if err := c.exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	return c.urlOf(name), nil
}

// exec runs one statement on a connection of its own.
func (c *Cluster) exec(ctx context.Context, sql string) error {
	return c.query(ctx, sql)
}

// query runs a statement, and reads the only row of its answer into dest, if any.
func (c *Cluster) query(ctx context.Context, sql string, dest ...any) error {
	conn, err := pgx.Connect(ctx, c.urlOf(maintenance))
	if err != nil {
		return fmt.Errorf("postgrestest: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if len(dest) > 0 {
		err = conn.QueryRow(ctx, sql).Scan(dest...)
	} else {
		_, err = conn.Exec(ctx, sql)
	}
	if err != nil {
		return fmt.Errorf("postgrestest: %s: %w", sql, err)
	}
	return nil
}
