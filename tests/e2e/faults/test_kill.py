"""kill -9 in the middle of writes: what was acknowledged is there afterwards, and nothing is half made."""

import random
import time

from conftest import eventually
from faults.conftest import FULL
from faults.recording import Recording
from faults.verify import verify

KILLS = 20 if FULL else 5


def test_what_was_acknowledged_before_a_kill_is_there_after_it(start, databases, own_chats, figures):
    service = start(database_url := databases.new())
    recording = Recording(lambda: service.url, own_chats, pause=0)
    totals, starts, seen = {"in_doubt": 0}, [], 0
    for _ in range(KILLS):
        with recording:
            time.sleep(random.uniform(0.2, 1.0))
            # One request in twelve is a deletion; a slow machine may not have come to one yet.
            deleted = lambda: any(a.what == "delete" and a.status == 204 for a in recording.answers)
            eventually(deleted, 60, "a link was deleted")
            service.kill()
            # They meet a closed port, too.
            time.sleep(0.1)
        began = time.monotonic()
        service.start()
        starts.append(time.monotonic() - began)
        totals["in_doubt"] += verify(recording, service.url, database_url, since=seen)["in_doubt"]
        seen = len(recording.links)
    counts = verify(recording, service.url, database_url)
    answered = [answer for answer in recording.answers if answer.status in (200, 201, 204)]
    figures(kills=KILLS, **{**counts, **totals}, acknowledged=len(answered), missing=0, slowest_start=max(starts))
    assert counts["deleted"] > 0 and totals["in_doubt"] > 0, "the kills came when nothing was going on"
