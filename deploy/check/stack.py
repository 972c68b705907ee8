#!/usr/bin/env python3
"""Two instances, the proxy, the provider, the chat service and PostgreSQL as compose.yaml has them, and what a person does with them:

    sudo python3 deploy/check/stack.py BINARY [--image FOLDER]

FOLDER is an unpacked image of the service; without it its root file system is this machine's.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from containers import REPOSITORY, Stack

sys.path.insert(0, str(REPOSITORY / "deploy" / "example"))
from sign_in import sign_in  # noqa: E402

API = "http://localhost:8080"
LINKS = API + "/api/v1/shared_chats"
OPENER = build_opener(ProxyHandler({}))


def ask(url, token=None, body=None, method=None, accept="application/json"):
    """Status, headers and text."""
    headers = {"Accept": accept}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    data = None if body is None else json.dumps(body).encode()
    try:
        answer = OPENER.open(Request(url, data, headers, method=method), timeout=20)
    except HTTPError as error:
        answer = error
    return answer.status, answer.headers, answer.read().decode()


def said(what):
    print(f"  {what}", flush=True)


def share(token, chat, **fields):
    status, _, text = ask(LINKS, token, {"chat_session_id": chat, **fields})
    assert status == 201, (status, text)
    return json.loads(text)


def a_link_is_opened_by_anyone(stack, alice, bob):
    link = share(alice, "oslo")
    for _ in range(4):
        status, _, text = ask(f"{LINKS}/{link['id']}")
        assert status == 200 and json.loads(text)["shared_by"] == "Alice", (status, text)
    status, headers, page = ask(link["url"], accept="text/html")
    assert status == 200 and headers["Content-Type"].startswith("text/html") and "Trip to Oslo" in page
    assert ask(LINKS, bob, {"chat_session_id": "oslo"})[0] == 403, "the chat is not bob's to share"
    for name in ("shared-chats-1", "shared-chats-2"):
        log = stack.containers[name].log.read_text()
        assert "/api/v1/shared_chats/{id}" in log, f"{name} served nothing"
    said("alice signs in and shares; anyone opens the link through the proxy, on both instances; bob may not share her chat")
    return link


def a_private_one_wants_a_sign_in(alice, bob):
    link = share(alice, "oslo", is_private=True)
    assert ask(f"{LINKS}/{link['id']}")[0] == 401
    assert ask(f"{LINKS}/{link['id']}", bob)[0] == 200
    assert ask(f"{LINKS}/{link['id']}", alice, method="DELETE")[0] == 204
    assert {ask(f"{LINKS}/{link['id']}", bob)[0] for _ in range(4)} == {404}
    said("a private link wants a sign-in, and once deleted it is gone on both instances")


def events_come_as_they_happen(alice):
    link = share(alice, "oslo", is_frozen=False)
    stream = OPENER.open(f"{LINKS}/{link['id']}/events", timeout=20)
    began, first = time.monotonic(), stream.readline()
    assert first.startswith(b":"), first
    assert ask("http://localhost:8000/say/oslo?text=" + quote("And by train?"), method="POST")[0] == 200
    for line in stream:
        if line.startswith(b"data:"):
            assert "And by train?" in line.decode(), line
            break
    waited = time.monotonic() - began
    # The service got no notice, so it asked after LIVE_POLL_INTERVAL at the latest.
    assert waited < 10, f"the event came after {waited:.1f} s"
    said(f"a message arrives in an event stream through the proxy, {waited:.1f} s after it was written")
    assert ask(f"{LINKS}/{link['id']}", alice, method="DELETE")[0] == 204
    assert any(line.strip() == b"event: revoked" for line in stream), "the stream ended without a word"
    said("the stream ends when the link is deleted")


class Viewers:
    """Four of them, who view a link again and again."""

    def __init__(self, link, pause):
        self.url, self.pause, self.answers, self.over = f"{LINKS}/{link['id']}", pause, [], threading.Event()
        self.threads = [threading.Thread(target=self._view) for _ in range(4)]

    def _view(self):
        while not self.over.is_set():
            try:
                self.answers.append(ask(self.url)[0])
            except OSError as error:
                self.answers.append(error)
            time.sleep(self.pause)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def an_instance_ends_and_no_viewer_notices(stack, link):
    with Viewers(link, pause=0.05) as viewers:
        time.sleep(1)
        instance = stack.containers["shared-chats-1"]
        status = instance.stop()
        time.sleep(2)
    answers = viewers.answers
    assert status == 0, f"it ended with {status}"
    assert set(answers) == {200}, {answer: answers.count(answer) for answer in set(answers)}
    said(f"an instance is told to stop and ends with 0; none of {len(answers)} views meanwhile fails")
    instance.start()
    while not instance.is_healthy():
        time.sleep(0.2)


def who_asks_too_often_is_refused_alone(stack, link):
    """So the service knows clients apart, though one proxy stands before it."""
    proxy = stack.containers["proxy"].address
    url = f"http://{proxy}:8080/api/v1/shared_chats/{link['id']}"
    script = f"import urllib.request as r; print([r.urlopen('{url}').status for _ in range(50)])"
    with Viewers(link, pause=0) as viewers:
        end = time.monotonic() + 60
        # Each instance counts for itself.
        while viewers.answers[-20:].count(429) < 18 and time.monotonic() < end:
            time.sleep(0.1)
        other = stack.containers["chats"].run("python3", "-c", script)
    assert set(viewers.answers) == {200, 429}, set(viewers.answers)
    assert other.stdout == f"{[200] * 50}\n", other.stderr[-300:]
    said(f"an address is refused after {viewers.answers.count(200)} views; another one is not")


def metrics_are_for_the_inside_alone(stack):
    address = stack.containers["shared-chats-2"].address
    status, _, text = ask(f"http://{address}:9090/metrics")
    assert status == 200 and "\n# TYPE " in text, (status, text[:200])
    assert ask(API + "/metrics")[0] == 404
    said("metrics are on the management address, and not behind the proxy")


def nothing_secret_is_logged(stack, link, tokens):
    for container in stack.containers.values():
        log = container.log.read_text(errors="replace")
        for secret in (link["id"], *tokens):
            assert secret not in log, f"{container.name} logs a link or a token"
    said("no log of a service or the proxy holds the link's id or a token")


def what_runs_is_contained(stack):
    for name in ("shared-chats-1", "shared-chats-2"):
        process = Path(f"/proc/{stack.containers[name].pid()}")
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
        assert status["Uid"].split()[0] == "65532" and status["NoNewPrivs"] == "1", status
        assert status["CapEff"] == status["CapPrm"] == "0" * 16, status
        mounts = [line.split()[4:6] for line in (process / "mountinfo").read_text().splitlines()]
        writable = {place for place, options in mounts if "rw" in options.split(",")}
        writable = {place for place in writable if place.split("/")[1] not in ("dev", "proc")}
        assert writable == {"/data"}, writable
    said("the instances have no privileges, and nothing but /data to write to")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    arguments.add_argument("--image")
    arguments.add_argument("--apart", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if not given.apart:
        # Bridges, addresses, mounts and processes of its own, which end with it.
        apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        os.execvp("unshare", [*apart, sys.executable, *sys.argv, "--apart"])
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        stack = Stack(folder, given.binary, given.image)
        try:
            stack.up()
            said("all of compose.yaml is up and healthy")
            alice, bob = (sign_in(name, "http://localhost:9000") for name in ("alice", "bob"))
            what_runs_is_contained(stack)
            link = a_link_is_opened_by_anyone(stack, alice, bob)
            a_private_one_wants_a_sign_in(alice, bob)
            events_come_as_they_happen(alice)
            an_instance_ends_and_no_viewer_notices(stack, link)
            metrics_are_for_the_inside_alone(stack)
            who_asks_too_often_is_refused_alone(stack, link)
            nothing_secret_is_logged(stack, link, [alice, bob])
        except BaseException:
            for container in stack.containers.values():
                if container.log.exists():
                    print(f"--- {container.name}\n{container.log.read_text(errors='replace')[-1500:]}", file=sys.stderr)
            raise
        finally:
            stack.down()


if __name__ == "__main__":
    main()
