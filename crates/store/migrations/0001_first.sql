-- Times are milliseconds since the Unix epoch, JSON is TEXT kept byte for
-- byte, digests and sealed values are bytes. What each table is for: lib.rs.

CREATE TABLE orgs (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    data_key BYTEA NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    name TEXT NOT NULL,
    hash BYTEA NOT NULL,
    prefix TEXT NOT NULL,
    created BIGINT NOT NULL,
    last_used BIGINT,
    revoked BIGINT
);
CREATE UNIQUE INDEX keys_hash ON keys (hash);
CREATE INDEX keys_org ON keys (org, created, id);

CREATE TABLE agents (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    name TEXT NOT NULL,
    runtime TEXT NOT NULL,
    credential TEXT,
    limits TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    deleted BIGINT
);
CREATE UNIQUE INDEX agents_name ON agents (org, name) WHERE deleted IS NULL;
CREATE INDEX agents_org ON agents (org, created, id) WHERE deleted IS NULL;

-- The prompt is bytes, because PostgreSQL's TEXT cannot hold every text.
CREATE TABLE revisions (
    agent TEXT NOT NULL,
    number BIGINT NOT NULL,
    id TEXT NOT NULL,
    prompt BYTEA NOT NULL,
    prompt_hash TEXT NOT NULL,
    model TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (agent, number)
);

CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    provider TEXT NOT NULL,
    name TEXT,
    sealed BYTEA NOT NULL,
    last4 TEXT NOT NULL,
    is_default BIGINT NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX credentials_org ON credentials (org, created, id);
CREATE UNIQUE INDEX credentials_default ON credentials (org, provider) WHERE is_default = 1;

-- A node's leases all last until the same moment, so that keeping a thousand of
-- them is one small write.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    until BIGINT NOT NULL
);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    agent TEXT NOT NULL,
    key TEXT,
    created BIGINT NOT NULL,
    status TEXT NOT NULL,
    head BIGINT NOT NULL,
    input_cursor BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    node TEXT,
    due BIGINT,
    state TEXT NOT NULL
);
CREATE INDEX sessions_org ON sessions (org, created, id);
CREATE INDEX sessions_agent ON sessions (org, agent, created, id);
CREATE INDEX sessions_key ON sessions (org, key, created, id) WHERE key IS NOT NULL;
CREATE INDEX sessions_status ON sessions (status, org, created, id);
CREATE INDEX sessions_due ON sessions (due, id) WHERE due IS NOT NULL;
CREATE INDEX sessions_node ON sessions (node) WHERE node IS NOT NULL;

CREATE TABLE pinned (
    session TEXT PRIMARY KEY,
    frozen TEXT NOT NULL,
    prompt BYTEA NOT NULL,
    metadata TEXT
);

CREATE TABLE prompts (
    hash BYTEA PRIMARY KEY,
    text BYTEA NOT NULL
);

CREATE TABLE events (
    session TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    turn TEXT,
    type TEXT NOT NULL,
    level BIGINT NOT NULL,
    actor TEXT NOT NULL,
    body TEXT NOT NULL,
    refs TEXT NOT NULL,
    private TEXT,
    content TEXT,
    PRIMARY KEY (session, seq)
);
CREATE INDEX events_turns ON events (session, turn, seq) WHERE type IN ('turn.started', 'turn.completed');

CREATE TABLE onces (
    org TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    session TEXT NOT NULL,
    PRIMARY KEY (org, scope, key)
);

CREATE TABLE message_keys (
    session TEXT NOT NULL,
    key TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (session, key)
);

CREATE TABLE client_tokens (
    hash BYTEA PRIMARY KEY,
    org TEXT NOT NULL,
    session TEXT NOT NULL,
    may_read BIGINT NOT NULL,
    may_steer BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX client_tokens_expires ON client_tokens (expires);
