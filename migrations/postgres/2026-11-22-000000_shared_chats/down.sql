DROP TABLE idempotency_keys;
DROP TABLE chats;
DROP TABLE snapshots;
DROP TABLE shared_chats;
