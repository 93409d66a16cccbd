-- What an agent allows besides its limits: tools that may be run again, caps.
ALTER TABLE agents ADD COLUMN policy TEXT NOT NULL DEFAULT '{}';
