DROP TABLE link_activity;
DROP TABLE audit_records;
