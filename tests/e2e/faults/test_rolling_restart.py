"""Two instances behind HAProxy, restarted one after the other under load: no request fails."""

import shutil
import subprocess
import time

import pytest

import proxy
from conftest import BINARY, User, eventually, link_path
from faults.conftest import FULL, left_out
from faults.recording import Recording
from faults.verify import verify
from ports import free_port
from proxy import Proxy

# Of several probes in DELAY one may be late. On a loaded machine those of two seconds may be late together.
DELAY = "2s" if FULL else "5s"
# The shipped file, but that a stop is noticed sooner, and that a retry covers for nothing.
REPLACE = {"retries 2": "retries 0", "inter 1s fall 2": "inter 100ms fall 1"}
# Each of the viewers sends a request at the same moments, so that as many are in flight at a time.
VIEWERS, BURSTS_PER_SECOND = 48, 4


def knows_delay():
    said = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True)
    return "SHUTDOWN_DELAY" in said.stdout


class Views:
    """Bursts of views by h2load, from now to the end of the block."""

    def __init__(self, url, folder):
        self.log = folder / "views.tsv"
        command = ["h2load", "--h1", "-t1", f"-c{VIEWERS}", f"--rps={BURSTS_PER_SECOND}", "-D600", f"--log-file={self.log}", url]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        assert self.process.poll() is None, "the load ended early"
        self.process.terminate()
        self.process.wait(30)

    def statuses(self):
        return [line.split("\t")[1] for line in self.log.read_text().splitlines() if line.count("\t") == 2]


def test_a_rolling_restart_fails_no_request(databases, start, own_chats, figures, tmp_path):
    for program in ("haproxy", "h2load"):
        if (proxy.PROGRAM if program == "haproxy" else shutil.which(program)) is None:
            left_out(f"no {program} (apt install haproxy nghttp2-client)")
    if not knows_delay():
        # Retries do not make up for it: what waits to be accepted when an instance ends is reset, and a proxy cannot
        # know whether a request was carried out.
        pytest.skip("this binary has no SHUTDOWN_DELAY: it refuses connections before the proxy knows")
    database_url = databases.new()
    addresses = {name: f"127.0.0.1:{free_port()}" for name in ("one", "two")}
    instances = {
        name: start(database_url, BIND_ADDRESS=address, SHUTDOWN_DELAY=DELAY) for name, address in addresses.items()
    }
    alice = User("Alice")
    link = instances["one"].http(alice).share(own_chats.new_chat(alice.sub))
    rounds = 5 if FULL else 1
    with Proxy(tmp_path, *addresses.values(), replace=REPLACE) as haproxy:
        with Views(haproxy.url + link_path(link), tmp_path) as views:
            with Recording(lambda: haproxy.url, own_chats, pause=0) as recording:
                time.sleep(0.5)
                for _ in range(rounds):
                    for name, instance in instances.items():
                        instance.terminate()
                        time.sleep(0.3)
                        instance.start()
                        eventually(lambda: haproxy.is_up(name), 60, f"{name} is up again")
                time.sleep(0.5)
        failed = [answer for answer in recording.answers if not answer.is_good]
        assert not failed, f"{len(failed)} of {len(recording.answers)} failed: {failed[:5]}"
        statuses = views.statuses()
        assert set(statuses) == {"200"}, {status: statuses.count(status) for status in set(statuses)}
        counts = verify(recording, haproxy.url, database_url)
    measured = {"restarts": 2 * rounds, "requests": len(recording.answers), "views": len(statuses), "failed": 0}
    figures(**measured, slowest_answer=recording.slowest(), **counts)
