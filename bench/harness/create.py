"""Issue 4, 3: links that are made beside bare inserts of the same rows at the same durability."""

import json
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import time
import uuid

from . import chats
from .load import Target, say, summary, wrk
from .machine import Others
from .programs import BENCH, Program
from .results import disturbed, rate, row, times
from .scene import LINKS, OWNER

# As many as a group commit of the service's writer takes.
GROUP = 128
CHATS = 500
CLIENTS = 32

POST = """
local next = 0
function request()
    next = next %% %d + 1
    return wrk.format("POST", nil, nil, '{"chat_session_id": "chat-' .. next .. '"}')
end
"""

# What the service sends for a frozen link without an idempotency key, statement by statement.
CHAT = (
    "INSERT INTO chats (chat_session_id) VALUES ({chat}) ON CONFLICT (chat_session_id) DO UPDATE SET deleted_at = NULL "
    "WHERE chats.deleted_at IS NULL OR chats.deleted_at <= {now}"
)
LINK = (
    "INSERT INTO shared_chats (id, chat_session_id, owner_id, name, name_folded, shared_by, label, is_private, "
    "is_frozen, is_legacy, includes_artifacts, created_at, updated_at, expires_at, revision) VALUES "
    "({id}, {chat}, {owner}, {name}, {name}, {name}, NULL, FALSE, TRUE, FALSE, FALSE, {now}, {now}, NULL, 1)"
)
SNAPSHOT = "INSERT INTO snapshots (shared_chat_id, messages, files) VALUES ({id}, {messages}, '[]')"
AUDIT = (
    "INSERT INTO audit_records (at, id, actor_kind, actor_id, action, result, link, chat, client, request_id, times, detail) "
    "VALUES ({now}, {tie}, 'user', {owner}, 'create', 'ok', {short}, {short}, '127.0.0.1', {id}, 1, {detail})"
)
STATEMENTS = (CHAT, LINK, AUDIT, SNAPSHOT)
# With spaces: pgbench takes what follows a colon for a variable.
DETAIL = '{"is_private": false, "is_frozen": true, "includes_artifacts": false, "expires_at": null}'


def measure(scene, databases):
    file = scene.folder / "create.json"
    made = [chats.chat(f"chat-{number}", OWNER, 20, 8000, seed=number) for number in range(1, CHATS + 1)]
    chats.write(file, made)
    script = scene.folder / "create.lua"
    script.write_text(POST % CHATS + Target("", "").script.read_text())
    messages = scene.folder / "messages.json"
    messages.write_text(json.dumps(made[0]["messages"]))
    rows, notes = [], []
    with Program([BENCH, "chats", messages], {}, scene.log("chats")) as chat_service:
        for database in databases:
            rows_of, notes_of = on(scene, database, f"file:{file}", chat_service.url, script)
            rows += rows_of
            notes += notes_of
    return rows, notes


def on(scene, database, file, http, script):
    measured = {}
    headers = {**scene.authorization, "Content-Type": "application/json"}
    with (
        scene.service(database, CHAT_SERVICE_URL=file) as from_file,
        scene.service(database, "over-http", CHAT_SERVICE_URL=http) as over_http,
    ):
        scene.share(from_file, "chat-1")
        stored = first_row(database)
        bare = BareSqlite(scene, stored) if database.kind == "SQLite" else BarePostgres(scene, database, stored)
        takes = {
            "create": lambda seconds: wrk(Target("create", from_file.url + LINKS, headers, script), seconds),
            "create over HTTP": lambda seconds: wrk(Target("over HTTP", over_http.url + LINKS, headers, script), seconds),
            **bare.ways,
        }
        runs = {name: [] for name in takes}
        for name, take in takes.items():
            take(2)
        for turn in range(scene.options.runs):
            for name, take in takes.items():
                others = Others()
                result = {**take(scene.options.seconds), "others": others.share()}
                runs[name].append(result)
                say(f"{turn + 1}/{scene.options.runs} {database.kind} {name:<40} "
                    f"{result['requests'] / result['seconds']:>9,.0f}/s  others {result['others']:.0%}")
    measured = {name: summary(results) for name, results in runs.items()}
    seen, kind = measured["create"], database.kind
    rows = []
    for name in bare.ways:
        ratio = seen.rate / measured[name].rate
        goal = name == bare.goal
        rows.append(
            row(f"{kind}: chats from a file, beside {name}", times(seen), rate(measured[name].rate), ratio,
                "≥ 0.50" if goal else "", ratio >= 0.5 if goal else None)
        )
    over = measured["create over HTTP"]
    rows.append(row(f"{kind}: chats from a service on loopback", times(over), times(seen), over.rate / seen.rate))
    return rows, [f"{kind}: {note}" for note in [disturbed(measured)] if note]


def first_row(database):
    """What the first link is made of, so that the bare rows are as large."""
    columns = "owner_id, name, hex(messages)" if database.kind == "SQLite" else "owner_id, name, encode(messages, 'hex')"
    query = f"SELECT {columns} FROM shared_chats JOIN snapshots ON shared_chat_id = id WHERE chat_session_id = 'chat-1'"
    if database.kind == "SQLite":
        with sqlite3.connect(database.path) as connection:
            return connection.execute(query).fetchone()
    return database.run(query + " LIMIT 1;").split("|")


class BareSqlite:
    """One connection with the service's pragmas, on a file of its own with the service's tables."""

    goal = f"{GROUP} rows a transaction"

    def __init__(self, scene, stored):
        self.path = scene.folder / "bare.db"
        source = sqlite3.connect(scene.folder / "bench.db")
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;")
        for (sql,) in source.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"):
            self.connection.execute(sql)
        source.close()
        self.owner, self.name, messages = stored
        self.messages = bytes.fromhex(messages)
        self.made = 0
        self.ways = {
            "one transaction a row": lambda seconds: self.loop(seconds, 1),
            self.goal: lambda seconds: self.loop(seconds, GROUP),
        }

    def loop(self, seconds, group):
        fields = {"chat": ":chat", "now": ":now", "id": ":id", "owner": ":owner", "name": ":name", "messages": ":messages",
                  "tie": ":tie", "short": ":short", "detail": ":detail"}
        statements = [statement.format(**fields) for statement in STATEMENTS]
        begun, done, longest = time.perf_counter(), 0, []
        while time.perf_counter() < begun + seconds:
            before = time.perf_counter()
            self.connection.execute("BEGIN IMMEDIATE")
            for _ in range(group):
                self.made += 1
                values = {
                    "id": str(uuid.uuid4()), "chat": f"chat-{self.made % CHATS + 1}", "owner": self.owner,
                    "name": self.name, "now": time.time_ns() // 1000, "messages": self.messages,
                    "tie": random.getrandbits(63), "short": f"{random.getrandbits(64):016x}", "detail": DETAIL,
                }
                for statement in statements:
                    self.connection.execute(statement, values)
            self.connection.execute("COMMIT")
            done += group
            longest.append((time.perf_counter() - before) * 1e6)
        return as_wrk(done, time.perf_counter() - begun, longest)


class BarePostgres:
    """`pgbench` with as many clients as the load has connections, on the service's own tables."""

    goal = "pgbench, the same statements"

    def __init__(self, scene, database, stored):
        self.database = database
        self.owner, self.name, self.messages = stored
        fields = {
            "chat": "'chat-' || :chat::bigint", "now": "now()", "owner": f"'{self.owner}'", "name": f"'{self.name}'",
            "messages": ":messages::bytea",
            # As long as a UUID; pgbench makes numbers alone.
            "id": "lpad(to_hex(:a::bigint), 18, '0') || lpad(to_hex(:b::bigint), 18, '0')",
            "tie": ":a::bigint", "short": "lpad(to_hex(:b::bigint), 16, '0')", "detail": f"'{DETAIL}'",
        }
        statements = [statement.format(**fields) for statement in STATEMENTS]
        prologue = (
            f"\\set chat random(1, {CHATS})\n"
            "\\set a random(0, 9223372036854775806)\n\\set b random(0, 9223372036854775806)\n"
        )
        self.script = scene.folder / "insert.sql"
        self.script.write_text(prologue + "BEGIN;\n" + ";\n".join(statements) + ";\nCOMMIT;\n")
        self.ways = {self.goal: lambda seconds: self.pgbench(self.script, seconds)}

    def pgbench(self, script, seconds):
        command = [
            "pgbench", "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds),
            "-D", f"messages=\\x{self.messages}", "-f", str(script), self.database.url,
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or "tps = " not in done.stdout:
            sys.exit(f"pgbench: {done.stdout[-800:]}{done.stderr[-800:]}")
        tps = float(re.search(r"tps = ([\d.]+)", done.stdout)[1])
        latency = float(re.search(r"latency average = ([\d.]+) ms", done.stdout)[1])
        failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
        assert not failed or failed[1] == "0", done.stdout
        return as_wrk(tps * seconds, seconds, [latency * 1000])


def as_wrk(requests, seconds, microseconds):
    quantiles = statistics.quantiles(microseconds, n=100) if len(microseconds) > 1 else microseconds * 99
    return {"requests": requests, "seconds": seconds, "bytes": 0, "p50": quantiles[49], "p99": quantiles[98]}
