-- A snapshot of a few KiB is stored in its row, so that a view reads it without the TOAST table. It holds for snapshots
-- that are made from now on.
ALTER TABLE snapshots SET (toast_tuple_target = 8160);
