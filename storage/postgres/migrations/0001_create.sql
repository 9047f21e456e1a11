-- +goose Up
-- Names are bytes, because the host may call users and clients what it likes. Instants
-- are microseconds since 1970. What conditions are judged by has a column; the rest of
-- a record is one value, which does not change.

CREATE TABLE grantor_clients (
    id     bytea PRIMARY KEY,
    record bytea NOT NULL
);

-- A digest begins with the time after which its row may go: the dead are one range at
-- the left edge of the primary key.
CREATE TABLE grantor_codes (
    digest      bytea  PRIMARY KEY,
    expires_at  bigint NOT NULL,
    consumed_at bigint,
    record      bytea  NOT NULL
);

CREATE TABLE grantor_tokens (
    digest      bytea  PRIMARY KEY,
    expires_at  bigint NOT NULL,
    consumed_at bigint,
    revoked_at  bigint,
    answer      bytea,
    record      bytea  NOT NULL
);

CREATE TABLE grantor_grants (
    id             bytea  PRIMARY KEY,
    subject        bytea  NOT NULL,
    client_id      bytea  NOT NULL,
    expires_at     bigint NOT NULL,
    revoked_at     bigint,
    revoked_reason bytea,
    record         bytea  NOT NULL
);
CREATE INDEX grantor_grants_of_subject ON grantor_grants (subject, id);

CREATE TABLE grantor_consents (
    subject    bytea NOT NULL,
    client_id  bytea NOT NULL,
    expires_at bigint,
    record     bytea NOT NULL,
    PRIMARY KEY (subject, client_id)
);
CREATE INDEX grantor_consents_by_end ON grantor_consents (expires_at) WHERE expires_at IS NOT NULL;

-- When a subject's authorizations were last ended: all of them (an empty client_id), or
-- those for one client. The row with the empty client_id is also the lock that an
-- authorization and a revocation take in turns; then ended_at may be null.
CREATE TABLE grantor_endings (
    subject   bytea  NOT NULL,
    client_id bytea  NOT NULL,
    ended_at  bigint,
    forget_at bigint NOT NULL,
    PRIMARY KEY (subject, client_id)
);
CREATE INDEX grantor_endings_by_end ON grantor_endings (forget_at);

CREATE TABLE grantor_keys (
    id       smallint PRIMARY KEY CHECK (id = 1),
    revision bigint   NOT NULL,
    record   bytea    NOT NULL
);
