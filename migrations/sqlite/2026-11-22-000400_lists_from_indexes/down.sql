CREATE INDEX shared_chats_owner_created ON shared_chats (owner_id, created_at, id);
DROP INDEX shared_chats_owner_listed;
