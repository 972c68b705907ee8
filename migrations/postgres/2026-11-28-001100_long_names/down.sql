CREATE INDEX shared_chats_owner_name ON shared_chats (owner_id, name_folded, id);
DROP INDEX shared_chats_owner_name_beginning;
