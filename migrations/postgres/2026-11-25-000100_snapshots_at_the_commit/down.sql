ALTER TABLE snapshots ALTER CONSTRAINT snapshots_shared_chat_id_fkey NOT DEFERRABLE;
