-- At which place, which is a data folder with its sandboxes, the sandbox of a
-- session is: a hint for who should take its next turn.
CREATE TABLE homes (
    session TEXT PRIMARY KEY,
    place TEXT NOT NULL
);
