-- Times are microseconds since 1970 in UTC.

CREATE TABLE shared_chats (
    id                 TEXT PRIMARY KEY,
    chat_session_id    TEXT,
    owner_id           TEXT,
    name               TEXT,
    name_folded        TEXT NOT NULL,
    shared_by          TEXT,
    label              TEXT,
    is_private         BOOLEAN NOT NULL,
    is_frozen          BOOLEAN NOT NULL,
    is_legacy          BOOLEAN NOT NULL,
    includes_artifacts BOOLEAN NOT NULL,
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL,
    expires_at         BIGINT,
    revision           BIGINT NOT NULL,
    -- Only a link from the old system has no owner.
    CHECK (is_legacy = (owner_id IS NULL))
);
CREATE INDEX shared_chats_owner_created ON shared_chats (owner_id, created_at, id);
CREATE INDEX shared_chats_owner_name ON shared_chats (owner_id, name_folded, id);
CREATE INDEX shared_chats_chat ON shared_chats (chat_session_id);
CREATE INDEX shared_chats_expiry ON shared_chats (expires_at) WHERE expires_at IS NOT NULL;

-- What a frozen link shows: the messages as JSON, compressed once (zstd) and never changed.
CREATE TABLE snapshots (
    shared_chat_id TEXT PRIMARY KEY REFERENCES shared_chats (id) ON DELETE CASCADE,
    messages       BLOB NOT NULL,
    files          TEXT NOT NULL
);

-- One row for each chat that was ever shared or deleted. A create and a deletion of the same chat
-- both write its row first, so that they take turns; deleted_at is the tombstone.
CREATE TABLE chats (
    chat_session_id TEXT PRIMARY KEY,
    deleted_at      BIGINT
);
CREATE INDEX chats_deleted ON chats (deleted_at) WHERE deleted_at IS NOT NULL;

-- No foreign key: a key outlives its link, so that it is not used for another one.
CREATE TABLE idempotency_keys (
    caller_id      TEXT NOT NULL,
    owner_id       TEXT NOT NULL,
    key            TEXT NOT NULL,
    request_hash   BLOB NOT NULL,
    shared_chat_id TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (caller_id, owner_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
