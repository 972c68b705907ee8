-- Users whose links were ended: a create that began before leaves none. Swept after a day.
CREATE TABLE ended_users (
    user_id  TEXT COLLATE "C" PRIMARY KEY,
    ended_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX ended_users_by_time ON ended_users (ended_at);
