-- Secrets for sandboxes: named stores of an org, and what each holds. Which hosts
-- may be reached and which may be given a value are JSON lists of texts.
CREATE TABLE secret_stores (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    name TEXT NOT NULL,
    egress_allowlist TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE UNIQUE INDEX secret_stores_name ON secret_stores (org, name);
CREATE INDEX secret_stores_org ON secret_stores (org, created, id);

-- What is shown of a value is sealed, too: a dump of the database tells nothing.
CREATE TABLE secrets (
    id TEXT PRIMARY KEY,
    store TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    last4 BYTEA NOT NULL,
    allowed_hosts TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE UNIQUE INDEX secrets_name ON secrets (store, name);

-- Secrets of the whole installation, under the master key itself.
CREATE TABLE install (
    name TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL
);
