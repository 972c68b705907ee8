-- What links may show at most: one row, or none while it was never set.
CREATE TABLE policy (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    document   TEXT NOT NULL,
    revision   BIGINT NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    changed_by TEXT
);
