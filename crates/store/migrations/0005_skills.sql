-- The skills of a revision: the digest of their bundle and what it lists, as JSON.
ALTER TABLE revisions ADD COLUMN skills TEXT;
