"""PostgreSQL stops, is restarted, or is cut off: every request has its answer in time, 503 where it must be,
nothing acknowledged is lost, and the service comes back by itself."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from conftest import eventually
from faults.conftest import FULL
from faults.recording import Recording
from faults.tcp_proxy import TcpProxy
from faults.verify import rows, verify

# In the short form, which is for machines that do other things too, it must be enough to start with.
TIMEOUT_SECONDS = 2 if FULL else 3
# A create with a key asks the database three times, each with DATABASE_TIMEOUT; the rest is this machine's own business:
# its cores may be taken. An answer that hangs takes 30 s (GIVE_UP_SECONDS).
MOST_SECONDS = 3 * TIMEOUT_SECONDS + 10
# At once where the machine is free (docs/RELIABILITY.md).
RECOVERS_WITHIN_SECONDS = 15
OUTAGE_SECONDS = 6 if FULL else 5


class Scene:
    """The service reaches its database by way of a proxy."""

    def __init__(self, server):
        self.server, self.proxy = server, TcpProxy(server.port)
        self.outage = None

    def stopped(self, how):
        self.server.stop(how)
        self.lasts()
        self.server.start()

    def lasts(self):
        self.outage = time.monotonic(), OUTAGE_SECONDS
        time.sleep(OUTAGE_SECONDS)


def stop(scene):
    scene.stopped("fast")


def stop_at_once(scene):
    scene.stopped("immediate")


def restart(scene):
    scene.server.stop("fast")
    scene.server.start()


def end_sessions(scene):
    for _ in range(5):
        # Once there is one again.
        eventually(scene.server.end_sessions, 30, "a session was ended")
        time.sleep(0.2)


def cut(scene):
    for _ in range(5):
        # Once there is one again.
        eventually(scene.proxy.cut, 30, "a connection was cut")
        time.sleep(0.2)


def silence(scene):
    scene.proxy.silence()
    scene.lasts()
    scene.proxy.speak()


def silence_then_cut(scene):
    scene.proxy.silence()
    scene.lasts()
    scene.proxy.cut()
    scene.proxy.speak()


OUTAGES = [stop, stop_at_once, restart, end_sessions, cut, silence, silence_then_cut]


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.__name__)
def test_an_outage_of_postgresql_is_answered_and_survived(own_postgres, start, own_chats, figures, outage):
    scene = Scene(own_postgres)
    database = own_postgres.new_database()
    url = own_postgres.url(database, port=scene.proxy.port)
    service = start(url, DATABASE_TIMEOUT=f"{TIMEOUT_SECONDS}s")
    with Recording(lambda: service.url, own_chats) as recording:
        time.sleep(0.7)
        began = time.monotonic()
        outage(scene)
        mended = time.monotonic()
        time.sleep(RECOVERS_WITHIN_SECONDS + 0.5 if FULL else 1.5)
        ready = lambda: requests.get(service.url + "/health/ready", timeout=60).status_code == 200
        eventually(ready, 60, "the service is ready again")
    during = recording.since(began)
    assert (unanswered := [a for a in during if a.status is None]) == [], unanswered[:3]
    refused = [a for a in during if a.status == 503]
    if scene.outage is not None:
        since, seconds = scene.outage
        # What began before the end and within sight of it is not counted as answered during the outage.
        well = [a for a in recording.since(since, since + seconds - TIMEOUT_SECONDS) if a.status != 503]
        well = [a for a in well if a.at + a.seconds < since + seconds]
        assert refused and not well, f"answered without a database: {well[:3]}"
    recovered, slowest = recording.recovered_after(mended), recording.slowest(began)
    assert recovered < RECOVERS_WITHIN_SECONDS, f"{recovered} s"
    assert slowest < MOST_SECONDS, f"{slowest} s"
    counts = verify(recording, service.url, own_postgres.url(database))
    figures(**counts, missing=0, refused=len(refused), slowest_answer=slowest, recovered_after=recovered)
    scene.proxy.close()


def test_two_instances_that_start_on_an_empty_database_make_one_schema(own_postgres, start, own_chats, figures):
    migrations = "SELECT version FROM __diesel_schema_migrations ORDER BY version"
    slowest, seen = 0.0, set()
    for _ in range(10 if FULL else 3):
        url = own_postgres.url(own_postgres.new_database())
        began = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            both = [run.result() for run in [pool.submit(start, url), pool.submit(start, url)]]
        slowest = max(slowest, time.monotonic() - began)
        versions = tuple(version for (version,) in rows(url, migrations))
        assert len(versions) == len(set(versions)) >= 4
        seen.add(versions)
        with Recording(lambda: both[0].url, own_chats, writers=1) as recording:
            time.sleep(0.2)
        # What one of them made, the other one shows.
        verify(recording, both[1].url, url)
        for service in both:
            service.terminate()
    assert len(seen) == 1
    figures(slowest_start=slowest)
