-- Client tokens say themselves what they open, signed; none is kept. Those of an
-- earlier version, which lasted a day at most, open nothing any more.
DROP TABLE client_tokens;
