-- An entry of an index has at most 2,704 bytes, and a folded name may be longer. The index has its beginning, at most
-- 800 bytes beside an owner's 1,020; lists sort links with the same beginning by the whole names.
CREATE INDEX shared_chats_owner_name_beginning ON shared_chats (owner_id, left(name_folded, 200));
DROP INDEX shared_chats_owner_name;
