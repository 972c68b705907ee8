ALTER TABLE snapshots RESET (toast_tuple_target);
