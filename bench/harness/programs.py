"""The release binary and the bare reference: built, started, asked and stopped."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target").absolute()
BINARY = TARGET / "release" / "shared-chats"
BENCH = TARGET / "release" / "shared-chats-bench"


def build():
    """Builds both alike: one profile, one lock file, one target directory."""
    manifests = [REPOSITORY / "Cargo.toml", REPOSITORY / "bench" / "Cargo.toml"]
    profiles = [tomllib.loads(manifest.read_text())["profile"]["release"] for manifest in manifests]
    if profiles[0] != profiles[1]:
        sys.exit(f"the release profiles of {manifests[0]} and {manifests[1]} differ")
    shutil.copy(REPOSITORY / "Cargo.lock", REPOSITORY / "bench" / "Cargo.lock")
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
    for manifest in manifests:
        command = ["cargo", "build", "--release", "--quiet", "--manifest-path", str(manifest)]
        subprocess.run(command, env=environment, check=True)


class Program:
    """A running process that prints where it listens."""

    def __init__(self, command, settings, log):
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        environment |= {"BIND_ADDRESS": "127.0.0.1:0", **settings}
        self.log = log
        with open(log, "ab") as stderr:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                env=environment,
                cwd=Path(log).parent if Path(log).is_file() else tempfile.gettempdir(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self.url = ""
        for line in self.process.stdout:
            if line.startswith("listening on "):
                self.url = line.split()[-1]
                break
        if not self.url:
            tail = Path(log).read_text(errors="replace")[-2000:] if Path(log).is_file() else ""
            sys.exit(f"{command[0]} ended with {self.process.wait()} while it started\n{tail}")

    @staticmethod
    def run(command, settings):
        """A program that ends by itself."""
        environment = {"PATH": os.environ["PATH"], **settings}
        subprocess.run([str(part) for part in command], env=environment, check=True, stdout=subprocess.DEVNULL)

    @property
    def pid(self):
        return self.process.pid

    def request(self, method, path, body=None, **headers):
        """The status, the headers as pairs, and the body."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = response.status, response.getheaders(), response.read()
        connection.close()
        return answer

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


# What the middleware and the server add by themselves, at every answer anew.
ADDED = {"date", "content-length", "x-request-id", "x-content-type-options", "connection", "transfer-encoding"}


def record(program, path, folder, **headers):
    """Writes what the service answers, 200 and 304, for the reference to answer the same."""
    folder.mkdir(parents=True, exist_ok=True)
    status, fields, body = program.request("GET", path, **headers)
    if status != 200:
        sys.exit(f"GET {path} answered {status}: {body[:300]!r}")
    tag = next((value for name, value in fields if name.lower() == "etag"), None)
    answers = [(200, fields, body)]
    if tag:
        status, fields, body = program.request("GET", path, **headers, If_None_Match=tag)
        if status != 304:
            sys.exit(f"GET {path} with If-None-Match answered {status}")
        answers.append((304, fields, body))
    for status, fields, body in answers:
        head = [f"{name}: {value}" for name, value in fields if name.lower() not in ADDED]
        (folder / f"{status}.head").write_text("\n".join(head))
        (folder / f"{status}.body").write_bytes(body)
    return tag
