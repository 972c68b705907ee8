CREATE INDEX shared_chats_owner_filtered ON shared_chats
    (owner_id, created_at, id, expires_at, is_private, is_frozen, chat_session_id, name_folded);
DROP INDEX shared_chats_owner_page;
CREATE INDEX shared_chats_owner_name ON shared_chats (owner_id, name_folded, id);
DROP INDEX shared_chats_owner_name_page;
