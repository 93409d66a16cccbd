-- Leases under a quota: `placed` says that a session has its place among the
-- running ones of its org, from its lease until it rests or gives the place
-- back; `origin` is the number a fork was forked at.
ALTER TABLE sessions ADD COLUMN placed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN origin BIGINT;
UPDATE sessions SET placed = 1 WHERE due IS NOT NULL AND (node IS NOT NULL OR status = 'running');
INSERT INTO nodes (id, until) SELECT DISTINCT s.node, 0 FROM sessions s
    WHERE s.node IS NOT NULL AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = s.node);
DROP INDEX sessions_due;
DROP INDEX sessions_node;
CREATE INDEX sessions_node ON sessions (node, due, id) WHERE node IS NOT NULL;
-- Their last columns are there to be counted without reading the rows.
CREATE INDEX sessions_queue ON sessions (org, due, id, node, placed) WHERE due IS NOT NULL AND node IS NULL AND placed = 0;
CREATE INDEX sessions_handed ON sessions (due, id) WHERE placed = 1 AND node IS NULL;
CREATE INDEX sessions_placed ON sessions (org, placed) WHERE placed = 1;

-- What erasing a session has to find.
CREATE INDEX client_tokens_session ON client_tokens (session);
CREATE INDEX onces_session ON onces (session);

CREATE TABLE lineage (
    session TEXT NOT NULL,
    source TEXT NOT NULL,
    from_seq BIGINT NOT NULL,
    to_seq BIGINT NOT NULL,
    PRIMARY KEY (session, from_seq)
);
CREATE INDEX lineage_source ON lineage (source, to_seq);

CREATE TABLE checkpoints (
    id TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    root TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    manifest TEXT NOT NULL,
    packs TEXT NOT NULL,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    added BIGINT NOT NULL
);
CREATE INDEX checkpoints_session ON checkpoints (session, seq, at, id);
CREATE INDEX checkpoints_root ON checkpoints (root);

CREATE TABLE folds (
    session TEXT NOT NULL,
    seq BIGINT NOT NULL,
    blob TEXT NOT NULL,
    PRIMARY KEY (session, seq)
);

CREATE TABLE usage_turns (
    session TEXT NOT NULL,
    turn BIGINT NOT NULL,
    org TEXT NOT NULL,
    agent TEXT NOT NULL,
    started BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    active_ms BIGINT NOT NULL,
    input BIGINT NOT NULL,
    output BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    cache_read BIGINT NOT NULL,
    reported BIGINT NOT NULL,
    usd BIGINT,
    PRIMARY KEY (session, turn)
);
CREATE INDEX usage_turns_org ON usage_turns (org, ended);

CREATE TABLE usage_sandboxes (
    sandbox TEXT NOT NULL,
    day BIGINT NOT NULL,
    org TEXT NOT NULL,
    agent TEXT NOT NULL,
    session TEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    mib BIGINT NOT NULL,
    PRIMARY KEY (sandbox, day)
);
CREATE INDEX usage_sandboxes_org ON usage_sandboxes (org, day);

-- What is spent of a cap, and what is reserved and not spent yet.
CREATE TABLE caps (
    scope TEXT NOT NULL,
    period TEXT NOT NULL,
    tokens BIGINT NOT NULL,
    usd BIGINT NOT NULL,
    held_tokens BIGINT NOT NULL,
    held_usd BIGINT NOT NULL,
    PRIMARY KEY (scope, period)
);

CREATE TABLE reservations (
    session TEXT PRIMARY KEY,
    tokens BIGINT NOT NULL,
    usd BIGINT NOT NULL,
    caps TEXT NOT NULL
);

CREATE TABLE tombstones (
    session TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    agent TEXT NOT NULL,
    root TEXT NOT NULL,
    head BIGINT NOT NULL,
    created BIGINT NOT NULL,
    erased BIGINT NOT NULL,
    done BIGINT
);
CREATE INDEX tombstones_open ON tombstones (session) WHERE done IS NULL;

CREATE TABLE litter (
    folder TEXT PRIMARY KEY,
    seen BIGINT
);
CREATE INDEX litter_seen ON litter (seen);
CREATE INDEX events_content ON events (session, seq) WHERE content IS NOT NULL;
