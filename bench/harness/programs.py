"""The service and the bare handler: built, started, asked and stopped."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target").absolute()
SERVICE = TARGET / "release" / "shared-chats"
BENCH = TARGET / "release" / "shared-chats-bench"
WITHOUT_LTO = ["--config", "profile.release.lto=false", "--config", "profile.release.codegen-units=16"]


def build(with_service, with_lto):
    """Builds the bare handler, and the service alike: one lock file, one target directory."""
    server = REPOSITORY / "bench" / "server"
    shutil.copy(REPOSITORY / "Cargo.lock", server / "Cargo.lock")
    for folder in [server, *([REPOSITORY] if with_service else [])]:
        command = ["cargo", "build", "--release", "--quiet", *([] if with_lto else WITHOUT_LTO)]
        subprocess.run(command, cwd=folder, env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)}, check=True)


class Program:
    """A running process that prints where it listens; its log goes to a file, as under a supervisor."""

    def __init__(self, command, settings, log):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        self.log = log
        with open(log, "ab") as stderr:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                env={**kept, "BIND_ADDRESS": "127.0.0.1:0", **settings},
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        said = (line.split()[-1] for line in self.process.stdout if line.startswith("listening on "))
        self.url = next(said, "")
        if not self.url:
            sys.exit(f"{command[0]} ended with {self.process.wait()}\n{log.read_text(errors='replace')[-2000:]}")

    @property
    def pid(self):
        return self.process.pid

    def request(self, method, path, body=None, **headers):
        """The status, the headers as pairs, and the body."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        answer = response.status, response.getheaders(), response.read()
        connection.close()
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


# What the framework adds by itself.
ADDED = {"date", "content-length", "connection", "transfer-encoding"}


def record(program, line, status, file):
    """Writes what the service answers to a line of a workload, for the bare handler to answer the same."""
    method, path, body, *headers = line.split("\t")
    got, fields, answer = program.request(method, path, body, **dict(header.split(": ", 1) for header in headers))
    if got != status:
        sys.exit(f"{method} {path} answered {got}, not {status}: {answer[:300]!r}")
    head = [str(status), *(f"{name}: {value}" for name, value in fields if name.lower() not in ADDED)]
    file.write_bytes("\n".join(head).encode() + b"\n\n" + answer)
    return dict((name.lower(), value) for name, value in fields)
