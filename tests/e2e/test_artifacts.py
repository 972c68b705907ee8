"""Files of links: kept in a folder or on S3, in constant memory, and whole even after kill -9."""

import contextlib
import hashlib
import re
import sqlite3
import threading
import time
from pathlib import Path

import boto3
import psycopg
import pytest
import requests
from moto.server import ThreadedMotoServer

from chat_service import File
from conftest import eventually, link_path

MIB = 1024 * 1024


def pattern(size):
    block = bytes(range(256)) * 4096
    return (block * (size // len(block) + 1))[:size]


class Folder:
    def __init__(self, path):
        self.path = path
        self.settings = {"ARTIFACT_STORE_URL": f"file:{path}"}

    def objects(self):
        return [entry.name for entry in self.path.iterdir()] if self.path.exists() else []


class Bucket:
    def __init__(self, url):
        self.client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="id", aws_secret_access_key="secret", region_name="us-east-1"
        )
        self.name = f"kept-{time.monotonic_ns()}"
        self.client.create_bucket(Bucket=self.name)
        self.client.put_object(Bucket=self.name, Key="another/object.txt", Body=b"not ours")
        self.settings = {
            "ARTIFACT_STORE_URL": f"s3://{self.name}/files/of-links",
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def objects(self):
        keys = [entry["Key"] for entry in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]
        assert "another/object.txt" in keys
        return [key for key in keys if key.startswith("files/of-links/")]


@pytest.fixture(scope="session")
def s3():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    if request.param == "folder":
        return Folder(tmp_path / "kept")
    return Bucket(request.getfixturevalue("s3"))


def rows(service):
    """Rows of the ledger, as (whether it is a link's, whether it is leased)."""
    query = "SELECT shared_chat_id IS NOT NULL, leased_until IS NOT NULL FROM artifacts"
    with database(service) as connection:
        return [tuple(map(bool, row)) for row in connection.execute(query)]


@contextlib.contextmanager
def database(service):
    url = service.settings["DATABASE_URL"]
    if url.startswith("sqlite:"):
        connection = sqlite3.connect(url.removeprefix("sqlite:"))
    else:
        connection = psycopg.connect(url)
    # Both commit at the end of their own context; psycopg closes there too, sqlite3 does not.
    with contextlib.closing(connection), connection:
        yield connection


def test_files_outlive_the_chats_own_and_go_with_the_switch(start_service, own_chats, alice, store):
    service = start_service(**store.settings)
    chat = own_chats.new_chat(alice.sub)
    contents = {"small.csv": b"day,km\n1,12\n", "großes Bild.png": pattern(12 * MIB + 345)}
    chat.files = [File(name, content) for name, content in contents.items()]
    owner, viewer = service.http(alice), service.http()
    link = owner.share(chat, includes_artifacts=True)
    chat.files = []
    artifacts = viewer.view(link).json()["artifacts"]
    assert [artifact["available"] for artifact in artifacts] == [True, True]
    for artifact in artifacts:
        whole = viewer.get(artifact["url"])
        assert whole.status_code == 200
        assert whole.content == contents[artifact["filename"]]
        part = viewer.get(artifact["url"], headers={"Range": "bytes=5-9", "If-Range": whole.headers["ETag"]})
        assert (part.status_code, part.content) == (206, whole.content[5:10])
    assert len(store.objects()) == 2
    assert link["id"] not in "".join(store.objects())
    assert owner.patch(link_path(link), json={"includes_artifacts": False}).status_code == 204
    assert viewer.get(artifacts[0]["url"]).status_code == 404
    eventually(lambda: not store.objects(), 30, "the bytes are gone")
    eventually(lambda: not rows(service), 30, "the rows are gone")


def test_killed_while_copying_leaves_neither_orphan_nor_dangling_link(start_service, own_chats, alice, store):
    service = start_service(**store.settings)
    chat = own_chats.new_chat(alice.sub)
    held = File("last.bin", b"last", let_go=threading.Event())
    chat.files = [File("first.bin", pattern(6 * MIB)), File("second.bin", b"second"), held]
    link = service.http(alice).share(chat)
    other = own_chats.new_chat(alice.sub)
    other.files = [File("kept.txt", b"kept")]
    kept = service.http(alice).share(other, includes_artifacts=True)

    def include():
        with pytest.raises(requests.ConnectionError):
            service.http(alice).patch(link_path(link), json={"includes_artifacts": True})

    changing = threading.Thread(target=include)
    changing.start()
    # Bytes are stored, the row that makes them the link's is not committed.
    eventually(lambda: len(store.objects()) >= 3, 30, "two of the files are stored")
    service.kill()
    held.let_go.set()
    changing.join()

    service.start()
    view = service.http().view(link).json()
    assert view["includes_artifacts"] is False and "artifacts" not in view
    service.kill()
    assert (False, True) in rows(service), "unfinished copies are left alone for an hour"
    with database(service) as connection:
        connection.execute("UPDATE artifacts SET leased_until = created_at WHERE leased_until IS NOT NULL")
    service.start()
    eventually(lambda: len(store.objects()) == 1, 30, "the unfinished copies are swept")
    eventually(lambda: rows(service) == [(True, False)], 30, "and so are their rows")
    [artifact] = service.http().view(kept).json()["artifacts"]
    assert service.http().get(artifact["url"]).content == b"kept"
    # And what was interrupted can be done again.
    assert service.http(alice).patch(link_path(link), json={"includes_artifacts": True}).status_code == 204
    artifacts = service.http().view(link).json()["artifacts"]
    assert all(artifact["available"] for artifact in artifacts)
    assert len(store.objects()) == 4


def test_killed_right_after_deleting_leaves_no_bytes(start_service, own_chats, alice, store):
    service = start_service(**store.settings)
    chat = own_chats.new_chat(alice.sub)
    chat.files = [File(f"{number}.bin", pattern(MIB)) for number in range(8)]
    link = service.http(alice).share(chat, includes_artifacts=True)
    assert service.http(alice).delete(link_path(link)).status_code == 204
    service.kill()
    service.start()
    # No grace for these: their link is gone.
    eventually(lambda: not store.objects(), 30, "the bytes are gone")
    eventually(lambda: not rows(service), 30, "the rows are gone")


def test_memory_does_not_grow_with_the_files(start_service, own_chats, alice, store):
    service = start_service(MAX_ARTIFACT_BYTES="200MiB", **store.settings)
    chat = own_chats.new_chat(alice.sub)
    chat.files = [File("huge.bin", pattern(150 * MIB))]
    expected = hashlib.sha256(chat.files[0].content).hexdigest()
    before = peak_memory(service)
    frozen = service.http(alice).share(chat, includes_artifacts=True)
    live = service.http(alice).share(chat, includes_artifacts=True, is_frozen=False)
    for link in [frozen, live]:
        [artifact] = service.http().view(link).json()["artifacts"]
        digest = hashlib.sha256()
        with service.http().get(artifact["url"], stream=True) as answer:
            for chunk in answer.iter_content(MIB):
                digest.update(chunk)
        assert digest.hexdigest() == expected
    assert peak_memory(service) - before < 48 * MIB


def peak_memory(service):
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
