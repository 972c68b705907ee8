-- The bytes that are kept of frozen links' files. A row stands from before the object is written
-- until after it was deleted. One without a link is an unfinished copy while leased_until holds a
-- moment, and waste without one; deleting a link makes waste of its rows.
CREATE TABLE artifacts (
    object_key     TEXT COLLATE "C" PRIMARY KEY,
    shared_chat_id TEXT COLLATE "C" REFERENCES shared_chats (id) ON DELETE SET NULL,
    artifact_id    TEXT COLLATE "C" NOT NULL,
    filename       TEXT NOT NULL,
    bytes          BIGINT NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    leased_until   TIMESTAMPTZ,
    UNIQUE (shared_chat_id, artifact_id)
);
CREATE INDEX artifacts_of_nobody ON artifacts (leased_until) WHERE shared_chat_id IS NULL;
