"""A chat service that hangs, drips, floods or breaks off, through the real binary: a caller
gets a clear answer in time, nothing is stored, and no other call is delayed (docs/API.md 2 and 5)."""

import json
import re
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import requests

import troubles
from chat_service import ChatService, File
from conftest import (
    SECRET,
    SERVICE_TOKEN,
    Service,
    User,
    assert_error_body,
    eventually,
    link_path,
    service_caller_token,
    settings_for,
)

LINKS = "/api/v1/shared_chats"
MIB = 1024 * 1024
# What is well has to be answered in it too, on a machine that is busy with other things.
TIMEOUT_SECONDS = 4
# For the rest of the way, on such a machine. With the timeout it is well below what a trouble lasts (GIVE_UP_SECONDS).
SLACK_SECONDS = 16
# Four times MAX_SNAPSHOT_BYTES and a mebibyte may be read for each of the ten that ask at once.
MOST_MEMORY = 150 * MIB
SETTINGS = {
    "CHAT_SERVICE_TIMEOUT": f"{TIMEOUT_SECONDS * 1000:.0f}ms",
    "MAX_SNAPSHOT_BYTES": "1MiB",
    "LIVE_POLL_INTERVAL": "500ms",
}
TABLES = ["shared_chats", "snapshots", "artifacts", "idempotency_keys"]

# What is asked for: JSON, a file that is copied, a file that is passed on.
JSON, COPY, PASSED_ON = "json", "copy", "passed on"
LATE, BROKEN, LARGE = (504, "chat_service_timeout"), (502, "chat_service_error"), (422, "chat_too_large")
CUT = "it began, and was cut"
# A file that is not as long as the list says is left out.
WITHOUT_IT = "without that file"
OUTCOMES = {
    troubles.hangs: {JSON: LATE, COPY: LATE, PASSED_ON: LATE},
    troubles.drips: {JSON: LATE, COPY: LATE, PASSED_ON: CUT},
    troubles.stalls: {JSON: LATE, COPY: LATE, PASSED_ON: CUT},
    troubles.closes_half_way: {JSON: BROKEN, COPY: BROKEN, PASSED_ON: CUT},
    troubles.sends_a_gigabyte: {JSON: LARGE, COPY: WITHOUT_IT, PASSED_ON: BROKEN},
    troubles.never_ends: {JSON: LARGE, COPY: WITHOUT_IT, PASSED_ON: BROKEN},
    troubles.never_begins: {JSON: BROKEN, COPY: BROKEN, PASSED_ON: BROKEN},
}


@pytest.fixture(scope="module")
def hostile():
    service = ChatService(SECRET, SERVICE_TOKEN).start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def service(binary, databases, hostile, tmp_path_factory):
    directory = tmp_path_factory.mktemp("hostile")
    store = {"ARTIFACT_STORE_URL": f"file:{directory / 'kept'}"}
    service = Service(directory, **settings_for(databases, hostile, **SETTINGS, **store)).start()
    yield service
    service.terminate()


def stored(service):
    """How many rows each table has, and which objects are kept, unfinished ones too."""
    url = service.settings["DATABASE_URL"]
    connection = sqlite3.connect(url.removeprefix("sqlite:")) if url.startswith("sqlite:") else psycopg.connect(url)
    try:
        rows = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}
    finally:
        connection.close()
    folder = service.directory / "kept"
    return rows, sorted(str(path) for path in folder.rglob("*") if path.is_file())


def peak_memory(service):
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


class Stream:
    """An event stream, read in a thread of its own."""

    def __init__(self, service, link):
        self.text = ""
        self.has_ended = False
        self.answer = service.http().get(link_path(link) + "/events", stream=True)
        assert self.answer.status_code == 200, self.answer.text
        threading.Thread(target=self._read, daemon=True).start()
        eventually(lambda: ": live" in self.text, 30, "the stream has begun")

    def _read(self):
        try:
            for chunk in self.answer.iter_content(None):
                self.text += chunk.decode()
        except (requests.RequestException, AttributeError):
            pass
        self.has_ended = True


def outcome(answer):
    """Status and kind of an answer that is read to its end, or CUT."""
    if answer.status_code < 300:
        try:
            answer.content
        except requests.exceptions.ChunkedEncodingError:
            return CUT
        return answer.status_code, answer.text[:200]
    assert_error_body(answer.json(), answer.status_code)
    assert "127.0.0.1" not in answer.text and "xxx" not in answer.text
    return answer.status_code, answer.json()["error_type"]


class Scene:
    """Chats of Alice, and each way to ask for one of them that can be in trouble."""

    def __init__(self, service, chats):
        self.service, self.chats, self.alice = service, chats, User("Alice")
        self.owner, share = service.http(self.alice), self.share
        self.key = f"key-{time.monotonic_ns()}"
        self.well = share(self.chat("well.txt"), includes_artifacts=True)
        [self.well_file] = self.owner.view(self.well).json()["artifacts"]
        self.frozen, self.begun = self.chat(), self.chat()
        self.live, self.unwatched = (share(self.chat(), is_frozen=False) for _ in range(2))
        self.watched = share(self.begun, is_frozen=False)
        self.copied = self.chat("first", "second")
        self.off, self.unlisted = (share(self.chat("first", "second")) for _ in range(2))
        self.passed_on = share(self.chat("first", "second"), is_frozen=False, includes_artifacts=True)
        [_, self.passed_on_file] = self.owner.view(self.passed_on).json()["artifacts"]
        self.made = None

    def chat(self, *files):
        chat = self.chats.new_chat(self.alice.sub)
        chat.files = [File(name, name.encode() * 500) for name in files]
        return chat

    def share(self, chat, **body):
        return self.owner.share(chat, **body)

    def ask(self, method, path, **options):
        return self.service.http(self.alice).request(method, path, **options)

    def create(self, chat, key, **body):
        body = {"chat_session_id": chat.id, **body}
        return self.ask("POST", LINKS, json=body, headers={"Idempotency-Key": self.key + key})

    def begins(self, trouble):
        """Each chat but one cannot be read to the end: its messages, the list of its files, or the second file."""
        of = lambda link: self.chats.chats[link["chat_session_id"]]
        for chat in (self.frozen, self.begun, of(self.live), of(self.unwatched)):
            self.chats.misbehaves(f"/{chat.id}/messages", trouble)
        self.chats.misbehaves(f"/{of(self.unlisted).id}/agent_server_files", trouble)
        for chat in (self.copied, of(self.off), of(self.passed_on)):
            self.chats.misbehaves(f"/{chat.id}/agent_server_files/{chat.files[1].id}/content", trouble)

    def create_with_files(self):
        answer = self.create(self.copied, "files", includes_artifacts=True)
        self.made = answer.json() if answer.status_code == 201 else None
        return answer

    def switch_on(self, link):
        return self.ask("PATCH", link_path(link), json={"includes_artifacts": True})

    def ways(self):
        """What can be asked for, as (what it reads of the chat service, how)."""
        anonymous = self.service.http
        return {
            "create": (JSON, lambda: self.create(self.frozen, "frozen")),
            "create live": (JSON, lambda: self.create(self.frozen, "live", is_frozen=False)),
            "view": (JSON, lambda: anonymous().view(self.live)),
            "page": (JSON, lambda: anonymous().get(f"/shared/{self.unwatched['id']}")),
            "events": (JSON, lambda: anonymous().get(link_path(self.unwatched) + "/events")),
            "switch on, the list": (JSON, lambda: self.switch_on(self.unlisted)),
            "create with files": (COPY, self.create_with_files),
            "switch on, the bytes": (COPY, lambda: self.switch_on(self.off)),
            "download": (PASSED_ON, lambda: anonymous().get(self.passed_on_file["url"], stream=True)),
        }

    def others_are_well(self):
        """Downloads and changes what has nothing to do with any of this."""
        assert self.service.http().get(self.well_file["url"]).content == b"well.txt" * 500
        assert self.ask("PATCH", link_path(self.well), json={"label": "well"}).status_code == 204

    def has_left_out(self, link):
        """The second of its files is not kept. What was kept of it is taken back."""
        artifacts = self.owner.view(link).json()["artifacts"]
        assert [(a["filename"], a["available"]) for a in artifacts] == [("first", True), ("second", False)]
        return self.owner.patch(link_path(link), json={"includes_artifacts": False}).status_code == 204


@pytest.mark.parametrize("trouble", OUTCOMES, ids=lambda trouble: trouble.__name__)
def test_calls_end_in_time_store_nothing_and_delay_no_others(service, hostile, trouble):
    scene = Scene(service, hostile)
    stream = Stream(service, scene.watched)
    before, memory = stored(service), peak_memory(service)
    scene.begins(trouble)
    said = scene.begun.say("in the middle of it")
    told = service.http(service_caller_token()).post(f"/api/v1/chats/{scene.begun.id}/changes")
    assert told.status_code == 202

    began, ways = time.monotonic(), scene.ways()

    def ask(way):
        return outcome(way()), time.monotonic() - began

    with ThreadPoolExecutor(len(ways)) as pool:
        asked = {name: pool.submit(ask, way) for name, (_, way) in ways.items()}
        undisturbed = 0
        while not all(answer.done() for answer in asked.values()):
            assert service.http().view(scene.well).status_code == 200
            undisturbed += not any(answer.done() for answer in asked.values())
            scene.others_are_well()
    if LATE in OUTCOMES[trouble].values():
        assert undisturbed > 0, "others were held up"
    for name, (reads, _) in ways.items():
        result, seconds = asked[name].result()
        assert seconds < TIMEOUT_SECONDS + SLACK_SECONDS, f"{name}: {seconds} s"
        expected = OUTCOMES[trouble][reads]
        assert result == expected or expected == WITHOUT_IT and result[0] in (201, 204), (name, result)
    grown = peak_memory(service) - memory
    assert grown < MOST_MEMORY, f"{grown / MIB} MiB"

    if OUTCOMES[trouble][COPY] == WITHOUT_IT:
        assert scene.has_left_out(scene.off) and scene.has_left_out(scene.made)
        assert scene.owner.delete(link_path(scene.made)).status_code == 204
        # An acknowledged create keeps its key.
        before[0]["idempotency_keys"] += 1
        eventually(lambda: stored(service) == before, 30, "nothing else was stored")
    assert stored(service) == before
    assert "event: " not in stream.text and not stream.has_ended

    hostile.recovers()
    eventually(lambda: said.id in stream.text, 30, "the stream goes on")
    assert stream.text.count("event: ") == 1 and json.dumps(said.content) in stream.text
    # A failed attempt keeps no key, so another request may have it.
    for key, is_frozen in [("frozen", True), ("live", False)]:
        assert scene.create(scene.frozen, key, is_frozen=is_frozen, label="another").status_code == 201
    assert service.http().view(scene.live).status_code == 200
    assert scene.switch_on(scene.unlisted).status_code == 204
    assert service.http().get(scene.passed_on_file["url"]).content == b"second" * 500
    # Closing it would wait for its reader.
    assert scene.owner.delete(link_path(scene.watched)).status_code == 204
    eventually(lambda: stream.has_ended, 30, "the stream has ended")
