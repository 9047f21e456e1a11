// Package postgres keeps everything an authorization server must remember in a
// PostgreSQL database, for hosts that have one and run several replicas of the server.
//
//	db, err := postgres.Open(ctx, "postgres://authz:password@db.example/authz")
//	if err != nil { … }
//	defer db.Close()
//
// It needs PostgreSQL 15 or later. Who imports this package links the driver pgx; nobody
// else does.
//
// # What is promised
//
// All replicas that are opened on one database are one authorization server: of two that
// redeem the same code at the same moment one wins, of three that rotate the keys one
// does, and what one has acknowledged the others see.
//
// Look-ups by ID or digest that come while another one is under way share the next round
// trip.
//
// A commit is one transaction and one round trip. Code exchanges, refreshes and other
// commits that only issue tokens share them when they come faster than the server answers;
// each is judged for itself all the same, and if one of them cannot be made they are made
// one by one. A commit is acknowledged after the server has it on its disk, and after its
// synchronous standbys have, if there are any (synchronous_standby_names). A server, role
// or URL that is set to less, which is synchronous_commit = off, local or remote_write, is
// told otherwise for our transactions; what is stronger stays. Nothing here helps against fsync = off.
//
// A transaction that lost against another one (a serialization failure, a deadlock) is
// repeated, within the context. So is one of which nothing was sent. If the connection
// is lost on the way, Commit says that the outcome is unknown, and does not guess; what
// is there afterwards is the whole Write or none of it. A read whose connection is lost
// is asked again once, on another connection. After a failover the first request or two
// can fail; nothing needs a restart. Where a server vanishes without a word, they wait for
// [Options.AnswerTimeout] first.
//
// Expired codes, tokens, grants and consents are removed beside the commits, a few
// hundred at a time, by whichever replica comes first. A sweep runs while commits come
// in, at most once a second unless there is a backlog, on one connection of the pool, and
// has ended when Close returns. If commits come faster than the dead go, one in 64 waits
// for the sweep.
//
// # Tables
//
// Open makes them and brings them up to date, each step in one transaction; replicas
// that start together take turns. A program that is older than the tables refuses to
// open them ([ErrNewer]).
//
//	grantor_clients     clients, by client_id
//	grantor_codes       codes, by digest
//	grantor_tokens      refresh and opaque access tokens, and marks of revoked signed ones, by digest
//	grantor_grants      grants, by ID; an index by subject
//	grantor_consents    consents, by subject and client_id
//	grantor_notices     what clients have yet to be told, by ID, which begins with when
//	grantor_endings     when a user's authorizations were ended, for an hour
//	grantor_keys        the key ring, in one row
//	grantor_migrations  the version of the tables; grantor_migrations_lock: who changes it
//
// They are in the first schema of the search path; a schema of their own is chosen in
// the URL, with search_path=authz. What conditions are judged by is in columns, instants
// as microseconds since 1970, names as bytes. The rest of a record is in one column and
// not for SQL. Names beyond 512 bytes are cut and hashed in keys.
//
// A host that gives the server a role without the right to make tables calls [Migrate]
// with another role first, sets [Options.SkipMigrations], and grants
//
//	GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA authz TO authz_server;
//
// # Secrets
//
// The database holds digests of codes and tokens, hashes of client secrets, and the
// signing keys, which are in clear unless the host gives the server a key to seal them
// with. Errors never repeat the URL. Ask for TLS in it: sslmode=verify-full.
//
// # Settings
//
// See [Options] for the pool and the timeouts. Pools of all replicas together have to
// stay below the server's max_connections. With several servers, name them all, and the
// one that takes writes is found, after a failover as well (target_session_attrs is
// read-write unless the URL says otherwise; a standby answers too late to be asked):
//
//	postgres://authz@db1,db2/authz
//
// Behind PgBouncer in transaction mode add default_query_exec_mode=exec (or
// simple_protocol). PgBouncer does not pass on what a connection asks for when it begins,
// so tell it to ignore_startup_parameters = statement_timeout, lock_timeout,
// idle_in_transaction_session_timeout, and set those, and search_path in place of the one
// in the URL, for the role:
//
//	ALTER ROLE authz SET search_path = authz;
//	ALTER ROLE authz SET statement_timeout = '10s';
//	ALTER ROLE authz SET lock_timeout = '3s';
//	ALTER ROLE authz SET idle_in_transaction_session_timeout = '10s';
//
// [OpenPool] takes a pool that the host has configured itself.
//
// Rows are inserted once, updated at most twice and deleted in the order of their keys.
// The default autovacuum copes; on busy servers make it come earlier on grantor_tokens
// and grantor_codes (autovacuum_vacuum_scale_factor = 0.02). Nothing else needs care.
//
// # Backups
//
// pg_dump and physical backups both work, at any time. Two things about going back to
// one: codes and tokens that were used, and grants that were revoked, since then are
// live again, so end all grants that are older than the moment of restoring, or accept
// it knowingly; and a key ring from before a rotation signs with the older key, which is
// right as long as resource servers still accept it. Point-in-time recovery to the last
// moment, or a synchronous standby, has neither problem.
//
// # Databases that speak PostgreSQL
//
// The SQL is plain: no extensions, functions, sequences, advisory locks or
// notifications. Aurora and AlloyDB are PostgreSQL in this respect. For distributed
// engines it is written with these in mind; we run the tests on PostgreSQL alone, there
// also at the isolations REPEATABLE READ and SERIALIZABLE, which is what these engines
// may give to who asks for READ COMMITTED.
//
//   - CockroachDB: conflicts that it reports as 40001 are repeated. Serializable, its
//     default, and READ COMMITTED both do. Codes and tokens arrive in the order of their
//     expiry, at one end of the key space: spread them, before there is load, with
//     ALTER TABLE grantor_tokens ALTER PRIMARY KEY USING COLUMNS (digest) USING HASH, and
//     the same for grantor_codes and grantor_grants (id).
//   - YugabyteDB: its DDL is not part of a transaction unless it is told so, so let one
//     process run Migrate, before the others start; if it dies in the middle, drop the
//     grantor_ tables it has made and run it again. Run Migrate with yb_use_hash_splitting_by_default = off, for its default
//     of hashed keys turns each sweep and each list into a scan of the table; split the
//     tables by range if one tablet gets too hot. Enable yb_enable_read_committed_isolation,
//     or let the repetitions do the work.
package postgres
