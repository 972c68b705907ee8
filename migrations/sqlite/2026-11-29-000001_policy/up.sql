-- What links may show at most: one row, or none while it was never set.
CREATE TABLE policy (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    document   TEXT NOT NULL,
    revision   BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT
);
