"""A newcomer runs `demo` and follows what it prints."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import jwt
import pytest
import requests

from conftest import START_SECONDS, STOP_SECONDS, eventually

LINK = re.compile(r"http://127\.0\.0\.1:\d+/shared/[0-9a-f]{8}-[0-9a-f-]{27}")
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


class Demo:
    def __init__(self, binary, directory):
        self.temporary = directory / "tmp"
        self.current = directory / "cwd"
        self.temporary.mkdir()
        self.current.mkdir()
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            [str(binary), "demo"],
            env={**environment, "BIND_ADDRESS": "127.0.0.1:0", "TMPDIR": str(self.temporary)},
            cwd=self.current,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            bufsize=1,
        )
        self.output = ""
        self.last_output = time.monotonic()
        threading.Thread(target=self._read, daemon=True).start()
        eventually(self._has_said_all, START_SECONDS, "the demo printed a link, two tokens, and came to rest")

    def _read(self):
        for line in self.process.stdout:
            self.output += line
            self.last_output = time.monotonic()
        self.process.stdout.close()

    def _has_said_all(self):
        assert self.process.poll() is None, f"the demo ended with {self.process.poll()}:\n{self.output}"
        quiet = time.monotonic() - self.last_output > 0.5
        return quiet and LINK.search(self.output) and len(self.tokens) >= 2

    @property
    def link(self):
        return LINK.search(self.output)[0]

    @property
    def tokens(self):
        return list(dict.fromkeys(TOKEN.findall(self.output)))

    def commands(self):
        """The curl lines, each with the lines that it continues on, and the shell variables set before."""
        joined = re.sub(r"\\\n\s*", " ", self.output)
        variables = []
        for line in map(str.strip, joined.splitlines()):
            line = line.removeprefix("$ ")
            if re.match(r"(export\s+)?[A-Za-z_]+=\S", line):
                variables.append(line)
            elif line.startswith("curl "):
                yield variables[:], line

    def files(self):
        return [path for root in (self.temporary, self.current) for path in root.rglob("*") if path.is_file()]

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)


@pytest.fixture
def demo(binary, tmp_path):
    demo = Demo(binary, tmp_path)
    yield demo
    if demo.process.poll() is None:
        demo.process.kill()
        demo.process.wait()


def test_the_link_of_the_demo_opens_in_a_browser_and_for_curl(demo):
    page = requests.get(demo.link, headers={"Accept": "text/html"}, timeout=30)
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    view = requests.get(demo.link, headers={"Accept": "application/json"}, timeout=30).json()
    assert view["messages"] and view["name"] in page.text.replace("&#x27;", "'").replace("&#39;", "'")


def test_the_demo_prints_a_token_for_alice_and_one_for_bob(demo):
    subjects = {jwt.decode(token, options={"verify_signature": False})["sub"] for token in demo.tokens}
    assert len(subjects) >= 2
    for name in ("alice", "bob"):
        assert name in demo.output.lower()
        assert any(name in subject.lower() for subject in subjects), subjects
    base = demo.link.split("/shared/")[0]
    for token in demo.tokens:
        answer = requests.get(
            f"{base}/api/v1/shared_chats", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        assert answer.status_code == 200 or "scope" in jwt.decode(token, options={"verify_signature": False})


def test_the_demo_draws_a_code_in_the_terminal(demo):
    assert sum(bool(re.search("[█▀▄]{4}", line)) for line in demo.output.splitlines()) >= 10


def test_every_curl_line_of_the_demo_works_when_pasted(demo, tmp_path):
    assert shutil.which("curl") and shutil.which("bash")
    here = tmp_path / "pasted"
    here.mkdir()
    commands = list(demo.commands())
    assert len(commands) >= 2, demo.output
    for variables, command in commands:
        checked = command.replace("curl ", "curl --fail-with-body -sS --max-time 20 ", 1)
        script = "\n".join(["set -o pipefail", *variables, checked])
        done = subprocess.run(
            ["bash", "-c", script], cwd=here, capture_output=True, text=True, errors="replace", timeout=60
        )
        assert done.returncode == 0, f"{command}\n{shlex.join(done.args)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def test_an_edited_chat_appears_in_the_watching_curl_line(demo):
    watch = re.search(r"curl -N (\S+/events)", demo.output)
    file = re.search(r"^\s+(/\S+\.json)$", demo.output, re.MULTILINE)
    with subprocess.Popen(
        ["curl", "-sSN", "--max-time", "20", watch[1]], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as curl:
        try:
            assert curl.stdout.readline() == ": live\n"
            chats = json.loads(Path(file[1]).read_text(encoding="utf-8"))
            chats[0]["messages"].append({"id": "new", "content": "Hello?", "created_at": "2026-11-22T10:00:00Z"})
            chats[0]["name"] = "Another name"
            Path(file[1]).write_text(json.dumps(chats), encoding="utf-8")
            began = time.monotonic()
            seen = ""
            while '"Hello?"' not in seen:
                line = curl.stdout.readline()
                assert line, seen
                seen += line
            assert time.monotonic() - began < 3
            assert 'event: renamed\ndata: {"name":"Another name"}' in seen
            assert "event: message\nid: new\n" in seen
        finally:
            curl.kill()


def test_ctrl_c_ends_the_demo_and_leaves_no_file_behind(demo):
    assert demo.files(), "the demo keeps its database in a temporary file"
    assert demo.interrupt() == 0
    assert demo.files() == []
