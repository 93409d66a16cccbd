-- Addresses that start sessions of an agent: the SHA-256 of a token, never the
-- token. A name is that of one hook at a time: a revoked one gives it free.
CREATE TABLE hooks (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    agent TEXT NOT NULL,
    name TEXT NOT NULL,
    hash BYTEA NOT NULL,
    last4 TEXT NOT NULL,
    caps TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    revoked BIGINT,
    reason TEXT
);
CREATE UNIQUE INDEX hooks_hash ON hooks (hash);
CREATE UNIQUE INDEX hooks_name ON hooks (agent, name) WHERE revoked IS NULL;
CREATE INDEX hooks_agent ON hooks (org, agent, created, id);
