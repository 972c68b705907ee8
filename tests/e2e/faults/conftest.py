"""What the tests of faults share: how much of them runs, where figures go, databases and ports of their own."""

import json
import os
from pathlib import Path

import pytest

from conftest import Service, settings_on
from faults import cluster
from ports import free_port

FULL = os.environ.get("FAULTS") == "full"
"""The long form, as docs/RELIABILITY.md has its figures from; the short one is for every change."""


def left_out(why):
    """Skips the test, or fails it where everything has to be there."""
    if os.environ.get("E2E_REQUIRE_FAULTS") == "1":
        pytest.fail(f"E2E_REQUIRE_FAULTS=1, but {why}")
    pytest.skip(f"left out: {why}")


@pytest.fixture
def figures(request):
    """Keeps what was measured: in the test's output, and as a line of FAULTS_FIGURES if that names a file."""

    def keep(**measured):
        measured = {name: round(value, 2) if isinstance(value, float) else value for name, value in measured.items()}
        line = json.dumps({"test": request.node.name, **measured})
        print(line)
        if path := os.environ.get("FAULTS_FIGURES"):
            with open(path, "a", encoding="utf-8") as file:
                file.write(line + "\n")

    return keep


@pytest.fixture
def start(binary, own_chats, tmp_path):
    """Starts a service at a port that it keeps, on a database that the test names."""
    started = []

    def start(database_url, **settings):
        more = {"BIND_ADDRESS": f"127.0.0.1:{free_port()}", "ARTIFACT_STORE_URL": f"file:{tmp_path / 'kept'}"}
        settings = settings_on(database_url, own_chats, **{**more, **settings})
        started.append(Service(tmp_path, **settings))
        return started[-1].start()

    yield start
    for service in started:
        if service.process.poll() is None:
            service.terminate()
        assert "panicked" not in service.log(), service.log()[-4000:]


@pytest.fixture(scope="session")
def postgres_programs():
    """Where the programs of a PostgreSQL server are."""
    found = cluster.programs()
    if found is None and os.environ.get("E2E_REQUIRE_POSTGRES") == "1":
        pytest.fail("E2E_REQUIRE_POSTGRES=1, but there are no server programs of PostgreSQL (apt install postgresql)")
    if found is None:
        left_out("no server programs of PostgreSQL on this machine")
    return Path(found)


@pytest.fixture(scope="session")
def postgres(postgres_programs):
    """A PostgreSQL server of our own, which tests may stop, kill and cut off; it runs when a test begins."""
    server = cluster.Server(postgres_programs).create().start()
    yield server
    server.remove()


@pytest.fixture
def own_postgres(postgres):
    """The server, running, and an empty database on it."""
    if not postgres.is_running():
        postgres.start()
    return postgres
