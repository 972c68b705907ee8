"""HAProxy with deploy/haproxy.cfg: as it is shipped, but for addresses, and for the replacements that a test names."""

import os
import re
import shutil
import subprocess
import time

import requests

from conftest import REPOSITORY
from ports import free_port

PROGRAM = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
CONFIGURATION = REPOSITORY / "deploy" / "haproxy.cfg"
LISTED_ORIGIN = "https://app.example.com"
STATE = """
frontend state
    bind 127.0.0.1:{}
    http-request use-service prometheus-exporter
"""


class Proxy:
    """In front of one or two instances, by their addresses (`127.0.0.1:8080`)."""

    def __init__(self, folder, *instances, replace=None):
        self.port, self.health, self.state = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log, self.process = folder / "haproxy.log", None
        self.servers = ["one", "two"][: len(instances)]
        text = CONFIGURATION.read_text()
        changes = {"bind :8080": f"bind 127.0.0.1:{self.port}", "bind :8404": f"bind 127.0.0.1:{self.health}"}
        changes |= {f"shared-chats-{number}:8080": address for number, address in enumerate(instances, 1)}
        for old, new in {**changes, **(replace or {})}.items():
            assert old in text, f"{CONFIGURATION.name} has no `{old}`"
            text = text.replace(old, new)
        if len(instances) == 1:
            text = re.sub(r"^ +server two .*\n", "", text, flags=re.MULTILINE)
        self.configuration = folder / "haproxy.cfg"
        self.configuration.write_text(text + STATE.format(self.state))

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([PROGRAM, "-db", "-f", self.configuration], stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not (self.answers() and all(map(self.is_up, self.servers))):
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()[-3000:]
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def answers(self):
        try:
            return requests.get(f"http://127.0.0.1:{self.health}/health", timeout=30).ok
        except (requests.ConnectionError, requests.Timeout):
            return False

    def is_up(self, server):
        metrics = requests.get(f"http://127.0.0.1:{self.state}/metrics", timeout=30).text
        return f'haproxy_server_status{{proxy="short",server="{server}",state="UP"}} 1' in metrics
