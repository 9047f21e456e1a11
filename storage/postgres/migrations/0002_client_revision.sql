-- +goose Up
-- By its revision a client is replaced only by who has seen what it is now. Those stored
-- before have the first.

ALTER TABLE grantor_clients ADD COLUMN revision bigint NOT NULL DEFAULT 1;
