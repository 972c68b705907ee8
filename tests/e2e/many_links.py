"""Thousands of links in no time: copies of one that the service made."""

import sqlite3
import uuid
from contextlib import closing
from datetime import timedelta

import psycopg

FIRST = "0000"


def many_links(service, owner, chats, count):
    """Links `Many 0000`, `Many 0001` … of an owner, each a minute older than the one before. Gives their ids."""
    first = service.http(owner).share(chats.new_chat(owner.sub, f"Many {FIRST}"))["id"]
    database = service.settings["DATABASE_URL"]
    if database.startswith("sqlite:"):
        with closing(sqlite3.connect(database.removeprefix("sqlite:"), timeout=30)) as connection, connection:
            copies = _copy(connection.cursor(), first, count, "?")
    else:
        with psycopg.connect(database) as connection, connection.cursor() as cursor:
            copies = _copy(cursor, first, count, "%s")
    return [first, *copies]


def _copy(cursor, first, count, mark):
    cursor.execute(f"SELECT * FROM shared_chats WHERE id = {mark}", (first,))
    columns = [column[0] for column in cursor.description]
    link = dict(zip(columns, cursor.fetchone()))
    # SQLite has microseconds.
    minute = 60_000_000 if isinstance(link["created_at"], int) else timedelta(minutes=1)
    rows = []
    for number in range(1, count):
        names = {name: link[name].replace(FIRST, f"{number:04}") for name in ("name", "name_folded")}
        created_at = link["created_at"] - minute * number
        rows.append({**link, **names, "id": str(uuid.uuid4()), "created_at": created_at})
    marks = ", ".join([mark] * len(columns))
    cursor.executemany(
        f"INSERT INTO shared_chats ({', '.join(columns)}) VALUES ({marks})", [tuple(row.values()) for row in rows]
    )
    return [row["id"] for row in rows]
