"""Two instances behind HAProxy, restarted one after the other under load: no request fails."""

import os
import shutil
import subprocess
import time

import pytest
import requests

from conftest import BINARY, eventually
from faults.conftest import FULL, free_port, left_out
from faults.recording import Recording
from faults.verify import verify

# Of several probes in DELAY one may be late.
DELAY = "2s"
# Asks each instance every 100 ms; sends requests to those alone that were ready the last time.
CONFIGURATION = """
global
    log stderr format raw local0 warning
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    option httpchk GET /health/ready
    http-check expect status 200
    timeout check 5s
    retries 0
    default-server check inter 100ms fall 1 rise 1
frontend links
    bind 127.0.0.1:{port}
    default_backend instances
backend instances
    balance roundrobin
    server a 127.0.0.1:{a}
    server b 127.0.0.1:{b}
frontend state
    bind 127.0.0.1:{state}
    http-request use-service prometheus-exporter if {{ path /metrics }}
"""


@pytest.fixture
def haproxy(tmp_path):
    program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        left_out("no HAProxy (apt install haproxy)")
    running = []

    def start(**ports):
        (tmp_path / "haproxy.cfg").write_text(CONFIGURATION.format(**ports))
        running.append(subprocess.Popen([program, "-db", "-f", tmp_path / "haproxy.cfg"]))
        return f"http://127.0.0.1:{ports['port']}"

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


def is_up(state, server):
    metrics = requests.get(f"http://127.0.0.1:{state}/metrics", timeout=5).text
    return f'haproxy_server_status{{proxy="instances",server="{server}",state="UP"}} 1' in metrics


def knows_delay():
    said = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True)
    return "SHUTDOWN_DELAY" in said.stdout


def test_a_rolling_restart_fails_no_request(databases, start, haproxy, own_chats, figures):
    if not knows_delay():
        # Retries do not make up for it: what waits to be accepted when an instance ends is reset, and a proxy cannot
        # know whether a request was carried out.
        pytest.skip("this binary has no SHUTDOWN_DELAY: it refuses connections before the proxy knows")
    database_url = databases.new()
    ports = {name: free_port() for name in ("port", "a", "b", "state")}
    instances = {
        name: start(database_url, BIND_ADDRESS=f"127.0.0.1:{ports[name]}", SHUTDOWN_DELAY=DELAY) for name in ("a", "b")
    }
    url = haproxy(**ports)
    is_served = lambda: all(is_up(ports["state"], name) for name in instances)
    eventually(lambda: _answers(ports["state"]) and is_served(), 10, "both are up")
    rounds = 5 if FULL else 1
    with Recording(lambda: url, own_chats, pause=0) as recording:
        time.sleep(0.5)
        for _ in range(rounds):
            for name, instance in instances.items():
                instance.terminate()
                time.sleep(0.3)
                instance.start()
                eventually(lambda: is_up(ports["state"], name), 10, f"{name} is up again")
        time.sleep(0.5)
    failed = [answer for answer in recording.answers if not answer.is_good]
    assert not failed, f"{len(failed)} of {len(recording.answers)} failed: {failed[:5]}"
    counts = verify(recording, url, database_url)
    figures(restarts=2 * rounds, requests=len(recording.answers), failed=0, slowest_answer=recording.slowest(), **counts)


def _answers(port):
    try:
        return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).ok
    except requests.ConnectionError:
        return False
