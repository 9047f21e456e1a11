-- +goose Up
-- An ID begins with the time at which the notice is due: those that are due are one range at
-- the left edge of the primary key.

CREATE TABLE grantor_notices (
    id     bytea PRIMARY KEY,
    record bytea NOT NULL
);
