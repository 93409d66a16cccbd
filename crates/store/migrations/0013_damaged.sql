-- When a checkpoint was last found to be damaged: it counts for nothing then.
ALTER TABLE checkpoints ADD COLUMN damaged BIGINT;
