"""What must be true of a service and its database, after whatever befell them.

`verify` looks at every link of a recording, and at what no client can see: rows without what belongs to them.
"""

import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import requests

from conftest import Http, eventually, link_path
from faults.recording import ABSENT, DELETED, LINKS

# What a half-made link would leave behind.
HALF_MADE = {
    "frozen links without a snapshot": """SELECT id FROM shared_chats WHERE is_frozen
        AND NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.shared_chat_id = shared_chats.id)""",
    "snapshots without a link": """SELECT shared_chat_id FROM snapshots
        WHERE NOT EXISTS (SELECT 1 FROM shared_chats s WHERE s.id = snapshots.shared_chat_id)""",
    "links without their chat's row": """SELECT id FROM shared_chats WHERE chat_session_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM chats c WHERE c.chat_session_id = shared_chats.chat_session_id)""",
    "files of links that are not there": """SELECT object_key FROM artifacts WHERE shared_chat_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM shared_chats s WHERE s.id = artifacts.shared_chat_id)""",
}
KEYS_WITHOUT_LINK = """SELECT caller_id, shared_chat_id FROM idempotency_keys
    WHERE NOT EXISTS (SELECT 1 FROM shared_chats s WHERE s.id = idempotency_keys.shared_chat_id)"""
CHATS_WITH_LINKS = "SELECT chat_session_id FROM shared_chats"
# A service with a short DATABASE_TIMEOUT may answer 503 on a loaded machine whenever it is asked: then it is asked again.
PATIENCE_SECONDS = 60


def rows(database_url, sql):
    """What the database itself says."""
    if database_url.startswith("sqlite:"):
        connection = sqlite3.connect(f"file:{database_url.removeprefix('sqlite:')}?mode=ro", uri=True, timeout=60)
    else:
        connection = psycopg.connect(database_url)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def verify(recording, service_url, database_url, *, since=0):
    """Fails on the first thing that is not as it must be. Gives back counts for the record."""
    assert not recording.wrong, recording.wrong[:5]
    links = recording.links[since:]
    counts = Counter(links=len(links), in_doubt=sum(not link.is_certain for link in links))
    made = {chat for (chat,) in rows(database_url, CHATS_WITH_LINKS)}
    refused = [link for link in links if link.refused is not None]
    creates = [link for link in refused if link.id is None]
    counts["happened_after_503"] = sum(link.chat.id in made for link in creates)
    repeat_creates(recording, [link for link in links if link.id is None or link.is_there])
    listed = {}
    for owner in {link.owner for link in links}:
        listed |= list_all(service_url, owner)
    for link in links:
        counts[settle(link, listed)] += 1
    counts["happened_after_503"] += sum(link.refused in link.possible for link in refused if link not in creates)
    for link in refused:
        link.refused = None
    with ThreadPoolExecutor(8) as pool:
        for problem in pool.map(lambda link: problem_of(link, service_url), links):
            assert problem is None, problem
    look_inside(recording, database_url)
    assert not recording.wrong, recording.wrong[:5]
    return dict(counts)


def repeat_creates(recording, links):
    """Who did not get an answer asks again, and again; who got one may as well. It is one link all the time."""
    for link in links:
        for _ in range(2 if link.id is None else 1):
            eventually(lambda: recording.create_again(link), PATIENCE_SECONDS, "a create is repeated")
        assert link.is_certain or link.id is not None


def answered(ask):
    """The answer to a request, which is made again while it is 503."""

    def good():
        answer = ask()
        # An answer of 4xx is false by itself.
        return [answer] if answer.status_code != 503 else None

    [answer] = eventually(good, PATIENCE_SECONDS, "the service answers")
    return answer


def list_all(service_url, owner):
    """The owner's links by id, as the service lists them."""
    http, found, offset = Http(service_url, owner.token()), {}, 0
    while page := answered(lambda: http.get(LINKS, params={"limit": 1000, "offset": offset})).json():
        found |= {link["id"]: link for link in page}
        offset += len(page)
    return found


def settle(link, listed):
    """The link is in one of the states that its answers leave open; from now on that is the only one."""
    found = listed.get(link.id)
    if found is not None:
        now = {name: found[name] for name in ("is_private", "label", "expires_at")}
        if now["expires_at"] is not None:
            now["expires_at"] = now["expires_at"].replace(".000000Z", "Z")
    else:
        now = DELETED if DELETED in link.possible else ABSENT
    assert now in link.possible, f"{link.id} is {now}, which it cannot be: {link.possible}"
    link.happened(now)
    return "deleted" if now == DELETED else "there"


def problem_of(link, service_url):
    """Whether it is shown to those who may see it, and to no others."""
    state = link.possible[0]
    path = link_path(link.id)
    as_owner = {"Authorization": f"Bearer {link.owner.token()}"}
    anonymous = answered(lambda: requests.get(service_url + path, timeout=60))
    owner = answered(lambda: requests.get(service_url + path, headers=as_owner, timeout=60))
    expected = (404, 404) if state == DELETED else (401, 200) if state["is_private"] else (200, 200)
    if (anonymous.status_code, owner.status_code) != expected:
        return f"{link.id}: {anonymous.status_code}, {owner.status_code} instead of {expected} as {state}"
    if owner.status_code == 200 and [m["content"] for m in owner.json()["messages"]] != [link.text, "It is kept."]:
        return f"{link.id} does not show what was shared"
    return None


def look_inside(recording, database_url):
    """Nothing is half made, and no create happened twice."""
    for what, sql in HALF_MADE.items():
        assert not (found := rows(database_url, sql)), f"{what}: {found[:5]}"
    gone = {link.id for link in recording.links if link.possible == [DELETED]}
    owners = {link.owner.sub for link in recording.links}
    without = {id for who, id in rows(database_url, KEYS_WITHOUT_LINK) if who in owners} - gone
    ours = {link.chat.id for link in recording.links}
    made = Counter(chat for (chat,) in rows(database_url, CHATS_WITH_LINKS) if chat in ours)
    assert not without, f"idempotency keys without their links: {sorted(without)[:5]}"
    twice = [chat for chat, links in made.items() if links > 1]
    assert not twice, f"chats with two links: {twice[:5]}"
