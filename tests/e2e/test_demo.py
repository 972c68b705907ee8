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

LINK = re.compile(r"http://[\d.]+:\d+/shared/[0-9a-f]{8}-[0-9a-f-]{27}")
LAST_LINE = "Ctrl-C ends the demo"
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


class Demo:
    def __init__(self, binary, directory, **settings):
        self.temporary = directory / "tmp"
        self.current = directory / "cwd"
        self.temporary.mkdir()
        self.current.mkdir()
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            [str(binary), "demo"],
            env={**environment, "BIND_ADDRESS": "127.0.0.1:0", "TMPDIR": str(self.temporary), **settings},
            cwd=self.current,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            bufsize=1,
        )
        self.output = ""
        threading.Thread(target=self._read, daemon=True).start()
        eventually(self._has_said_all, START_SECONDS, "the demo printed all that it has to say")

    def _read(self):
        for line in self.process.stdout:
            self.output += line
        self.process.stdout.close()

    def _has_said_all(self):
        assert self.process.poll() is None, f"the demo ended with {self.process.poll()}:\n{self.output}"
        return LAST_LINE in self.output

    @property
    def link(self):
        return LINK.search(self.output)[0]

    @property
    def product(self):
        """The address of the chat product, which is the first that is printed."""
        return re.search(r"https?://\S+", self.output)[0]

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


    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def demo(binary, tmp_path):
    demo = Demo(binary, tmp_path)
    yield demo
    demo.close()


@pytest.fixture
def demo_with(binary, tmp_path):
    """Starts a demo with settings."""
    started = []

    def start(**settings):
        started.append(Demo(binary, tmp_path, **settings))
        return started[-1]

    yield start
    for demo in started:
        demo.close()


class Product:
    """The chat product, called as its own page does."""

    def __init__(self, demo):
        self.url = demo.product
        self.origin = self.url[: self.url.index("/", len("http://"))]
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path, **options):
        return self.session.get(self.url + path, timeout=30, allow_redirects=False, **options)

    def post(self, path, body, **headers):
        headers = {"Origin": self.origin, **headers}
        return self.session.post(self.url + path, json=body, headers=headers, timeout=30)

    def sign_in(self, user, **more):
        answer = self.post("session", {"user": user, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()


def listening(pid):
    """The addresses on which a process accepts TCP connections."""
    links = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()]
    sockets = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    found = []
    for line in Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in sockets:
            address, port = fields[1].split(":")
            found.append((".".join(str(byte) for byte in reversed(bytes.fromhex(address))), int(port, 16)))
    return found


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
        checked = command.replace("curl ", "curl --fail-with-body -sS --max-time 60 ", 1)
        script = "\n".join(["set -o pipefail", *variables, checked])
        done = subprocess.run(
            ["bash", "-c", script], cwd=here, capture_output=True, text=True, errors="replace", timeout=120
        )
        assert done.returncode == 0, f"{command}\n{shlex.join(done.args)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def test_an_edited_chat_appears_in_the_watching_curl_line(demo):
    watch = re.search(r"curl -N (\S+/events)", demo.output)
    file = re.search(r"^\s+(/\S+\.json)$", demo.output, re.MULTILINE)
    with subprocess.Popen(
        ["curl", "-sSN", "--max-time", "60", watch[1]], stdout=subprocess.PIPE, text=True, encoding="utf-8"
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
            # "A second later", as the demo says; the rest is for a loaded machine.
            assert time.monotonic() - began < 15
            assert 'event: renamed\ndata: {"name":"Another name"}' in seen
            assert "event: message\nid: new\n" in seen
        finally:
            curl.kill()


def test_ctrl_c_ends_the_demo_and_leaves_no_file_behind(demo):
    assert demo.files(), "the demo keeps its database in a temporary file"
    assert demo.interrupt() == 0
    assert demo.files() == []


def test_the_first_address_that_is_printed_opens_the_chat_product(demo):
    assert LINK.search(demo.output).start() > demo.output.index(demo.product)
    product = Product(demo)
    page = product.get("")
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    service = demo.link.split("/shared/")[0]
    for dialog in ("share-chat-dialog", "shared-chats-dialog"):
        assert f'<script type="module" src="{service}/ui/{dialog}.js">' in page.text
    assert product.get("state").json()["is_first_visit"] is True
    product.sign_in("alice")
    state = product.get("state").json()
    assert (state["user"], state["is_first_visit"]) == ("alice", False)
    assert "quarterly-report" in [chat["id"] for chat in state["chats"]]
    shown = product.get("conversation?id=quarterly-report").json()
    assert shown["name"] and "<pre" in shown["messages"][0]["html"]


def test_the_product_shows_each_user_their_own_chats_alone(demo):
    product = Product(demo)
    product.sign_in("bob")
    assert "quarterly-report" not in [chat["id"] for chat in product.get("state").json()["chats"]]
    assert product.get("conversation?id=quarterly-report").status_code == 404
    assert product.post("messages", {"chat": "quarterly-report", "content": "x"}).status_code == 404
    product.sign_in(None)
    assert product.get("state").json()["chats"] == []
    for answer in (product.get("conversation?id=quarterly-report"), product.post("token", {})):
        assert answer.status_code == 401 and answer.json()["message"] == "You are signed out."


def test_the_product_gives_nothing_to_other_hosts_and_sites(demo):
    product = Product(demo)
    product.sign_in("alice")
    token = product.post("token", {})
    assert TOKEN.fullmatch(token.json()["token"])
    assert not any(name.lower().startswith("access-control-") for name in token.headers)
    service = demo.link.split("/shared/")[0]
    port = product.origin.rsplit(":", 1)[1]
    for headers in (
        {"Host": f"attacker.example:{port}"},
        {"Host": f"attacker.example:{port}", "Origin": f"http://attacker.example:{port}"},
        {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"},
        {"Origin": "https://attacker.example"},
        {"Origin": service},
        {"Origin": "null"},
        {"Origin": None},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        for path in ("token", "session"):
            answer = product.post(path, {"user": "bob"} if path == "session" else {}, **headers)
            assert answer.status_code == 403 and not TOKEN.search(answer.text), (path, headers, answer.text)
            assert "Set-Cookie" not in answer.headers
    for headers in ({"Host": f"attacker.example:{port}"}, {"Origin": service}, {"Sec-Fetch-Site": "same-site"}):
        assert product.get("conversation?id=quarterly-report", headers=headers).status_code == 403, headers
    framed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}
    assert product.get("", headers=framed).status_code == 403
    preflight = product.session.options(
        product.url + "token", headers={"Origin": service, "Access-Control-Request-Method": "POST"}, timeout=30
    )
    assert preflight.status_code == 403 and "Access-Control-Allow-Origin" not in preflight.headers
    # A form, which another site can post without asking first.
    as_form = {"Origin": product.origin, "Content-Type": "text/plain"}
    posted = product.session.post(product.url + "session", data='{"user": "bob"}', headers=as_form, timeout=30)
    assert posted.status_code == 400
    assert product.get("state").json()["user"] == "alice"


def test_the_product_is_not_found_without_its_key(demo):
    product = Product(demo)
    for path in ("/", "/token", "/state", "/app.js", f"/{'0' * 32}/", f"/{'0' * 32}/token"):
        for method in ("GET", "POST"):
            headers = {"Origin": product.origin}
            answer = product.session.request(method, product.origin + path, headers=headers, timeout=30)
            assert answer.status_code == 404 and not answer.cookies, (method, path)
    localhost = {"Host": product.origin.replace("http://127.0.0.1", "localhost")}
    refused = product.get("", headers=localhost)
    assert refused.status_code == 403 and "http://127.0.0.1" in refused.text


def test_signing_in_opens_a_private_link_and_leads_back_to_it_alone(demo):
    product = Product(demo)
    owner = {"Authorization": f"Bearer {demo.tokens[0]}"}
    base, _, link = demo.link.partition("/shared/")
    private = requests.patch(
        f"{base}/api/v1/shared_chats/{link}", json={"is_private": True}, headers=owner, timeout=30
    )
    assert private.status_code == 204, private.text
    html = {"Accept": "text/html"}
    asked = product.session.get(demo.link, headers=html, timeout=30)
    assert asked.status_code == 401
    assert f'href="{product.url}?return_to=' in asked.text
    assert product.sign_in("bob", return_to=demo.link) == {"next": demo.link}
    assert product.session.get(demo.link, headers=html, timeout=30).status_code == 200
    for elsewhere in ("https://attacker.example/", f"{base}.attacker.example/", "javascript:alert(1)", product.url):
        assert product.sign_in("bob", return_to=elsewhere) == {"next": None}
    product.sign_in(None)
    assert product.session.get(demo.link, headers=html, timeout=30).status_code == 401


def test_a_message_that_is_added_appears_in_the_watching_curl_line_at_once(demo_with):
    # It is told of, and need not wait until the file is looked at again.
    demo = demo_with(LIVE_POLL_INTERVAL="60s")
    product = Product(demo)
    product.sign_in("alice")
    watch = re.search(r"curl -N (\S+/events)", demo.output)[1]
    with subprocess.Popen(
        ["curl", "-sSN", "--max-time", "60", watch], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as curl:
        try:
            assert curl.stdout.readline() == ": live\n"
            added = product.post("messages", {"chat": "quarterly-report", "content": "Hello *there*"})
            began = time.monotonic()
            assert added.status_code == 204, added.text
            seen = ""
            while '"Hello *there*"' not in seen:
                line = curl.stdout.readline()
                assert line, seen
                seen += line
            # Long before the file would be looked at again.
            assert time.monotonic() - began < 30
        finally:
            curl.kill()
    last = product.get("conversation?id=quarterly-report").json()["messages"][-1]
    assert "<em>there</em>" in last["html"] and last["role"] == "user"


def test_a_file_of_the_user_is_shown_and_never_written(demo_with, tmp_path):
    message = {"id": "m", "content": "Hello", "created_at": "2026-11-22T10:00:00Z"}
    text = json.dumps([{"id": "c-1", "owner": "auth0|7", "messages": [message]}])
    file = tmp_path / "mine.json"
    file.write_text(text, encoding="utf-8")
    product = Product(demo_with(CHAT_SERVICE_URL=f"file:{file}"))
    product.sign_in("auth0|7")
    state = product.get("state").json()
    assert state["can_add_messages"] is False and [chat["id"] for chat in state["chats"]] == ["c-1"]
    assert "Hello" in product.get("conversation", params={"id": "c-1"}).json()["messages"][0]["html"]
    assert product.post("messages", {"chat": "c-1", "content": "x"}).status_code == 404
    assert file.read_text(encoding="utf-8") == text
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine.json"]


def test_the_product_stays_on_loopback_when_the_service_does_not(demo_with):
    demo = demo_with(BIND_ADDRESS="0.0.0.0:0")
    assert "to browsers on this machine alone" in demo.output
    port = int(re.match(r"http://127\.0\.0\.1:(\d+)/", demo.product)[1])
    addresses = listening(demo.process.pid)
    assert ("127.0.0.1", port) in addresses and len(addresses) == 2
    assert Product(demo).get("").status_code == 200


def test_serve_has_no_chat_product(service):
    assert len(listening(service.process.pid)) == 1
    assert len("".join(service.output).split("http")) == 2
    for path in ("/", "/token", "/session", "/state", "/app.js"):
        assert service.http().get(path).status_code == 404
        assert service.http().post(path, json={}).status_code == 404
