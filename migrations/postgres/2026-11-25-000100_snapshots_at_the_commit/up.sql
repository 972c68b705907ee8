-- A link and its snapshot are inserted at once, in whichever order they arrive: whether the link is there is looked at
-- when they are committed.
ALTER TABLE snapshots ALTER CONSTRAINT snapshots_shared_chat_id_fkey DEFERRABLE INITIALLY DEFERRED;
