"""Starts the real binary on a real database, beside a chat service that speaks HTTP."""

import os
import re
import signal
import subprocess
import threading
import time
import uuid
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

import jwt
import psycopg
import pytest
import requests

from chat_service import ChatService

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("SHARED_CHATS_BIN") or REPOSITORY / "target" / "release" / "shared-chats").absolute()
SECRET = "a secret for tests alone, longer than thirty-two bytes"
SERVICE_TOKEN = "what-the-share-service-shows-to-the-chat-service"
START_SECONDS = 60
# Less than SHUTDOWN_TIMEOUT (30 s): nothing may hold the end up until then.
STOP_SECONDS = 20


# Tokens


def token(sub, *, secret=SECRET, algorithm="HS256", lasts=600, **claims):
    """A JWT for a user; a claim that is None is left out."""
    now = datetime.now(timezone.utc)
    claims = {"sub": sub, "iat": now, "exp": now + timedelta(seconds=lasts), **claims}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, secret, algorithm=algorithm)


def service_caller_token():
    """What the chat service shows to the share service."""
    return token("chat-service", scope="openid shared_chats:service")


class User:
    """A new user, whom no other test knows."""

    def __init__(self, name):
        self.name = name
        self.sub = f"{name}-{uuid.uuid4()}"

    def token(self, **claims):
        return token(self.sub, **{"name": self.name, **claims})


@pytest.fixture
def alice():
    return User("Alice")


@pytest.fixture
def bob():
    return User("Bob")


# The service


class Service:
    """One running process of the service."""

    def __init__(self, directory, **settings):
        self.directory = Path(directory)
        self.settings = settings
        self.process = None
        self.url = None
        self.output = []
        self._log = self.directory / f"stderr-{uuid.uuid4()}.log"

    def start(self):
        # Nothing of the tester's own environment, no .env file of the repository.
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        environment |= {"BIND_ADDRESS": "127.0.0.1:0", **self.settings}
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "serve"],
                env=environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                # SIGXFSZ stays ignored, as it is in Python: what a write beyond a limit does is the service's own affair.
                restore_signals=False,
            )
        self.url = None
        threading.Thread(target=self._read_output, args=(self.process,), daemon=True).start()
        try:
            eventually(lambda: self.url or self._has_ended(), START_SECONDS, "the service printed its address")
            assert self.url, f"the service ended while starting with {self.process.poll()}\n{self.log()[-4000:]}"
            eventually(self._is_ready, START_SECONDS, "/health/ready answered 200")
        except BaseException:
            self.process.kill()
            self.process.wait()
            print(self.log()[-4000:])
            raise
        return self

    def _read_output(self, process):
        for line in process.stdout:
            self.output.append(line)
            found = re.search(r"listening on (http://\S+)", line)
            if found and process is self.process:
                self.url = found[1].rstrip("/")
        process.stdout.close()

    def _has_ended(self):
        return self.process.poll() is not None

    def _is_ready(self):
        try:
            return requests.get(self.url + "/health/ready", timeout=30).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            assert not self._has_ended(), self.log()[-4000:]
            return False

    def terminate(self):
        """SIGTERM; the process has to end by itself, in time, and content with itself."""
        if self._has_ended():
            pytest.fail(f"the service ended before it was told to: {self.process.poll()}\n{self.log()[-4000:]}")
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"the service did not end within {STOP_SECONDS} s of SIGTERM\n{self.log()[-4000:]}")
        assert status == 0, f"exit status {status} after SIGTERM\n{self.log()[-4000:]}"

    def kill(self):
        """kill -9: the process gets no chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def log(self):
        """What it wrote on standard error so far."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def http(self, who=None, *, scheme="Bearer"):
        """A caller of the API: a user, a token, or anonymous."""
        return Http(self.url, who.token() if isinstance(who, User) else who, scheme)


class Http:
    """Requests to the API, with a credential or without one."""

    def __init__(self, url, credential=None, scheme="Bearer"):
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Accept"] = "application/json"
        if credential is not None:
            self.session.headers["Authorization"] = f"{scheme} {credential}"

    def request(self, method, path, **options):
        options = {"timeout": 60, "allow_redirects": False, **options}
        return self.session.request(method, self.url + path, **options)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)

    def patch(self, path, **options):
        return self.request("PATCH", path, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def share(self, chat, *, headers=None, **body):
        """Creates a link and gives back its row."""
        answer = self.post("/api/v1/shared_chats", json={"chat_session_id": chat.id, **body}, headers=headers)
        assert answer.status_code == 201, (answer.status_code, answer.text)
        return answer.json()

    def view(self, link, **options):
        return self.get(link_path(link), **options)

    def list(self, **parameters):
        answer = self.get("/api/v1/shared_chats", params=parameters)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return answer.json()


def link_path(link):
    return "/api/v1/shared_chats/" + (link if isinstance(link, str) else link["id"])


def assert_error(answer, status, error_type=None):
    """An error as docs/API.md 2 has it. Gives back its message."""
    assert answer.status_code == status, (answer.status_code, answer.text[:2000])
    assert answer.headers["Content-Type"].startswith("application/json"), answer.headers
    assert "no-store" in answer.headers.get("Cache-Control", ""), answer.headers
    assert_error_body(answer.json(), status, error_type)
    return answer.json()["message"]


def assert_error_body(body, status, error_type=None):
    assert {"code", "message", "error_type", "request_id"} <= set(body), body
    assert body["code"] == status, body
    assert isinstance(body["message"], str) and body["message"], body
    assert re.fullmatch(r"[a-z][a-z0-9_]*", body["error_type"]), body
    assert isinstance(body["request_id"], str) and body["request_id"], body
    if error_type is not None:
        assert body["error_type"] == error_type, body


def eventually(condition, seconds, what):
    """Asks until the condition holds; fails when it does not in time."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return value


# Databases


class SqliteDatabases:
    def __init__(self, directory):
        self.directory = directory

    def new(self):
        """The URL of an empty database."""
        return f"sqlite:{self.directory / f'{uuid.uuid4()}.db'}"

    def close(self):
        """The files go with pytest's temporary folder."""


class PostgresDatabases:
    def __init__(self, url):
        self.url = url
        self.schemas = []

    def new(self):
        """The URL of an empty schema in the database for tests."""
        schema = f"e2e_{uuid.uuid4().hex}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        self.schemas.append(schema)
        separator = "&" if "?" in self.url else "?"
        return f"{self.url}{separator}options={quote(f'-c search_path={schema}', safe='')}"

    def close(self):
        with psycopg.connect(self.url, autocommit=True) as connection:
            for schema in self.schemas:
                connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def databases(request, tmp_path_factory):
    """Every test that uses the service runs once for each database."""
    if request.param == "sqlite":
        made = SqliteDatabases(tmp_path_factory.mktemp("sqlite"))
    else:
        url = os.environ.get("TEST_DATABASE_URL")
        if not url and os.environ.get("E2E_REQUIRE_POSTGRES") == "1":
            pytest.fail("E2E_REQUIRE_POSTGRES=1, but TEST_DATABASE_URL is not set")
        if not url:
            pytest.skip("PostgreSQL is left out: TEST_DATABASE_URL is not set")
        made = PostgresDatabases(url)
    yield made
    made.close()


def settings_for(databases, chat_service, **more):
    return settings_on(databases.new(), chat_service, **more)


def settings_on(database_url, chat_service, **more):
    """Settings of a service beside that chat service; None unsets one."""
    settings = {
        "DATABASE_URL": database_url,
        "AUTH_HS256_SECRET": SECRET,
        "CHAT_SERVICE_URL": chat_service.url,
        "CHAT_SERVICE_TOKEN": SERVICE_TOKEN,
        **more,
    }
    return {name: value for name, value in settings.items() if value is not None}


@pytest.fixture(scope="session")
def binary():
    assert BINARY.is_file(), f"{BINARY.name} is not built: cargo build --release, or set SHARED_CHATS_BIN"
    return BINARY


@pytest.fixture(scope="session")
def chats():
    """The chat service that most tests share; each makes chats of its own."""
    service = ChatService(SECRET, SERVICE_TOKEN).start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def service(binary, databases, chats, tmp_path_factory):
    """The service that most tests share; each has users and chats of its own."""
    service = Service(tmp_path_factory.mktemp("service"), **settings_for(databases, chats)).start()
    yield service
    service.terminate()


@pytest.fixture
def own_chats():
    """A chat service that the test may stop."""
    service = ChatService(SECRET, SERVICE_TOKEN).start()
    yield service
    service.stop()


@pytest.fixture
def start_service(binary, databases, own_chats, tmp_path):
    """Starts a service of the test's own, beside `own_chats`; keywords are settings, None unsets one."""
    started = []

    def start(**settings):
        started.append(Service(tmp_path, **settings_for(databases, own_chats, **settings)).start())
        return started[-1]

    yield start
    for service in started:
        service.terminate()


# The order


def pytest_collection_modifyitems(items):
    """Files that take long come first, so that no worker is left alone with one at the end (`--no-loadscope-reorder`)."""
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name != "test_probes.py", -tests[item.path], item.path))
