"""Issue 4, 4: an owner's list in a table of 10,000 links and in one of 1,000,000."""

import json
import re
import sqlite3

from . import databases as kinds
from .load import Target, alternate
from .programs import BINARY, Program
from .results import disturbed, row
from .scene import LINKS

PAGE = 100
OWN = 100
CHATS_OF_ONE = 20
SMALL, LARGE, WHALE = 10_000, 1_000_000, 100_000
PEOPLE = 50

# For one link, numbered n: whose it is, and what it is called.
WORDS = "quarterly report migration budget holiday recipe garden telescope invoice harbour".split()

ASK = """
local tokens, paths = { %s }, { %s }
local next = 0
function request()
    next = next %% #tokens + 1
    return wrk.format("GET", paths[next], {["Authorization"] = tokens[next]})
end
"""

QUERIES = {
    "page of 100": "limit=100",
    "name_filter": "limit=100&name_filter=harbour",
    "filter_type=private": "limit=100&filter_type=private",
    "chat_session_id": "limit=100&chat_session_id=chat-{chat}",
    "sort=name": "limit=100&sort=name",
}


def measure(scene, databases):
    rows, notes = [], []
    quick = scene.options.quick
    sizes = (2_000, 20_000, 5_000) if quick else (SMALL, LARGE, WHALE)
    for database in databases:
        small = same_kind(database, scene, "small")
        try:
            fill(scene, small, sizes[0], 0)
            fill(scene, database, sizes[1], sizes[2])
            with scene.service(small, "small") as few, scene.service(database, "large") as many:
                rows += flat(scene, database, few, many, sizes, notes)
                rows += to_the_end(scene, database, many, sizes[2], notes)
            plans = explain(database)
            scans = [name for name, plan in plans.items() if re.search(r"Seq Scan|\bSCAN\b", plan)]
            rows.append(
                row(f"{database.kind}: plans that read a whole table", ", ".join(scans) or "none", goal="none",
                    met=not scans)
            )
            notes += [f"{database.kind}, {name}: `{plan}`" for name, plan in plans.items()]
        finally:
            small.drop()
    return rows, notes


def same_kind(database, scene, name):
    if database.kind == "SQLite":
        return kinds.Sqlite(scene.folder, name)
    return kinds.Postgres(f"{kinds.NAME}_{name}")


def flat(scene, database, few, many, sizes, notes):
    """The same page in both tables, one request at a time, so that p50 is what one takes."""
    owners = [number * (sizes[0] // OWN // PEOPLE) for number in range(PEOPLE)]
    far = [number * (sizes[1] // OWN // PEOPLE) + 7 for number in range(PEOPLE)]
    rows = []
    for name, query in QUERIES.items():
        targets = [
            asking(scene, f"{name}, {size:,} links", service, whose, query)
            for size, service, whose in ((sizes[0], few, owners), (sizes[1], many, far))
        ]
        measured = alternate(targets, scene.options)
        short, long = (measured[target.name] for target in targets)
        ratio = long.p50 / short.p50
        rows.append(
            row(f"{database.kind}: {name}, p50 at {sizes[1]:,} links beside {sizes[0]:,}", f"{long.p50:.2f} ms",
                f"{short.p50:.2f} ms", ratio, "≤ 1.20", ratio <= 1.2)
        )
        notes += [f"{database.kind}, {name}: {note}" for note in [disturbed(measured)] if note]
    return rows


def asking(scene, name, service, owners, query):
    """One client that asks as each of the owners in turn."""
    tokens = [f"Bearer {scene.provider.token(f'owner-{owner}')}" for owner in owners]
    paths = [f"{LINKS}?{query.format(chat=owner * CHATS_OF_ONE)}" for owner in owners]
    script = scene.folder / f"list-{len(list(scene.folder.glob('list-*')))}.lua"
    quoted = lambda texts: ", ".join(json.dumps(text) for text in texts)
    script.write_text(ASK % (quoted(tokens), quoted(paths)) + Target("", "").script.read_text())
    status, fields, body = service.request("GET", paths[0], Authorization=tokens[0])
    assert status == 200 and json.loads(body), (name, status, body[:200])
    return Target(name, service.url + LINKS, script=script, connections=1)


def to_the_end(scene, database, service, count, notes):
    """The first, middle and last page of somebody with very many links, and a walk along `next`."""
    token = {"Authorization": f"Bearer {scene.provider.token('whale')}"}
    page = lambda name, query: Target(name, f"{service.url}{LINKS}?limit={PAGE}{query}", token, connections=1)
    last = last_page(service, token)
    targets = [
        page("first page", ""),
        Target("last page", service.url + last, token, connections=1),
        page("first page, name_filter", "&name_filter=harbour"),
    ]
    measured = alternate(targets, scene.options)
    first, end, filtered = (measured[target.name] for target in targets)
    ratio = end.p50 / first.p50
    notes += [f"{database.kind}, last page: {note}" for note in [disturbed(measured)] if note]
    return [
        row(f"{database.kind}: last page of {count:,} links beside the first", f"{end.p50:.2f} ms",
            f"{first.p50:.2f} ms", ratio, "≤ 3.00", ratio <= 3),
        row(f"{database.kind}: name_filter over {count:,} links", f"{filtered.p50:.2f} ms", f"{first.p50:.2f} ms",
            filtered.p50 / first.p50),
    ]


def last_page(service, token):
    """Where the list's own `next` links lead in the end: in long steps, then in pages of 100."""
    path = f"{LINKS}?limit=1000"
    while (onward := next_page(service, token, path)) is not None:
        path = onward
    path = path.replace("limit=1000", f"limit={PAGE}")
    while (onward := next_page(service, token, path)) is not None:
        path = onward
    return path


def next_page(service, token, path):
    status, fields, _ = service.request("GET", path, **token)
    assert status == 200, (path, status)
    link = next((value for name, value in fields if name.lower() == "link"), "")
    found = re.search(r'<([^>]*)>;\s*rel="next"', link)
    return found[1][found[1].index("/api/"):] if found else None


def fill(scene, database, count, whale):
    """Links straight into the tables: owners with 100 each, and one with `whale`."""
    settings = scene.settings(database)
    Program.run([BINARY, "migrate"], settings)
    total = count + whale
    if database.kind == "SQLite":
        numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {total})"
        id = "lower(hex(randomblob(18)))"
        moment = "1760000000000000 + n * 1000000"
        word = lambda which: "CASE ({0}) % 10 {1} END".format(
            which, " ".join(f"WHEN {at} THEN '{text}'" for at, text in enumerate(WORDS)))
    else:
        numbers = f"WITH numbers AS (SELECT n FROM generate_series(0, {total - 1}) AS n)"
        id = "gen_random_uuid()::text"
        moment = "timestamptz '2025-10-09' + n * interval '1 second'"
        word = lambda which: f"(ARRAY{WORDS})[({which}) % 10 + 1]"
    # Everybody makes one link after the other, so that what one owner has lies all over the table.
    owners = count // OWN
    is_usual = f"n < {count}"
    made = f"(CASE WHEN {is_usual} THEN n / {owners} ELSE n - {count} END)"
    owner = f"CASE WHEN {is_usual} THEN 'owner-' || (n % {owners}) ELSE 'whale' END"
    chat = (
        f"CASE WHEN {is_usual} THEN 'chat-' || (n % {owners} * {CHATS_OF_ONE} + {made} % {CHATS_OF_ONE}) "
        f"ELSE 'whale-' || ({made} / 5) END"
    )
    name = f"{word(f'n + {made}')} || ' ' || n || ' of the ' || {word('n')} || ' plan'"
    insert = f"""
        INSERT INTO shared_chats (id, chat_session_id, owner_id, name, name_folded, shared_by, label, is_private,
            is_frozen, is_legacy, includes_artifacts, created_at, updated_at, expires_at, revision)
        {numbers}
        SELECT {id}, {chat}, {owner}, {name}, {name}, 'Bench', NULL, {made} % 3 = 0, {made} % 5 <> 0,
            FALSE, FALSE, {moment}, {moment}, NULL, 1 FROM numbers;"""
    if database.kind == "SQLite":
        with sqlite3.connect(database.path) as connection:
            connection.executescript("PRAGMA synchronous = OFF;" + insert)  # Nothing that anybody would miss.
        connection.close()
    else:
        database.run(insert + "\nVACUUM ANALYZE shared_chats;")


SELECTED = (
    "SELECT id, chat_session_id, owner_id, name, name_folded, shared_by, label, is_private, is_frozen, is_legacy, "
    "includes_artifacts, created_at, updated_at, expires_at, revision FROM shared_chats WHERE owner_id = 'owner-7' "
    "AND (expires_at IS NULL OR expires_at > {now})"
)
NEWEST = " ORDER BY created_at DESC, id DESC LIMIT 100 OFFSET 0"
EXPLAINED = {
    "page": SELECTED + NEWEST,
    "count": "SELECT count(*) FROM shared_chats WHERE owner_id = 'owner-7' AND (expires_at IS NULL OR expires_at > {now})",
    "name_filter": SELECTED + " AND name_folded LIKE '%harbour%' ESCAPE '\\'" + NEWEST,
    "filter_type=private": SELECTED + " AND is_private = TRUE" + NEWEST,
    "chat_session_id": SELECTED + " AND chat_session_id = 'chat-141'" + NEWEST,
    "sort=name": SELECTED + " ORDER BY name_folded ASC, id ASC LIMIT 100 OFFSET 0",
    "last page": SELECTED.replace("owner-7", "whale") + NEWEST.replace("OFFSET 0", "OFFSET 99900"),
}


def explain(database):
    """How each kind of list is found, in one line each."""
    plans = {}
    for name, query in EXPLAINED.items():
        if database.kind == "SQLite":
            with sqlite3.connect(database.path) as connection:
                lines = [line[3] for line in connection.execute("EXPLAIN QUERY PLAN " + query.format(now=0))]
        else:
            text = database.run("EXPLAIN (COSTS OFF) " + query.format(now="now()") + ";")
            lines = [line.strip().removeprefix("->").strip() for line in text.splitlines()]
            lines = [line for line in lines if not line.startswith(("Filter:", "Sort Key:", "Index Cond:", "Recheck"))]
        plans[name] = " / ".join(lines)
    return plans
