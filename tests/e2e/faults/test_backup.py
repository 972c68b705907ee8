"""Backups that are made while links are, restored elsewhere: what was acknowledged before is there, and what was
taken back afterwards can be closed before anybody is served."""

import re
import shutil
import sqlite3
import subprocess
import threading
import time

import pytest

from chat_service import File
from conftest import REPOSITORY, User
from faults.recording import Recording
from faults.verify import rows, verify

DOCUMENT = REPOSITORY / "docs" / "RELIABILITY.md"
CONTENT = b"kept since it was shared" * 1000


class Sqlite:
    """One way to copy a SQLite file while the service writes to it."""

    def __init__(self, tmp_path, copy):
        self.url = f"sqlite:{tmp_path / 'links.db'}"
        self.restored_url = f"sqlite:{tmp_path / 'restored.db'}"
        self._copy = copy

    def back_up(self):
        self._copy(self.url.removeprefix("sqlite:"), self.restored_url.removeprefix("sqlite:"))

    def restore(self):
        """The copy is a database."""
        connection = sqlite3.connect(self.restored_url.removeprefix("sqlite:"))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()

    def run(self, sql):
        connection = sqlite3.connect(self.restored_url.removeprefix("sqlite:"))
        connection.executescript(sql)
        connection.close()


def vacuum_into(source, target):
    connection = sqlite3.connect(source, timeout=30)
    connection.execute("VACUUM INTO ?", (target,))
    connection.close()


def online_backup(source, target):
    """What `.backup` of the sqlite3 shell does."""
    connection, copy = sqlite3.connect(source, timeout=30), sqlite3.connect(target)
    connection.backup(copy)
    copy.close()
    connection.close()


class Postgres:
    """pg_dump into a file, pg_restore into a new database."""

    def __init__(self, server, tmp_path):
        self.server, self.file = server, server.folder / f"{tmp_path.name}.dump"
        self.database, self.restored = server.new_database(), server.new_database()
        self.url, self.restored_url = server.url(self.database), server.url(self.restored)

    def back_up(self):
        self.server.run("pg_dump", "--format=custom", f"--file={self.file}", self.url)

    def restore(self):
        self.server.run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={self.restored_url}", self.file)

    def run(self, sql):
        self.server.execute(sql, self.restored)


@pytest.fixture(params=["VACUUM INTO", ".backup", "pg_dump"])
def backup(request, tmp_path):
    if request.param == "pg_dump":
        return Postgres(request.getfixturevalue("own_postgres"), tmp_path)
    return Sqlite(tmp_path, vacuum_into if request.param == "VACUUM INTO" else online_backup)


class Sharer:
    """Shares chats with files for as long as the block lasts."""

    def __init__(self, service, chats):
        self.service, self.chats, self.alice, self.links = service, chats, User("Alice"), []
        self._over = threading.Event()

    def share(self):
        chat = self.chats.new_chat(self.alice.sub)
        chat.files = [File("report.txt", CONTENT)]
        self.links.append(self.service.http(self.alice).share(chat, includes_artifacts=True))
        return self.links[-1]

    def __enter__(self):
        def work():
            while not self._over.wait(0.02):
                self.share()

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(30)


def test_a_backup_under_load_holds_all_that_was_acknowledged_before(backup, start, own_chats, tmp_path, figures):
    store, copy = tmp_path / "store", tmp_path / "copy"
    service = start(backup.url, ARTIFACT_STORE_URL=f"file:{store}")
    with Recording(lambda: service.url, own_chats) as before:
        time.sleep(1)
    sharer = Sharer(service, own_chats)
    kept = [sharer.share() for _ in range(5)]
    public, narrowed = (service.http(sharer.alice).share(own_chats.new_chat(sharer.alice.sub)) for _ in range(2))
    bob = User("Bob")
    named = service.http(sharer.alice).share(own_chats.new_chat(sharer.alice.sub), audience=[f"user:{bob.sub}"])
    assert service.http(bob).view(named).status_code == 200

    with Recording(lambda: service.url, own_chats, writers=2) as during, sharer:
        time.sleep(0.3)
        began = time.monotonic()
        # The database first: a file is written before its row, and deleted after it.
        backup.back_up()
        subprocess.run(["cp", "-a", store, copy], check=False)
        took = time.monotonic() - began
        time.sleep(0.3)
    assert all(answer.is_good for answer in during.answers), "a backup delays or fails no request"
    owner = service.http(sharer.alice)
    assert owner.delete("/api/v1/shared_chats/" + public["id"]).status_code == 204
    assert owner.patch("/api/v1/shared_chats/" + narrowed["id"], json={"is_private": True}).status_code == 204
    assert owner.patch("/api/v1/shared_chats/" + named["id"], json={"audience": []}).status_code == 204
    service.kill()

    backup.restore()
    restored = start(backup.restored_url, ARTIFACT_STORE_URL=f"file:{copy}")
    before.url = lambda: restored.url
    counts = verify(before, restored.url, backup.restored_url)
    everybody_has_their_files(restored, backup, {link["id"] for link in kept})
    # What a restore brings back: the past.
    assert restored.http().view(public).status_code == restored.http().view(narrowed).status_code == 200
    assert restored.http(bob).view(named).status_code == 200
    restored.terminate()

    backup.run(step_of_the_document())
    restored = start(backup.restored_url, ARTIFACT_STORE_URL=f"file:{copy}")
    for link in (public, narrowed, named, *kept):
        assert restored.http().view(link).status_code == 401
        assert restored.http(bob).view(link).status_code == 403
        assert restored.http(sharer.alice).view(link).status_code == 200
    # Their owners open them again.
    assert restored.http(sharer.alice).patch(
        "/api/v1/shared_chats/" + kept[0]["id"], json={"is_private": False}
    ).status_code == 204
    assert restored.http().view(kept[0]).status_code == 200
    figures(**counts, missing=0, made_meanwhile=len(during.links), backup_took=took)


def everybody_has_their_files(service, backup, least):
    """Each file that the database shows can be downloaded, and is what it was."""
    sql = "SELECT shared_chat_id, artifact_id FROM artifacts WHERE shared_chat_id IS NOT NULL"
    found = rows(backup.restored_url, sql)
    assert least <= {link for link, _ in found}
    for link, artifact in found:
        answer = service.http().get(f"/api/v1/shared_chats/{link}/artifacts/{artifact}")
        assert answer.status_code == 200 and answer.content == CONTENT


def step_of_the_document():
    """What the document says to run on a restored database before anybody is served."""
    [sql] = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return sql


def test_files_that_were_copied_with_the_service_at_rest_are_a_backup(start, own_chats, tmp_path):
    service = start(f"sqlite:{tmp_path / 'links.db'}")
    with Recording(lambda: service.url, own_chats) as recording:
        time.sleep(0.5)
    # Not in good order, so that the log of SQLite still holds what the file does not.
    service.kill()
    assert (tmp_path / "links.db-wal").stat().st_size > 0
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("links.db", "links.db-wal"):
        shutil.copy(tmp_path / name, copies / name)
    restored = start(f"sqlite:{copies / 'links.db'}")
    recording.url = lambda: restored.url
    verify(recording, restored.url, f"sqlite:{copies / 'links.db'}")
