-- What a run that died was allowed is read back by the run that takes over: how
-- much of it was the question, and whose it was.
ALTER TABLE reservations ADD COLUMN input BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reservations ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
