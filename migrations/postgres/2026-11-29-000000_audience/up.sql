-- Whom a private link admits: a JSON array; null is every signed-in user.
ALTER TABLE shared_chats ADD COLUMN audience TEXT;
-- A list's page finds the audiences of its rows here, since the indexes of lists do not hold them.
CREATE UNIQUE INDEX shared_chats_with_audience ON shared_chats (id) WHERE audience IS NOT NULL;
