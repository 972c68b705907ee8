-- Who did what to which link, and what was refused. Nothing refers to it, so it outlives the links.
-- Ids of links and chats are one-way short forms. Both indexes are written with every change of a
-- link: the first grows at its end alone.
CREATE TABLE audit_records (
    at         BIGINT NOT NULL,
    -- Tells apart what happened in the same microsecond; it means nothing.
    id         BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id   TEXT,
    action     TEXT NOT NULL,
    result     TEXT NOT NULL,
    link       TEXT,
    chat       TEXT,
    client     TEXT,
    request_id TEXT,
    times      BIGINT NOT NULL,
    detail     TEXT,
    PRIMARY KEY (at, id)
);
CREATE INDEX audit_records_link ON audit_records (link, at) WHERE link IS NOT NULL;

-- How often a link was seen. Apart from the link's own row, whose revision is of its settings.
CREATE TABLE link_activity (
    shared_chat_id TEXT PRIMARY KEY REFERENCES shared_chats (id) ON DELETE CASCADE,
    views          BIGINT NOT NULL,
    bot_views      BIGINT NOT NULL,
    downloads      BIGINT NOT NULL,
    last_viewed_at BIGINT
);
