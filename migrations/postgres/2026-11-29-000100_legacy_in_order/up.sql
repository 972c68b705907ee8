-- An administrator's inventory of legacy links, in the order of their ids: few or none of many links.
CREATE INDEX shared_chats_legacy ON shared_chats (id) WHERE is_legacy;
