package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// The reasons why [Open] refuses a database, wrapped with what to do.
var (
	// ErrNotMigrated: the tables are not there or not up to date, and Open was told to
	// leave them alone.
	ErrNotMigrated = errors.New("postgres: the tables are not up to date")

	// ErrNewer: a later version of this package made the tables, in a schema that
	// this one does not know.
	ErrNewer = errors.New("postgres: the tables were made by a newer version")
)

// fault is an error of the database with what to do about it, in one line. It never
// holds the URL.
type fault struct {
	doing string
	cure  string
	cause error
}

func (f *fault) Error() string {
	text := "postgres: " + f.doing + ": " + oneLine(f.cause.Error())
	if f.cure != "" {
		text += "; " + f.cure
	}
	return text
}

func (f *fault) Unwrap() error { return f.cause }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// explain adds the cure. Once the context has ended, that is the cause, whatever the
// connection made of it.
func explain(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("postgres: %s: %w", doing, ended)
	}
	return &fault{doing: doing, cure: cure(err), cause: err}
}

// code is the SQLSTATE of an error of the server's.
func code(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

const (
	undefinedTable  = "42P01"
	readOnly        = "25006"
	serialization   = "40001"
	deadlock        = "40P01"
	noStatement     = "26000"
	notSupported    = "0A000"
	invalidText     = "22P02"
	wrongPassword   = "28P01"
	notAuthorized   = "28000"
	noDatabase      = "3D000"
	noRight         = "42501"
	tooMany         = "53300"
	diskFull        = "53100"
	starting        = "57P03"
	badProtocol     = "08P01"
	lockUnavailable = "55P03"
	cancelled       = "57014"
)

var cures = map[string]string{
	undefinedTable:  "the tables are not there: call postgres.Migrate, or open without SkipMigrations; if they are in a schema of their own, name it in the URL with search_path",
	readOnly:        "this server is a standby or set to read-only: name the primary, or name all of them in the URL, and the one that takes writes is found (target_session_attrs=read-write)",
	wrongPassword:   "the password in the URL (or in PGPASSWORD or ~/.pgpass) is wrong for this user",
	notAuthorized:   "the server does not let this user in from here: look at its pg_hba.conf, and whether the role exists and has LOGIN",
	noDatabase:      "create the database, or correct its name in the URL",
	noRight:         "the role lacks a right: GRANT SELECT, INSERT, UPDATE, DELETE on the grantor_ tables to it; to make them it needs CREATE on the schema",
	tooMany:         "the server has no connection left: raise its max_connections, or lower MaxConns so that all replicas together stay below",
	diskFull:        "the server's disk is full: make room",
	starting:        "the server is starting or shutting down: try again shortly",
	badProtocol:     "if a startup parameter is not supported, there is a pooler in between: see the settings for PgBouncer in this package's documentation",
	lockUnavailable: "another transaction holds the rows for longer than lock_timeout: look for it in pg_stat_activity and pg_locks",
	cancelled:       "the statement took longer than statement_timeout, or somebody cancelled it",
	serialization:   "too many transactions at once changed the same rows: try again",
	deadlock:        "too many transactions at once changed the same rows: try again",
}

func cure(err error) string {
	if c, ok := cures[code(err)]; ok {
		return c
	}
	var dns *net.DNSError
	switch {
	case errors.Is(err, pgconn.ErrReadOnlyConnection):
		return cures[readOnly]
	case errors.Is(err, context.DeadlineExceeded):
		return "the server does not answer in time: look at it and at the network between, or correct host and port in the URL"
	case errors.As(err, &dns):
		return "the host in the URL is not known: correct it"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there: start the server, or correct host and port in the URL"
	case errors.Is(err, syscall.ENOENT):
		return "there is no such socket: start the server, or correct host and port in the URL"
	}
	return ""
}
