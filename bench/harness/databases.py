"""Databases of the benchmark's own: files, and a PostgreSQL database that is dropped again."""

import os
import subprocess
import sys
from urllib.parse import urlsplit, urlunsplit

SERVER = os.environ.get("BENCH_DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/test"
NAME = "shared_chats_bench"


def psql(url, sql, *options):
    """Runs SQL, and returns what it printed, unadorned."""
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *options, url]
    done = subprocess.run(command, input=sql, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"psql: {done.stderr}")
    return done.stdout.strip()


class Postgres:
    """A database beside the one that `BENCH_DATABASE_URL` names, on the same server."""

    kind = "PostgreSQL"

    def __init__(self, name=NAME):
        self.name = name
        self.url = urlunsplit(urlsplit(SERVER)._replace(path="/" + name))
        self.version = psql(SERVER, "SHOW server_version").split()[0]
        self.drop()
        psql(SERVER, f'CREATE DATABASE "{name}"')

    def drop(self):
        psql(SERVER, f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    def run(self, sql):
        return psql(self.url, sql)


class Sqlite:
    """A file in the folder of the run."""

    kind = "SQLite"

    def __init__(self, folder, name="bench"):
        self.path = folder / f"{name}.db"
        self.url = f"sqlite:{self.path}"

    def drop(self):
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def is_there():
    command = ["psql", "-X", "-q", "-A", "-t", SERVER, "-c", "SHOW server_version"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.split()[0] if done.returncode == 0 else ""
