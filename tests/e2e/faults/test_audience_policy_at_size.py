"""Who may see, at size: two instances on one PostgreSQL, and one on SQLite, while audiences, the policy and whole users
change under load."""

import itertools
import re
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from urllib.parse import quote

import psycopg
import pytest
import requests

import troubles
from chat_service import File
from conftest import User, eventually, link_path, service_caller_token, token
from faults.conftest import FULL
from test_h2ogpte_client import Client, ForbiddenError

NO_LIMITS = dict.fromkeys(("RATE_LIMIT_ANONYMOUS", "RATE_LIMIT_CALLER", "RATE_LIMIT_CHAT_SERVICE"), "off")
# Who begins a create longer after the end than instances' clocks may differ (5 s) may share again.
BEGIN_UNTIL = 3.0
# How soon what is in flight ends for those who lose the right to it: the promise is a second. The rest is for this
# test's own viewers, who take the cores from the thread that sees the end.
AT_ONCE = 1.0 + 4.0
ALL = {"widest_audience": "anyone", "max_lifetime_seconds": None, "allows_artifacts": True}


@pytest.fixture
def database_url(databases):
    return databases.new()


@pytest.fixture
def instances(database_url, start):
    """Two on PostgreSQL. Processes that share a file tell each other nothing."""
    count = 1 if database_url.startswith("sqlite:") else 2
    return [start(database_url, **NO_LIMITS) for _ in range(count)]


@pytest.fixture
def admin(instances):
    return instances[-1].http(token("admin", scope="shared_chats:admin"))


@contextmanager
def running(*functions):
    """Each over and over in a thread of its own, until the block ends; what one of them raises is raised."""
    over = threading.Event()

    def repeat(function):
        while not over.is_set():
            function()

    with ThreadPoolExecutor(len(functions)) as pool:
        tasks = [pool.submit(repeat, function) for function in functions]
        try:
            yield
        finally:
            over.set()
    for task in tasks:
        task.result()


class InFlight:
    """A response that is read as it comes."""

    def __init__(self, service, viewer, path):
        self.answer = requests.get(
            service.url + path, headers={"Authorization": f"Bearer {viewer.token()}"}, stream=True, timeout=30
        )
        assert self.answer.status_code == 200, self.answer.text
        self.received, self.last_at, self.ended_at = b"", None, None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            # An arriving byte at a time.
            for piece in self.answer.raw.stream(1):
                self.received += piece
                self.last_at = time.monotonic()
        except Exception:  # Broken off.
            pass
        self.ended_at = time.monotonic()

    def has_ended(self):
        return self.ended_at is not None


def test_the_published_client_toggles_public_and_never_admits_who_is_not_named(instances, own_chats, alice, bob):
    chat = own_chats.new_chat(alice.sub)
    link = instances[0].http(alice).share(chat, audience=["user:another-one"])["id"]
    owner = Client(instances[0].url, api_key=alice.token())
    others = [Client(service.url, api_key=bob.token()) for service in instances]
    for _ in range(10):
        for other in others:
            with pytest.raises(ForbiddenError):
                other.get_shared_chat(link)
        owner.update_shared_chat(link, is_private=False)
        for other in others:
            assert other.get_shared_chat(link).is_private is False
        owner.update_shared_chat(link, is_private=True)
    for other in others:
        with pytest.raises(ForbiddenError):
            other.get_shared_chat(link)
    assert owner.get_shared_chat(link).is_private is True


def test_who_is_removed_gets_nothing_sent_after_the_answer_and_others_go_on(instances, own_chats, alice, figures):
    viewers = [User(f"viewer-{number}") for number in range(32)]
    removed, staying = viewers[0], viewers[1:]
    chat = own_chats.new_chat(alice.sub)
    chat.files.append(File("slow.bin", b"x" * 600))
    own_chats.misbehaves("/content", troubles.drips)
    owner = instances[0].http(alice)
    audience = [f"user:{viewer.sub}" for viewer in viewers]
    link = owner.share(chat, audience=audience, is_frozen=False, includes_artifacts=True)
    frozen = owner.share(chat, audience=audience)
    watchers = [removed, *staying[:3]]
    paths = [link_path(link) + "/events", f"{link_path(link)}/artifacts/{chat.files[0].id}"]
    in_flight = {
        viewer.name: [InFlight(service, viewer, path) for service in instances for path in paths] for viewer in watchers
    }
    eventually(lambda: all(one.received for ones in in_flight.values() for one in ones), 60, "all have begun")

    seen = []

    def viewing(viewer):
        sessions = [service.http(viewer) for service in instances]
        targets = itertools.cycle((session, which) for which in (frozen, link) for session in sessions)

        def view():
            session, which = next(targets)
            sent = time.monotonic()
            seen.append((viewer, sent, session.view(which).status_code))

        return view

    with running(*map(viewing, viewers)):
        views_of_the_removed = lambda since: [status for viewer, sent, status in list(seen) if viewer is removed and sent > since]
        eventually(lambda: 200 in views_of_the_removed(0), 60, "who is to be removed views the link")
        time.sleep(1)
        for which in (link, frozen):
            answer = owner.patch(link_path(which), json={"audience": audience[1:]})
            assert answer.status_code == 204, answer.text
            if which is link:
                cut_at = time.monotonic()
        answered = time.monotonic()
        eventually(lambda: views_of_the_removed(answered), 60, "who was removed tries again")
        eventually(lambda: all(one.has_ended() for one in in_flight[removed.name]), 60, "what was in flight has ended")
        time.sleep(2.5)
        say_at = time.monotonic()
        chat.say("For those who may see it.", id="the-last-one")
        told = instances[-1].http(service_caller_token()).post(f"/api/v1/chats/{chat.id}/changes")
        assert told.status_code == 202, told.text
        going_on = [one for viewer in staying[:3] for one in in_flight[viewer.name]]
        streams, downloads = going_on[::2], going_on[1::2]
        eventually(lambda: all(b"the-last-one" in stream.received for stream in streams), 60, "the others are told")
        eventually(lambda: all(download.last_at > say_at for download in downloads), 60, "their downloads go on")
        # Time for what must not come.
        time.sleep(1)

    late = views_of_the_removed(answered)
    assert late and set(late) == {403}, set(late)
    assert any(status == 200 for viewer, sent, status in seen if viewer is removed)
    others = [status for viewer, _, status in seen if viewer is not removed]
    assert set(others) == {200}, {status: others.count(status) for status in set(others)}
    ends = [one.ended_at and one.ended_at - cut_at for one in in_flight[removed.name]]
    assert all(end is not None and end < AT_ONCE for end in ends), ends
    for stream in in_flight[removed.name][::2]:
        assert b"event: revoked" in stream.received and b"the-last-one" not in stream.received
    for viewer in staying[:3]:
        streams, downloads = in_flight[viewer.name][::2], in_flight[viewer.name][1::2]
        assert not any(one.has_ended() for one in streams + downloads)
        assert all(b"the-last-one" in stream.received for stream in streams)
        assert all(download.last_at > say_at for download in downloads), "they go on"
    figures(requests=len(seen), of_the_removed_afterwards=len(late), last_end_seconds=max(ends))
    own_chats.recovers()


class Flips:
    """Policies by revision, and which of them may have been in force at a moment."""

    WIDEST = ("owner", "named", "signed_in", "anyone")
    POLICIES = (
        ALL,
        {**ALL, "widest_audience": "signed_in"},
        {**ALL, "allows_artifacts": False},
        {**ALL, "widest_audience": "named", "max_lifetime_seconds": 3600},
        {**ALL, "max_lifetime_seconds": 7200},
        {**ALL, "widest_audience": "owner", "allows_artifacts": False},
        {**ALL, "widest_audience": "signed_in", "max_lifetime_seconds": 60},
    )

    def __init__(self, callers):
        self.callers = itertools.cycle(callers)
        self.policies = {0: ALL}
        self.acknowledged = self.begun = 0

    def set(self, policy):
        self.begun += 1
        answer = next(self.callers).request("PUT", "/api/v1/policy", json=policy)
        assert answer.status_code == 200, answer.text
        revision = int(re.fullmatch(r'"policy-(\d+)"', answer.headers["ETag"])[1])
        assert revision == self.begun
        self.policies[revision] = policy
        self.acknowledged = revision

    def between(self, first, last):
        return [self.policies[revision] for revision in range(first, last + 1)]

    @classmethod
    def admits(cls, policy, viewer):
        """For a public link."""
        least = {"anonymous": "anyone", "bob": "signed_in", "owner": "owner"}[viewer]
        return cls.WIDEST.index(policy["widest_audience"]) >= cls.WIDEST.index(least)


def test_no_response_shows_more_than_the_policy_of_its_own_read(instances, own_chats, alice, bob, figures):
    chat = own_chats.new_chat(alice.sub)
    chat.files.append(File("chart.bin", b"0123456789"))
    link = instances[0].http(alice).share(chat, includes_artifacts=True)
    changed_at = datetime.fromisoformat(link["updated_at"])
    admins = [service.http(token("admin", scope="shared_chats:admin")) for service in instances]
    flips = Flips(admins)
    path = link_path(link)
    page = {"Accept": "text/html"}
    kinds = {
        "json": (path, {}),
        "page": (f"/shared/{link['id']}", page),
        "qr": (f"{path}/qr_code", {}),
        "file": (f"{path}/artifacts/{chat.files[0].id}", {}),
    }
    callers = {"anonymous": None, "bob": bob, "owner": alice}
    seen = []

    def asking(service, viewer):
        session = service.http(callers[viewer])
        turns = itertools.cycle(kinds.items())

        def ask():
            kind, (where, headers) = next(turns)
            first = flips.acknowledged
            answer = session.get(where, headers=headers)
            seen.append((kind, viewer, first, flips.begun, answer))

        return ask

    viewers = [asking(service, viewer) for service in instances for viewer in callers]
    if len(instances) == 1:
        viewers += [asking(instances[0], viewer) for viewer in callers]
    seconds = 30 if FULL else 8
    with running(*viewers):
        begun = time.monotonic()
        for number, policy in enumerate(itertools.cycle(Flips.POLICIES)):
            flips.set(policy)
            pause = begun + (number + 1) / 20 - time.monotonic()
            time.sleep(max(pause, 0))
            if time.monotonic() > begun + seconds:
                break
        flips_per_second = flips.acknowledged / (time.monotonic() - begun)
        flips.set({**ALL, "widest_audience": "owner", "allows_artifacts": False})
        time.sleep(1)

    # Twenty a second where nothing else keeps the machine busy; fewer than one would be no race.
    assert flips_per_second > 1, f"{flips_per_second} a second"
    refused = {"json": {401, 403}, "page": {401, 403}, "qr": set(), "file": {401, 403, 404}}
    own = 0
    for kind, viewer, first, last, answer in seen:
        possible = flips.between(first, last)
        said = (kind, viewer, answer.status_code, answer.text[:300], possible)
        tag = re.match(r'"\d+-\d+-[^-.]*(?:\.(\d+))?-', answer.headers.get("ETag", ""))
        if tag is not None and kind in ("json", "page"):
            # It names the policy of its read, which is none of before the last one that was acknowledged.
            revision = int(tag[1] or 0)
            assert first <= revision <= last, (revision, said)
            possible = [flips.policies[revision]]
            own += 1
        if answer.status_code != 200:
            assert answer.status_code in refused[kind], said
            files_are_off = kind == "file" and not all(policy["allows_artifacts"] for policy in possible)
            assert files_are_off or not all(Flips.admits(policy, viewer) for policy in possible), said
        elif kind != "qr":
            assert any(Flips.admits(policy, viewer) for policy in possible), said
            if kind == "file":
                assert any(policy["allows_artifacts"] for policy in possible), said
        if answer.status_code == 200 and kind == "json":
            (policy,), view = possible, answer.json()
            assert view["is_private"] == (policy["widest_audience"] != "anyone"), said
            assert view["includes_artifacts"] == policy["allows_artifacts"], said
            assert ("artifacts" in view) == policy["allows_artifacts"], said
            lifetime = policy["max_lifetime_seconds"]
            end = lifetime and changed_at + timedelta(seconds=lifetime)
            assert (view["expires_at"] and datetime.fromisoformat(view["expires_at"])) == end, said
            public = "public" in answer.headers["Cache-Control"] or "private" not in answer.headers["Cache-Control"]
            assert not public or not view["is_private"], said
        if answer.status_code == 200 and kind == "page":
            assert ("chart.bin" in answer.text) == possible[0]["allows_artifacts"], said
    afterwards = {(kind, viewer, answer.status_code) for kind, viewer, first, _, answer in seen if first == flips.acknowledged}
    for kind in ("json", "page", "file"):
        assert {status for k, viewer, status in afterwards if k == kind and viewer != "owner"} <= {401, 403, 404}
    assert own > 20, "responses that name their policy"
    counts = {kind: sum(one[0] == kind and one[4].status_code == 200 for one in seen) for kind in kinds}
    figures(flips_per_second=flips_per_second, responses=len(seen), named_their_policy=own, shown=counts)


def creates_beside(instances, chat, user, end, count=200):
    """So many creates of the user's on all instances, and in the midst of them `end`, whose answer is given back."""
    sessions = [service.http(user) for service in instances for _ in range(8)]
    turns = itertools.cycle(sessions)
    done, ended = [], []

    def create(session):
        if not ended or time.monotonic() < ended[0] + BEGIN_UNTIL:
            done.append(session.post("/api/v1/shared_chats", json={"chat_session_id": chat.id}).status_code)

    with ThreadPoolExecutor(len(sessions)) as pool:
        creating = [pool.submit(create, next(turns)) for _ in range(count)]
        eventually(lambda: len(done) > count // 5, 60, "creates are under way")
        # Before the end, which may be long in coming: its clock is the one that counts.
        ended.append(time.monotonic())
        answer = end()
        for one in creating:
            one.result()
    assert answer.status_code == 200, answer.text
    assert set(done) <= {201, 403}, set(done)
    return answer.json()["deleted"], done.count(201)


def links_of(admin, user):
    answer = admin.get("/api/v1/admin/shared_chats", params={"owner_id": user.sub})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("path", ["/api/v1/users/{}/shared_chats", "/api/v1/users/{}"])
def test_two_hundred_creates_that_race_the_end_of_their_owner_leave_no_link(instances, own_chats, alice, admin, path, figures):
    chat = own_chats.new_chat(alice.sub)
    path = path.format(quote(alice.sub, safe=""))
    deleted, made = creates_beside(instances, chat, alice, lambda: admin.delete(path))
    assert links_of(admin, alice) == []
    assert deleted == made < 200, (deleted, made)
    figures(made=made, deleted=deleted)


def test_an_owner_who_lost_a_chat_has_no_link_to_it_after_a_second_call(instances, own_chats, alice, admin, figures):
    """A create that has asked the chat service already may outlast the first (docs/API.md 4)."""
    chat = own_chats.new_chat(alice.sub)
    service = instances[-1].http(service_caller_token())

    def end():
        chat.owner = "another-one"
        return service.delete(f"/api/v1/chats/{chat.id}/owners/{alice.sub}/shared_chats")

    creates_beside(instances, chat, alice, end)
    left = len(links_of(admin, alice))
    assert end().json() == {"deleted": left}
    assert links_of(admin, alice) == []
    figures(left_by_the_first=left)


# The database, behind the service's back


@contextmanager
def connected(url):
    """An autocommitting connection, with `execute` for `?` and `%s` alike."""
    if url.startswith("sqlite:"):
        connection = sqlite3.connect(url.removeprefix("sqlite:"), timeout=30, isolation_level=None)
    else:
        connection = psycopg.connect(url, autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def tables_with(url, text):
    """The columns of all tables that hold the text anywhere in a value, whatever its type."""
    with connected(url) as connection:
        if url.startswith("sqlite:"):
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            columns = [(table, row[1]) for table in tables for row in connection.execute(f'PRAGMA table_info("{table}")')]
            holds = "instr(CAST({0} AS BLOB), CAST(? AS BLOB)) > 0"
            values = (text,)
        else:
            columns = connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
            ).fetchall()
            # A bytea is text in hexadecimal.
            holds = "position(%s IN {0}::text) > 0 OR position(%s IN {0}::text) > 0"
            values = (text, text.encode().hex())
        assert len(columns) > 40, columns
        return [
            f"{table}.{column}"
            for table, column in columns
            if connection.execute(f'SELECT count(*) FROM "{table}" WHERE {holds.format(chr(34) + column + chr(34))}', values).fetchone()[0]
        ]


def live_a_life(instances, chats, admin, person, other):
    """All that the service knows people by, done by the person and with them. Gives back a link for the person alone."""
    scoped = instances[0].http(person.token(scope="shared_chats:admin"))
    owner, others, service = instances[0].http(person), instances[-1].http(other), instances[0].http(service_caller_token())
    mine, theirs = chats.new_chat(person.sub), chats.new_chat(other.sub)
    mine.files.append(File("chart.bin", b"0123456789"))
    me = f"user:{person.sub}"
    link = owner.share(mine, label="mine", headers={"Idempotency-Key": "a-key"}, includes_artifacts=True)
    owner.share(mine, audience=[me, f"group:{other.sub}"], is_frozen=False)
    service.share(mine, owner={"id": person.sub, "name": person.name}, headers={"Idempotency-Key": "another"})
    alone = others.share(theirs, audience=[me])
    others.share(theirs, audience=[me, "group:finance", "user:another-one"])
    public = others.share(theirs)
    assert others.patch(link_path(public), json={"audience": [me]}).status_code == 204
    assert others.patch(link_path(public), json={"is_private": False}).status_code == 204
    assert owner.view(alone).status_code == 200
    assert owner.get(f"{link_path(link)}/activity").status_code == 200
    assert owner.patch(link_path(link), json={"label": "other", "is_private": True}).status_code == 204
    assert owner.delete(link_path(owner.share(mine))).status_code == 204
    batch = {"shared_chat_ids": [owner.share(mine)["id"]]}
    assert owner.post("/api/v1/shared_chats/batch_delete", json=batch).status_code == 204
    assert scoped.request("PUT", "/api/v1/policy", json=ALL).status_code == 200
    assert scoped.get("/api/v1/admin/shared_chats", params={"owner_id": person.sub}).status_code == 200
    batch = {"shared_chat_ids": [others.share(theirs)["id"]]}
    assert scoped.post("/api/v1/admin/shared_chats/batch_delete", json=batch).status_code == 204
    assert admin.delete(f"/api/v1/users/{quote(person.sub, safe='')}/shared_chats").status_code == 200
    return alone


def test_an_erased_person_stands_in_no_table_but_that_of_the_ended(database_url, instances, own_chats, bob, admin):
    person = User("Erased")
    # In JSON it is written otherwise, but for this part of it.
    unique = person.sub
    person.sub = f'auth0|"é\\%_{unique}'
    near = User("Near")
    near.sub = person.sub + "x"
    alone = live_a_life(instances, own_chats, admin, person, bob)
    before = tables_with(database_url, unique)
    assert {"shared_chats.audience", "audit_records.actor_id", "audit_records.detail", "policy.changed_by"} <= set(before), before
    path = f"/api/v1/users/{quote(person.sub, safe='')}"
    assert admin.delete(path).status_code == 200
    assert tables_with(database_url, unique) == ["ended_users.user_id"]
    row = next(row for row in instances[0].http(bob).list() if row["id"] == alone["id"])
    assert (row["is_private"], row["audience"]) == (True, [])
    for service in instances:
        for viewer in (person, near, User("Stranger")):
            assert service.http(viewer).view(alone).status_code == 403


def test_an_erasure_beside_changes_and_creates_that_name_the_person(database_url, instances, own_chats, alice, bob, admin, figures):
    chat = own_chats.new_chat(bob.sub)
    owners = [service.http(bob) for service in instances for _ in range(4)]
    links = [owners[0].share(chat, audience=["user:another-one"], is_frozen=number % 2 == 0) for number in range(8)]
    named = [f"user:{alice.sub}", "user:another-one"]
    statuses = []

    def changing(session, link):
        turns = itertools.cycle([named, named[1:], named[:1]])

        def change():
            statuses.append(session.patch(link_path(link), json={"audience": next(turns)}).status_code)

        return change

    def create():
        body = {"chat_session_id": chat.id, "audience": named}
        statuses.append(creator.post("/api/v1/shared_chats", json=body).status_code)

    creator = instances[0].http(bob)
    changes = [changing(session, link) for session, link in zip(itertools.cycle(owners), links)]
    with running(*changes, create):
        eventually(lambda: statuses.count(204) > 20 and 201 in statuses, 60, "changes and creates are under way")
        begun = time.monotonic()
        assert admin.delete(f"/api/v1/users/{alice.sub}").status_code == 200
        # They go on for a while, but those who begin later than the clocks can differ may name the person.
        time.sleep(max(0, min(1.5, begun + BEGIN_UNTIL - time.monotonic())))
    assert tables_with(database_url, alice.sub) == ["ended_users.user_id"]
    assert set(statuses) <= {201, 204, 403, 503} and statuses.count(204) > 20, set(statuses)
    figures(changed=statuses.count(204), made=statuses.count(201), refused=statuses.count(403))


# The inventory

LINKS_OF_OTHERS = """
    INSERT INTO shared_chats (id, chat_session_id, owner_id, name, name_folded, is_private, is_frozen, is_legacy,
        includes_artifacts, created_at, updated_at, revision)
    SELECT {id}, 'chat-' || n % 1000, 'owner-' || n % 100, 'Chat', 'chat', n % 3 = 0, {true}, {false}, {false}, {now}, {now}, 1
    FROM {numbers}
"""


def insert_links(url, count):
    """Links with random ids, as those that the service makes."""
    if url.startswith("sqlite:"):
        random = "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(6)))"
        numbers = f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s)"
        parts = {"id": random, "numbers": numbers, "true": 1, "false": 0, "now": int(time.time() * 1e6)}
    else:
        parts = {"id": "gen_random_uuid()::text", "numbers": f"generate_series(1, {count}) n", "true": "true", "false": "false", "now": "now()"}
    with connected(url) as connection:
        connection.execute(LINKS_OF_OTHERS.format(**parts))
        if not url.startswith("sqlite:"):
            connection.execute("ANALYZE shared_chats")
        return {id for (id,) in connection.execute("SELECT id FROM shared_chats").fetchall()}


def walk(admin, **parameters):
    """All pages of the inventory, and how long each took."""
    rows, seconds, path = [], [], "/api/v1/admin/shared_chats?limit=1000"
    path += "".join(f"&{name}={value}" for name, value in parameters.items())
    while path:
        begun = time.monotonic()
        answer = admin.get(path)
        seconds.append(time.monotonic() - begun)
        assert answer.status_code == 200, answer.text
        rows += [row["id"] for row in answer.json()]
        path = answer.links["next"]["url"].removeprefix(admin.url) if "next" in answer.links else None
    return rows, seconds


def test_the_inventory_sees_each_link_that_stays_exactly_once(database_url, instances, own_chats, alice, admin, figures):
    stay = insert_links(database_url, 1_000_000 if FULL else 20_000)
    chat = own_chats.new_chat(alice.sub)
    sessions = [service.http(alice) for service in instances for _ in range(2)]

    def churning(session):
        def come_and_go():
            link = session.share(chat)
            assert session.delete(link_path(link)).status_code == 204

        return come_and_go

    with running(*map(churning, sessions)):
        rows, seconds = walk(admin)
    assert len(rows) == len(set(rows)), "none is seen twice"
    assert stay <= set(rows), f"{len(stay - set(rows))} are missing"
    none, without = walk(admin, filter_type="legacy")
    assert none == []
    figures(
        links=len(rows), pages=len(seconds), middle_page=sorted(seconds)[len(seconds) // 2], slowest_page=max(seconds),
        first_pages=sum(seconds[:10]) / 10, last_pages=sum(seconds[-11:-1]) / 10, no_legacy=max(without),
    )
