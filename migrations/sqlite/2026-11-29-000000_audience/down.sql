DROP INDEX shared_chats_with_audience;
ALTER TABLE shared_chats DROP COLUMN audience;
