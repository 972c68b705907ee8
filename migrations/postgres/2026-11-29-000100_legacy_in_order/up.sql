-- An administrator's inventory of legacy links, in the order of their ids. Legacy links are
-- few, so the index is partial.
CREATE INDEX shared_chats_legacy ON shared_chats (id) WHERE is_legacy;
