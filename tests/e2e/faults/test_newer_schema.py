"""An old binary beside a newer schema, as while a deployment rolls: migrations only add, so it goes on working."""

import sqlite3
import time

import psycopg

from faults.recording import Recording
from faults.verify import rows, verify

VERSION = "29991231235959"
# What a later version might add: a column that may be null, another with a default, a table, an index.
LATER = [
    "ALTER TABLE shared_chats ADD COLUMN colour TEXT",
    "ALTER TABLE shared_chats ADD COLUMN weight INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE snapshots ADD COLUMN summary TEXT",
    "ALTER TABLE idempotency_keys ADD COLUMN origin TEXT",
    "CREATE TABLE later (shared_chat_id TEXT PRIMARY KEY REFERENCES shared_chats (id) ON DELETE CASCADE)",
    "CREATE INDEX later_colours ON shared_chats (colour)",
    f"INSERT INTO __diesel_schema_migrations (version, run_on) VALUES ('{VERSION}', CURRENT_TIMESTAMP)",
]


def migrate(database_url):
    if database_url.startswith("sqlite:"):
        connection = sqlite3.connect(database_url.removeprefix("sqlite:"), timeout=60)
    else:
        # One by one: several tables locked at once would wait for writers that wait for them.
        connection = psycopg.connect(database_url, autocommit=True)
    for statement in LATER:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_an_old_binary_works_beside_a_newer_schema(databases, start, own_chats):
    database_url = databases.new()
    running = start(database_url)
    with Recording(lambda: running.url, own_chats, writers=2) as recording:
        time.sleep(0.3)
        migrate(database_url)
        time.sleep(0.5)
    assert (failed := [answer for answer in recording.answers if not answer.is_good]) == [], failed[:3]
    verify(recording, running.url, database_url)
    # It starts there as well, and leaves what it does not know alone.
    beside = start(database_url)
    with Recording(lambda: beside.url, own_chats, writers=2) as recording:
        time.sleep(0.3)
    verify(recording, running.url, database_url)
    assert rows(database_url, f"SELECT count(*) FROM __diesel_schema_migrations WHERE version = '{VERSION}'") == [(1,)]
