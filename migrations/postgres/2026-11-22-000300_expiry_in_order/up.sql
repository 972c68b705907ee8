-- The sweep goes through expired links page by page, in the order of their ends and, as many may end
-- at the same moment, of their ids.
CREATE INDEX shared_chats_expiry_id ON shared_chats (expires_at, id) WHERE expires_at IS NOT NULL;
DROP INDEX shared_chats_expiry;
