-- The bytes that are kept of frozen links' files. A row stands from before the object is written
-- until after it was deleted. One without a link is an unfinished copy while leased_until holds a
-- moment, and waste without one; deleting a link makes waste of its rows.
CREATE TABLE artifacts (
    object_key     TEXT PRIMARY KEY,
    shared_chat_id TEXT REFERENCES shared_chats (id) ON DELETE SET NULL,
    artifact_id    TEXT NOT NULL,
    filename       TEXT NOT NULL,
    bytes          BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    leased_until   BIGINT,
    UNIQUE (shared_chat_id, artifact_id)
);
CREATE INDEX artifacts_of_nobody ON artifacts (leased_until) WHERE shared_chat_id IS NULL;
