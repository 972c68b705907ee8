"""Databases of the benchmark's own, one for each binary, filled with copies of a few links."""

import os
import sqlite3
import subprocess
import sys
from urllib.parse import urlsplit, urlunsplit

from .workloads import OF_ONE_OWNER

SERVER = os.environ.get("BENCH_DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/test"


def psql(url, sql):
    """Runs SQL, and returns the lines that it printed."""
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url]
    done = subprocess.run(command, input=sql, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"psql: {done.stderr}")
    return done.stdout.splitlines()


class Postgres:
    """A database beside the one that `BENCH_DATABASE_URL` names, on the same server."""

    kind = "PostgreSQL"
    earlier = "created_at - made.n * interval '1 second'"

    def __init__(self, name):
        # Runs at the same time have databases of their own.
        self.name = f"shared_chats_bench_{name}_{os.getpid()}"
        self.url = urlunsplit(urlsplit(SERVER)._replace(path="/" + self.name))
        self.drop()
        psql(SERVER, f'CREATE DATABASE "{self.name}"')

    def drop(self):
        psql(SERVER, f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    def columns(self, table):
        return psql(self.url, f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'")

    def fill(self, rows, statements):
        made = "\n".join("\t".join(str(value) for value in row) for row in rows)
        psql(
            self.url,
            "CREATE TEMP TABLE made (n bigint, id text, template bigint, owner text, private boolean);\n"
            f"COPY made FROM STDIN;\n{made}\n\\.\nANALYZE made;\n" + ";\n".join(statements) + ";\nVACUUM ANALYZE;\nCHECKPOINT;",
        )


class Sqlite:
    """A file in the folder of the run."""

    kind = "SQLite"
    earlier = "created_at - made.n * 1000000"

    def __init__(self, folder):
        self.path = folder / "links.db"
        self.url = f"sqlite:{self.path}"

    def drop(self):
        """It goes with its folder."""

    def columns(self, table):
        with sqlite3.connect(self.path) as connection:
            return [column[1] for column in connection.execute(f"PRAGMA table_info({table})")]

    def fill(self, rows, statements):
        connection = sqlite3.connect(self.path)
        connection.execute("CREATE TEMP TABLE made (n, id, template, owner, private)")
        connection.executemany("INSERT INTO made VALUES (?, ?, ?, ?, ?)", rows)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()


def copy_links(database, links):
    """Copies the links that the service made, by turns, under the ids that the requests name."""
    templates = len(links.templates)
    rows = [
        (n, id, n % templates, f"owner-{n // OF_ONE_OWNER}", int(n >= len(links.all)))
        for n, id in enumerate(links.all + links.private)
    ]
    changed = {
        "id": "made.id", "shared_chat_id": "made.id", "owner_id": "made.owner", "is_private": "made.private",
        "created_at": database.earlier,
    }
    values = ", ".join(f"({n}, '{id}')" for n, id in enumerate(links.templates))
    statements = []
    for table, key in [("shared_chats", "id"), ("snapshots", "shared_chat_id")]:
        columns = database.columns(table)
        taken = ", ".join(changed.get(column, f"source.{column}") for column in columns)
        statements.append(
            f"WITH templates (number, link) AS (VALUES {values}) "
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {taken} FROM made "
            f"JOIN templates ON templates.number = made.template JOIN {table} AS source ON source.{key} = link"
        )
    database.fill(rows, statements)


def postgres_version():
    """Empty where no server answers."""
    command = ["psql", "-X", "-q", "-A", "-t", SERVER, "-c", "SHOW server_version"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.split()[0] if done.returncode == 0 else ""
