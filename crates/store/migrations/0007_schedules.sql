-- What begins a session of an agent at set times. A deleted one keeps its row, for its runs, and loses its name.
CREATE TABLE schedules (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    agent TEXT NOT NULL,
    name TEXT NOT NULL,
    cron TEXT NOT NULL,
    tz TEXT,
    input BYTEA NOT NULL,
    overlap TEXT NOT NULL,
    caps TEXT NOT NULL,
    state TEXT NOT NULL,
    -- The slot that comes next, also while it is paused; NULL if none ever does.
    next_fire BIGINT,
    last_fired BIGINT,
    failures BIGINT NOT NULL,
    last_error TEXT,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    deleted BIGINT
);
CREATE UNIQUE INDEX schedules_named ON schedules (org, agent, name) WHERE deleted IS NULL;
CREATE INDEX schedules_due ON schedules (next_fire) WHERE state = 'active' AND deleted IS NULL;

-- What became of one slot, or of one fire by hand (then without a slot).
CREATE TABLE schedule_runs (
    id TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    slot BIGINT,
    created BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    made TEXT,
    error TEXT
);
CREATE UNIQUE INDEX schedule_runs_slot ON schedule_runs (schedule, slot) WHERE slot IS NOT NULL;
CREATE INDEX schedule_runs_listed ON schedule_runs (schedule, created, id);
