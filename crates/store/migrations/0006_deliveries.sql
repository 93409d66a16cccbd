-- Webhooks: who is told of a session's facts, and what each was told. `outbox`
-- is how many destinations listen, so that an append of a session without any
-- sees that in the row it changes anyway.
ALTER TABLE sessions ADD COLUMN outbox BIGINT NOT NULL DEFAULT 0;

-- `due` is the earliest of its deliveries, `fresh` the latest moment that a first
-- attempt was set for, `node` who sends right now.
CREATE TABLE destinations (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    session TEXT NOT NULL,
    url TEXT NOT NULL,
    level BIGINT NOT NULL,
    types TEXT,
    include_raw BIGINT NOT NULL,
    enabled BIGINT NOT NULL,
    secret BYTEA,
    former BYTEA,
    former_until BIGINT,
    after_seq BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    due BIGINT,
    fresh BIGINT NOT NULL DEFAULT 0,
    node TEXT,
    failures BIGINT NOT NULL DEFAULT 0,
    failing BIGINT,
    failure TEXT
);
CREATE INDEX destinations_session ON destinations (session, created, id);
CREATE INDEX destinations_due ON destinations (org, due, id) WHERE due IS NOT NULL AND node IS NULL;
CREATE INDEX destinations_node ON destinations (node) WHERE node IS NOT NULL;

-- The outbox: a fact that a destination is to be told. What it is told is read from
-- the log when it is sent; `due` is empty when nothing more is tried.
CREATE TABLE deliveries (
    destination TEXT NOT NULL,
    seq BIGINT NOT NULL,
    session TEXT NOT NULL,
    status TEXT NOT NULL,
    due BIGINT,
    round BIGINT NOT NULL DEFAULT 0,
    tries BIGINT NOT NULL DEFAULT 0,
    attempts BIGINT NOT NULL DEFAULT 0,
    tried BIGINT,
    code BIGINT,
    error TEXT,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (destination, seq)
);
CREATE INDEX deliveries_session ON deliveries (session, seq, destination);
CREATE INDEX deliveries_due ON deliveries (destination, due, seq, created) WHERE due IS NOT NULL;
