-- An owner's links lie all over a large table, and each that is looked up there is a read of the file: names and
-- chats are compared within the index, so that only what is shown is looked up.
CREATE INDEX shared_chats_owner_filtered ON shared_chats
    (owner_id, created_at, id, expires_at, is_private, is_frozen, chat_session_id, name_folded);
DROP INDEX shared_chats_owner_listed;
