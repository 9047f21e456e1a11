-- One table per kind of record. The columns are what conditions, lists and expiry look
-- at, and what changes after the record was added; record is all of it as it was added.
-- Times are microseconds since 1970, and NULL where package storage says zero.

CREATE TABLE IF NOT EXISTS clients (
  id     TEXT PRIMARY KEY,
  record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- A digest begins with the time after which its row may go: the dead are at the left.
CREATE TABLE IF NOT EXISTS codes (
  digest      BLOB PRIMARY KEY,
  expires_at  INTEGER NOT NULL,
  consumed_at INTEGER,
  record      BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS tokens (
  digest      BLOB PRIMARY KEY,
  expires_at  INTEGER NOT NULL,
  consumed_at INTEGER,
  answer      BLOB,
  revoked_at  INTEGER,
  record      BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The ID of a grant sorts by expiry too.
CREATE TABLE IF NOT EXISTS grants (
  id             TEXT PRIMARY KEY,
  subject        TEXT NOT NULL,
  client_id      TEXT NOT NULL,
  expires_at     INTEGER NOT NULL,
  revoked_at     INTEGER,
  revoked_reason TEXT NOT NULL,
  record         BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS grants_of_subject ON grants (subject, id);

CREATE TABLE IF NOT EXISTS consents (
  subject    TEXT NOT NULL,
  client_id  TEXT NOT NULL,
  expires_at INTEGER,
  record     BLOB NOT NULL,
  PRIMARY KEY (subject, client_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS consents_by_expiry ON consents (expires_at) WHERE expires_at IS NOT NULL;

-- When a user's authorizations were last ended: all of them (client_id is empty), or
-- those of one client.
CREATE TABLE IF NOT EXISTS ended (
  subject   TEXT NOT NULL,
  client_id TEXT NOT NULL,
  at        INTEGER NOT NULL,
  PRIMARY KEY (subject, client_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ended_by_time ON ended (at);

-- The ID of a notice begins with the time at which it is due.
CREATE TABLE IF NOT EXISTS notices (
  id     TEXT PRIMARY KEY,
  record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The key ring is one row.
CREATE TABLE IF NOT EXISTS key_ring (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  revision INTEGER NOT NULL,
  record   BLOB NOT NULL
) STRICT;
