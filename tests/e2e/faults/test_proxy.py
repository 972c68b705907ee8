"""What deploy/haproxy.cfg does with requests that an instance cannot serve now, and with bad clients."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

import proxy
from conftest import User, assert_error, eventually, link_path
from faults.conftest import left_out
from proxy import LISTED_ORIGIN, Proxy

MAXCONN = 64
VIEW = "/api/v1/shared_chats/oslo"
CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers")


@pytest.fixture(autouse=True)
def haproxy():
    if proxy.PROGRAM is None:
        left_out("no HAProxy (apt install haproxy)")


class Instance:
    """A server whose answers are held back, except those to health checks."""

    def __init__(self):
        self.paths, self.let_go, self._lock = [], threading.Event(), threading.Lock()
        self.check_seconds = 0
        instance = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == "/health/ready":
                    time.sleep(instance.check_seconds)
                else:
                    with instance._lock:
                        instance.paths.append(f"{self.command} {self.path}")
                    instance.let_go.wait(120)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET

            def log_message(self, *_):
                """Silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads, block_on_close, request_queue_size = True, False, 256

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server.server_address[1]}"

    def stop(self):
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def instance():
    instance = Instance()
    yield instance
    instance.stop()


@contextmanager
def requests_in_flight(url, count, method="GET"):
    """Sends so many, and gives their answers once the block is over."""
    with ThreadPoolExecutor(count) as pool:
        yield [pool.submit(requests.request, method, url, timeout=180) for _ in range(count)]


def test_a_request_that_waits_longer_in_the_queue_is_refused_as_the_contract_says(instance, tmp_path):
    with Proxy(tmp_path, instance.address) as proxy:
        with requests_in_flight(proxy.url + VIEW, MAXCONN) as in_flight:
            eventually(lambda: len(instance.paths) == MAXCONN, 60, "all of them are at the instance")
            began = time.monotonic()
            refused = requests.get(proxy.url + VIEW, headers={"Origin": LISTED_ORIGIN}, timeout=60)
            waited = time.monotonic() - began
            of_other_origin = requests.get(proxy.url + VIEW, headers={"Origin": "https://evil.example"}, timeout=60)
            instance.let_go.set()
        assert {answer.result().status_code for answer in in_flight} == {200}
        served = requests.get(proxy.url + VIEW, headers={"Origin": LISTED_ORIGIN}, timeout=60)
        log = proxy.log.read_text()

    assert_error(refused, 503, "unavailable")
    assert refused.headers["Retry-After"] == "5"
    assert refused.headers["Vary"] == "Origin"
    assert refused.headers["X-Request-Id"] == refused.json()["request_id"]
    assert refused.headers["X-Request-Id"] in log, "the log does not say which request it was"
    # `timeout queue` is a tenth of a second. Without it the answer would come with those before it.
    assert 0.1 <= waited < 20, waited
    assert [refused.headers[name] for name in CORS] == [LISTED_ORIGIN, "true", "Retry-After"]
    assert of_other_origin.status_code == 503 and not set(CORS) & set(of_other_origin.headers)
    # Those of other answers are the service's.
    assert served.status_code == 200 and not set(CORS) & set(served.headers)
    assert "oslo" not in log, "the log has a path"


@pytest.mark.parametrize("path", ["/health/ready", "/health/ready?", "/health/re%61dy", "/health/ready/"])
def test_probes_of_the_database_are_not_published(path, instance, tmp_path):
    instance.let_go.set()
    with Proxy(tmp_path, instance.address) as proxy:
        refused = requests.get(proxy.url + path, timeout=60)
        assert requests.get(proxy.url + "/health/live", timeout=60).status_code == 200
    assert_error(refused, 404, "not_found")
    assert refused.headers["X-Request-Id"] == refused.json()["request_id"]
    assert instance.paths == ["GET /health/live"]


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", VIEW + "/events"),
        ("GET", VIEW + "/events?after=1"),
        ("GET", VIEW + "/%65vent%73"),
        ("GET", VIEW + "/artifacts/map.png"),
        ("GET", VIEW + "/%61rtifacts/map.png"),
        ("POST", "/api/v1/shared_chats"),
        ("PATCH", VIEW),
        ("DELETE", VIEW),
        ("OPTIONS", VIEW),
    ],
)
def test_what_may_take_long_needs_no_place_among_the_views(instance, tmp_path, method, path):
    with Proxy(tmp_path, instance.address) as proxy:
        with (
            requests_in_flight(proxy.url + path, 2 * MAXCONN, method) as long,
            requests_in_flight(proxy.url + VIEW, MAXCONN) as short,
        ):
            eventually(lambda: len(instance.paths) == 3 * MAXCONN, 60, "all of them are at the instance")
            instance.let_go.set()
        assert {answer.result().status_code for answer in [*long, *short]} == {200}


def test_without_an_instance_the_answer_is_the_same(instance, tmp_path):
    with Proxy(tmp_path, instance.address, replace={"inter 1s": "inter 100ms"}) as proxy:
        instance.stop()
        eventually(lambda: not proxy.is_up("one"), 60, "the proxy knows that it is gone")
        for method in ("GET", "POST"):
            refused = requests.request(method, proxy.url + VIEW, headers={"Origin": LISTED_ORIGIN}, timeout=60)
            assert_error(refused, 503, "unavailable")
            assert refused.headers["Retry-After"] == "5"
            assert refused.headers["Access-Control-Allow-Origin"] == LISTED_ORIGIN


def test_frozen_links_are_served_while_the_chat_service_hangs(start, databases, own_chats, tmp_path):
    service = start(databases.new())
    alice = User("Alice")
    owner = service.http(alice)
    frozen = owner.share(own_chats.new_chat(alice.sub))
    live = [owner.share(own_chats.new_chat(alice.sub), is_frozen=False) for _ in range(2 * MAXCONN)]
    with Proxy(tmp_path, service.url.removeprefix("http://")) as proxy, ThreadPoolExecutor(3 * MAXCONN) as pool:
        with own_chats.answers_held_back() as until_one_waits:
            # Of many chats, and many of one.
            paths = [link_path(link) for link in live] + [link_path(live[0])] * MAXCONN
            views = [pool.submit(requests.get, proxy.url + path, timeout=180) for path in paths]
            until_one_waits()
            eventually(lambda: sum(view.done() for view in views) >= 2 * MAXCONN, 60, "most of them are refused")
            waiting = sum(not view.done() for view in views)
            for _ in range(100):
                answer = requests.get(proxy.url + link_path(frozen), timeout=60)
                assert answer.status_code == 200, (answer.status_code, answer.text)
        statuses = {view.result().status_code for view in views}
    assert waiting > 0, "no view waited for the chat service"
    assert statuses <= {200, 503}, statuses


def test_a_head_that_comes_too_slowly_is_given_up_the_later_ones_too(instance, tmp_path):
    instance.let_go.set()
    with Proxy(tmp_path, instance.address, replace={"timeout http-request 10s": "timeout http-request 1s"}) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client:
            client.sendall(f"GET {VIEW} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
            assert _is_closed_while_dripping(client, seconds=20), "the second head may take as long as it likes"
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client:
            assert _is_closed_while_dripping(client, seconds=20), "the first head may take as long as it likes"


def _is_closed_while_dripping(client, seconds):
    client.settimeout(0.1)
    end = time.monotonic() + seconds
    head = iter(f"GET {VIEW} HTTP/1.1\r\nX-Long: {'x' * 1000}".encode())
    while time.monotonic() < end:
        try:
            client.sendall(bytes([next(head)]))
            answer = client.recv(4096)
        except TimeoutError:
            continue
        except OSError:
            return True
        if not answer or answer.startswith(b"HTTP/1.1 408"):
            return True
    return False


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not TLS here\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"GET " + VIEW.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET " + VIEW.encode() + b" HTTP/1.1\r\nHost: x\r\nbad header: 1\r\n\r\n",
    ],
    ids=["tls", "ssh", "two-lengths", "bad-header"],
)
def test_what_is_no_http_does_not_reach_an_instance(instance, tmp_path, sent):
    instance.let_go.set()
    with Proxy(tmp_path, instance.address) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client:
            client.sendall(sent)
            answer = client.recv(4096)
            assert answer.startswith(b"HTTP/1.1 400 ") or not answer, answer[:200]
    assert instance.paths == []


def test_an_instance_that_answers_health_checks_late_is_not_left_out(instance, tmp_path):
    instance.let_go.set()
    instance.check_seconds = 1.5
    with Proxy(tmp_path, instance.address, replace={"inter 1s": "inter 100ms"}) as proxy:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            assert requests.get(proxy.url + VIEW, timeout=60).status_code == 200
            time.sleep(0.05)
