-- Text keys compare byte for byte (COLLATE "C"), as they do in SQLite.

CREATE TABLE shared_chats (
    id                 TEXT COLLATE "C" PRIMARY KEY,
    chat_session_id    TEXT COLLATE "C",
    owner_id           TEXT COLLATE "C",
    name               TEXT,
    name_folded        TEXT COLLATE "C" NOT NULL,
    shared_by          TEXT,
    label              TEXT,
    is_private         BOOLEAN NOT NULL,
    is_frozen          BOOLEAN NOT NULL,
    is_legacy          BOOLEAN NOT NULL,
    includes_artifacts BOOLEAN NOT NULL,
    created_at         TIMESTAMPTZ NOT NULL,
    updated_at         TIMESTAMPTZ NOT NULL,
    expires_at         TIMESTAMPTZ,
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
    shared_chat_id TEXT COLLATE "C" PRIMARY KEY REFERENCES shared_chats (id) ON DELETE CASCADE,
    messages       BYTEA NOT NULL,
    files          TEXT NOT NULL
);
ALTER TABLE snapshots ALTER COLUMN messages SET STORAGE EXTERNAL;

-- One row for each chat that was ever shared or deleted. A create and a deletion of the same chat
-- both write its row first, so that they take turns; deleted_at is the tombstone.
CREATE TABLE chats (
    chat_session_id TEXT COLLATE "C" PRIMARY KEY,
    deleted_at      TIMESTAMPTZ
);
CREATE INDEX chats_deleted ON chats (deleted_at) WHERE deleted_at IS NOT NULL;

-- No foreign key: a key outlives its link, so that it is not used for another one.
CREATE TABLE idempotency_keys (
    caller_id      TEXT COLLATE "C" NOT NULL,
    owner_id       TEXT COLLATE "C" NOT NULL,
    key            TEXT COLLATE "C" NOT NULL,
    request_hash   BYTEA NOT NULL,
    shared_chat_id TEXT COLLATE "C" NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (caller_id, owner_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
