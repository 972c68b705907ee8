"""A primary dies, and a synchronous standby at another address takes over: nothing acknowledged is lost, and the
service finds it by itself."""

import time

import pytest

from conftest import eventually
from faults.cluster import Server
from faults.conftest import FULL
from faults.recording import Recording
from faults.tcp_proxy import TcpProxy
from faults.verify import verify

# In the short form, which is for machines that do other things too, it must be enough to start with.
TIMEOUT_SECONDS = 2 if FULL else 3
# The rest is for a machine whose cores are taken. An answer that hangs takes 30 s (GIVE_UP_SECONDS).
MOST_SECONDS = 3 * TIMEOUT_SECONDS + 10
# Two seconds where the machine is free (docs/RELIABILITY.md).
RECOVERS_WITHIN_SECONDS = 15


@pytest.fixture
def primary(postgres_programs):
    server = Server(postgres_programs).create().start()
    yield server
    server.remove()


@pytest.fixture
def standby(primary, postgres_programs):
    """It has every commit of the primary before that is acknowledged."""
    server = Server(postgres_programs).standby_of(primary).start()
    primary.commits_wait_for_the_standby()
    yield server
    server.remove()


def dies(primary, proxy):
    primary.kill()


def falls_silent(primary, proxy):
    """It accepts connections, and says nothing: what a host that hangs looks like."""
    proxy.silence()
    primary.kill()


def takes_no_more_writes(primary, proxy):
    """It is fenced: sessions stay open, and the last of what they had under way is done."""
    primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    primary.execute("SELECT pg_reload_conf()")
    time.sleep(0.3)


@pytest.mark.parametrize(
    "by, end",
    [("two hosts", dies), ("two hosts", falls_silent), ("a proxy", dies), ("a proxy", takes_no_more_writes)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_synchronous_standby_takes_over(primary, standby, start, own_chats, figures, by, end):
    proxy = TcpProxy(primary.port)
    database = primary.new_database()
    direct = standby.url(database)
    url = primary.url(database, port=proxy.port)
    if by == "two hosts":
        # The standby first: it takes no writes yet, so it is passed over.
        url = url.replace(f":{proxy.port}/", f":{standby.port},127.0.0.1:{proxy.port}/")
    service = start(url, DATABASE_TIMEOUT=f"{TIMEOUT_SECONDS}s")
    with Recording(lambda: service.url, own_chats) as recording:
        time.sleep(1)
        broke = time.monotonic()
        end(primary, proxy)
        standby.promote()
        proxy.target = standby.port
        promoted = time.monotonic()
        time.sleep(RECOVERS_WITHIN_SECONDS + 0.5 if FULL else 3.5)
        written = lambda: [a for a in recording.since(promoted) if a.what != "view" and a.is_good]
        eventually(written, 60, "the standby takes what is written")
    assert (unanswered := [a for a in recording.answers if a.status is None]) == [], unanswered[:3]
    assert any(a.status == 503 for a in recording.answers if a.at + a.seconds > broke), "no request met the failover"
    recovered, slowest = recording.recovered_after(promoted), recording.slowest()
    assert recovered < RECOVERS_WITHIN_SECONDS, f"{recovered} s"
    assert slowest < MOST_SECONDS, f"{slowest} s"
    counts = verify(recording, service.url, direct)
    figures(**counts, missing=0, took_over_after=promoted - broke, slowest_answer=slowest, recovered_after=recovered)
    proxy.close()
