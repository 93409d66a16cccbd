-- When a prompt lost a session that had it, and may be needed by none: a sweep
-- looks, and takes it away or says that it is needed.
ALTER TABLE prompts ADD COLUMN unused BIGINT;
UPDATE prompts SET unused = 0;
CREATE INDEX prompts_unused ON prompts (unused) WHERE unused IS NOT NULL;
CREATE INDEX pinned_prompt ON pinned (prompt);
