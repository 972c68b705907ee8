CREATE INDEX shared_chats_expiry ON shared_chats (expires_at) WHERE expires_at IS NOT NULL;
DROP INDEX shared_chats_expiry_id;
