-- Users whose links were ended: a create that began before leaves none. Swept after a day.
CREATE TABLE ended_users (
    user_id  TEXT PRIMARY KEY,
    ended_at BIGINT NOT NULL
);
CREATE INDEX ended_users_by_time ON ended_users (ended_at);
