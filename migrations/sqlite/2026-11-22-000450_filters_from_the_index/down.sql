CREATE INDEX shared_chats_owner_listed ON shared_chats
    (owner_id, created_at, id, expires_at, is_private, is_frozen);
DROP INDEX shared_chats_owner_filtered;
