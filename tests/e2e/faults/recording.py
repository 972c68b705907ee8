"""Clients that write all the time, and know afterwards what they were promised.

A link's `possible` states are those that the answers leave open: one, unless an answer stayed away or was
a 5xx. Such a link is left alone from then on, so whatever happens later cannot be laid at its door, until
`verify.py` has looked what became of it. Each link has a chat of its own, so two links of one chat are one
create that happened twice.
"""

import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import requests

from conftest import User, link_path

LINKS = "/api/v1/shared_chats"
# Longer than any answer may take, so that a late one is seen as late, not as lost.
GIVE_UP_SECONDS = 30
PAUSE_SECONDS = 0.02
# After a request that failed, as a client that behaves would.
LONGER_PAUSE_SECONDS = 0.1

ABSENT, DELETED = "absent", "deleted"


@dataclass
class Link:
    """A link as its owner knows it. A state is ABSENT, DELETED, or its settings."""

    owner: User
    chat: object
    text: str
    body: dict
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    id: str | None = None
    possible: list = field(default_factory=lambda: [ABSENT])
    refused: object = None
    """The state that an answer of 503 said would not come to be."""

    @property
    def is_certain(self):
        return len(self.possible) == 1

    @property
    def is_there(self):
        return self.is_certain and isinstance(self.possible[0], dict)

    def happened(self, state):
        self.possible = [state]

    def may_have_happened(self, state, answer):
        if state in self.possible:
            return
        self.possible.append(state)
        if answer.status == 503:
            self.refused = state


@dataclass
class Answer:
    """How one request ended. `status` is None where no answer came."""

    at: float
    seconds: float
    what: str
    status: int | None
    retry_after: str | None = None
    error: str | None = None

    @property
    def is_good(self):
        return self.status is not None and self.status < 500


class Recording:
    """Writers in threads, each with a user and links of its own.

    `url` is asked before each request, as a service that is started anew may be elsewhere."""

    def __init__(self, url, chats, *, writers=4, pause=PAUSE_SECONDS, seed=None):
        self.url, self.chats, self.pause = url, chats, pause
        self.writers = writers
        self.random = random.Random(seed)
        self.links: list[Link] = []
        self.answers: list[Answer] = []
        self.wrong: list[str] = []
        """What must never be, whatever is broken."""
        self._over = threading.Event()
        self._threads = []
        self._local = threading.local()

    # Its beginning and its end.

    def __enter__(self):
        self._over.clear()
        self._threads = [threading.Thread(target=self._write, daemon=True) for _ in range(self.writers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(GIVE_UP_SECONDS + 5)
            if thread.is_alive():
                self.wrong.append("a writer hangs")

    def _write(self):
        user, mine = User("Alice"), []
        try:
            while not self._over.is_set():
                self._write_once(user, mine)
                time.sleep(self.pause)
        except Exception as error:  # whatever it is, the test has to hear of it
            self.wrong.append(f"a writer ended: {error!r}")

    def _write_once(self, user, mine):
        there = [link for link in mine if link.is_there]
        what = self.random.choices([self.create, self.change, self.delete, self.view], [4, 4, 1, 3])[0]
        if what == self.create or not there:
            mine.append(self.create(user))
        else:
            what(self.random.choice(there))

    # What a writer does.

    def create(self, user):
        text = f"What may not be lost: {uuid.uuid4()}"
        chat = self.chats.new_chat(user.sub, messages=False)
        chat.exchange(text, "It is kept.")
        body = {"chat_session_id": chat.id, **self.some_settings()}
        link = Link(user, chat, text, body)
        self.links.append(link)
        self.create_again(link)
        return link

    def create_again(self, link):
        """The same request with the same key. True when it was answered."""
        answer, response = self.ask("create", "POST", LINKS, link.owner, json=link.body, key=link.key)
        made = {name: link.body[name] for name in ("is_private", "label", "expires_at")}
        if answer.status in (200, 201):
            id = response.json()["id"]
            if link.id not in (None, id):
                self.wrong.append(f"two creates with one key made {link.id} and {id}")
            if link.id is None:
                link.id = id
                link.happened(made)
            return True
        if link.id is None:
            link.may_have_happened(made, answer)
        return False

    def change(self, link):
        changes = self.some_settings()
        name = self.random.choice(list(changes))
        before = link.possible[0]
        after = {**before, name: changes[name]}
        answer, _ = self.ask("change", "PATCH", link_path(link.id), link.owner, json={name: changes[name]})
        if answer.status == 204:
            link.happened(after)
            if after["is_private"]:
                self._must_be_refused(link, 401)
        else:
            link.may_have_happened(after, answer)

    def delete(self, link):
        answer, _ = self.ask("delete", "DELETE", link_path(link.id), link.owner)
        if answer.status == 204:
            link.happened(DELETED)
            self._must_be_refused(link, 404)
        else:
            link.may_have_happened(DELETED, answer)

    def view(self, link):
        who = link.owner if link.possible[0]["is_private"] else None
        answer, response = self.ask("view", "GET", link_path(link.id), who)
        if answer.status == 200 and response.json()["messages"][0]["content"] != link.text:
            self.wrong.append(f"{link.id} shows something else")

    def some_settings(self):
        later = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=self.random.randint(1, 99))
        return {
            "is_private": self.random.random() < 0.5,
            "label": f"label {self.random.randint(0, 10**9)}",
            "expires_at": self.random.choice([None, later.isoformat().replace("+00:00", "Z")]),
        }

    def _must_be_refused(self, link, status):
        answer, _ = self.ask("view", "GET", link_path(link.id), None, refused=status)
        if answer.status == 200:
            self.wrong.append(f"{link.id} was served after it was acknowledged as {link.possible[0]}")

    def ask(self, what, method, path, who, *, json=None, key=None, refused=None):
        """One request, and what the recording keeps of its answer."""
        headers = {"Accept": "application/json"}
        if who is not None:
            headers["Authorization"] = f"Bearer {who.token()}"
        if key is not None:
            headers["Idempotency-Key"] = key
        began, response, error = time.monotonic(), None, None
        try:
            response = self._session().request(
                method, self.url() + path, json=json, headers=headers, timeout=GIVE_UP_SECONDS, allow_redirects=False
            )
        except requests.RequestException as caught:
            error = repr(caught)[:300]
        seconds, status = time.monotonic() - began, None if response is None else response.status_code
        retry_after = response.headers.get("Retry-After") if response is not None else None
        answer = Answer(began, seconds, what, status, retry_after, error)
        self.answers.append(answer)
        if not answer.is_good:
            time.sleep(LONGER_PAUSE_SECONDS)
        if status == 503 and not (retry_after or "").isdigit():
            self.wrong.append(f"{what}: 503 without Retry-After")
        elif status not in (None, 200, 201, 204, 503, refused):
            self.wrong.append(f"{what}: {status} {response.text[:300]}")
        return answer, response

    def _session(self):
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        return self._local.session

    # What it saw.

    def since(self, moment, until=None):
        return [answer for answer in self.answers if answer.at >= moment and (until is None or answer.at < until)]

    def recovered_after(self, moment):
        """Seconds from then until the last request that failed had its answer; 0 if none did."""
        ends = [a.at + a.seconds for a in self.answers if not a.is_good and a.at + a.seconds > moment]
        return max(ends, default=moment) - moment

    def slowest(self, since=0.0):
        return max((answer.seconds for answer in self.since(since)), default=0.0)
