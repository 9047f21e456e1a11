package postgres

import (
	"cmp"
	"log/slog"
	"runtime"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options of a store. The zero value is right for most. What the URL sets itself, such
// as pool_max_conns or application_name, stays as it is there unless an option names it.
type Options struct {
	// SkipMigrations leaves the tables as they are, for a role that may not change
	// them. Open then returns [ErrNotMigrated] if they are not up to date; see [Migrate].
	SkipMigrations bool

	// MaxConns is how many connections there may be. Zero means 16, or four for each
	// processor if that is more: most of them wait for the server's disk, and commits that
	// wait together share one trip to it.
	MaxConns int

	// MinConns is how many connections are kept open when nothing happens.
	MinConns int

	// ConnectTimeout bounds the making of one connection. Zero means 3 s.
	ConnectTimeout time.Duration

	// StatementTimeout is how long the server works on one statement; zero means 10 s,
	// negative no limit. The wait for the disk and for synchronous standbys at the end of a
	// commit does not count. Calls are bound by their contexts anyway, and a statement whose
	// caller has gone is cancelled; this is for callers without a deadline.
	StatementTimeout time.Duration

	// LockTimeout is how long a statement waits for rows that another one has locked;
	// zero means 3 s, negative no limit. Locks are held for as long as one commit takes, so
	// a longer wait means that something is stuck.
	LockTimeout time.Duration

	// AnswerTimeout is how long we wait for the server's answer to a read or a commit, if
	// the context does not end before: for a server that has vanished without a word, or
	// waits for a synchronous standby that has. Zero means 30 s, negative no limit.
	AnswerTimeout time.Duration

	// Logger is told when expired records cannot be removed, for want of a right, say: that
	// fails no call, and would go unnoticed until the disk is full. Nil means slog.Default.
	Logger *slog.Logger

	// ApplicationName is how the connections appear in pg_stat_activity. Empty means
	// "grantor".
	ApplicationName string
}

// stuckAfter is how long the server lets a connection of ours sit in the middle of a
// transaction. A commit arrives in one piece, so only a broken network does that.
const stuckAfter = 10 * time.Second

func (o Options) configure(c *pgxpool.Config, url settings) {
	if o.MaxConns > 0 {
		c.MaxConns = int32(o.MaxConns)
	} else if !url.maxConns {
		c.MaxConns = int32(max(16, 4*runtime.NumCPU()))
	}
	if o.MinConns > 0 {
		c.MinConns = min(int32(o.MinConns), c.MaxConns)
	}
	if o.ConnectTimeout > 0 || c.ConnConfig.ConnectTimeout == 0 || !url.connectTimeout {
		c.ConnConfig.ConnectTimeout = cmp.Or(o.ConnectTimeout, 3*time.Second)
	}
	c.PingTimeout = cmp.Or(c.PingTimeout, c.ConnConfig.ConnectTimeout)
	if c.ConnConfig.ValidateConnect == nil && !url.sessionAttrs {
		c.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	set := func(name string, wanted, usual time.Duration) {
		if _, ok := c.ConnConfig.RuntimeParams[name]; ok && wanted == 0 {
			return
		}
		c.ConnConfig.RuntimeParams[name] = strconv.FormatInt(max(0, cmp.Or(wanted, usual)).Milliseconds(), 10)
	}
	set("statement_timeout", o.StatementTimeout, 10*time.Second)
	set("lock_timeout", o.LockTimeout, 3*time.Second)
	set("idle_in_transaction_session_timeout", 0, stuckAfter)
	if _, ok := c.ConnConfig.RuntimeParams["application_name"]; !ok || o.ApplicationName != "" {
		c.ConnConfig.RuntimeParams["application_name"] = cmp.Or(o.ApplicationName, "grantor")
	}
	c.ConnConfig.OnNotice = noteWarning
}
