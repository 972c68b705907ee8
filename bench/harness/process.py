"""What a process needs: memory, when idle and after views, and the time and the size of its start."""

import statistics
import sys
import time

from .load import memory_of, wrk

MIB = 1024 * 1024
IDLE_SECONDS = 3
STARTS = 5


def measure(stores, links, write):
    rows = []
    for store in stores:
        with store.service() as service:
            service.request("GET", "/health/live")
            time.sleep(IDLE_SECONDS)
            row = {"who": store.name, "idle": memory_of(service.pid) / MIB}
            for name in ("few", "many"):
                see_each(service, write(name))
                row[name] = memory_of(service.pid) / MIB
        starts = [start(store, f"/api/v1/shared_chats/{links.few[0]}") for _ in range(STARTS)]
        row["start_ms"] = statistics.median(starts) * 1000
        row["binary"] = store.binary.stat().st_size / MIB
        print(" ", row, file=sys.stderr, flush=True)
        rows.append(row)
    return rows


def see_each(service, file):
    count, seen = len(file.read_text().splitlines()), 0
    while seen < count:
        seen += wrk(service, file, 32, 2, f"from {seen}")["answers"]


def start(store, path):
    """Seconds from before the process is made until a view is there."""
    before = time.perf_counter()
    with store.service() as service:
        status, _, _ = service.request("GET", path)
        assert status == 200, status
        return time.perf_counter() - before
