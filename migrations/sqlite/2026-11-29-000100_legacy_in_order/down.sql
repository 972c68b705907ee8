DROP INDEX shared_chats_legacy;
