-- An owner's links lie all over a large table, and each that is looked up there is a read of the file. A list reads
-- its index alone: both hold all that a list shows, in the order that it goes by, so what is read lies side by side.
CREATE INDEX shared_chats_owner_page ON shared_chats
    (owner_id, created_at, id, expires_at, is_private, is_frozen, chat_session_id, name_folded, name, shared_by, label,
     is_legacy, includes_artifacts, updated_at, revision);
DROP INDEX shared_chats_owner_filtered;

CREATE INDEX shared_chats_owner_name_page ON shared_chats
    (owner_id, name_folded, id, expires_at, is_private, is_frozen, chat_session_id, name, shared_by, label,
     is_legacy, includes_artifacts, created_at, updated_at, revision);
DROP INDEX shared_chats_owner_name;
