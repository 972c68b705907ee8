"""Issue 4, 7: memory, time to start, and the size of the binary."""

import statistics
import time

from .load import Target, wrk
from .machine import memory_of
from .programs import BINARY
from .results import row, size

MIB = 1024 * 1024
IDLE_SECONDS = 3


def measure(scene, databases):
    rows = []
    loaded_seconds = 5 if scene.options.quick else 60
    for database in databases:
        with scene.service(database) as service:
            path = scene.share(service)
        with scene.service(database) as service:
            service.request("GET", "/health/live")
            time.sleep(IDLE_SECONDS)
            idle = memory_of(service.pid)
        with scene.service(database) as service:
            # Many links, so that the cache of views fills up as far as it may.
            paths = [path] + [scene.share(service) for _ in range(200 if scene.options.quick else 3000)]
            visits = scene.folder / "visits.lua"
            visits.write_text(VISITS % ", ".join(f'"{path}"' for path in paths) + Target("", "").script.read_text())
            wrk(Target("one link", service.url + path), loaded_seconds)
            one = memory_of(service.pid)
            wrk(Target("many links", service.url + path, script=visits), loaded_seconds)
            many = memory_of(service.pid)
        kind = database.kind
        rows += [
            row(f"{kind}: idle RSS", size(idle), goal="≤ 20 MiB", met=idle <= 20 * MIB),
            row(f"{kind}: RSS after {loaded_seconds} s of views of one link", size(one), goal="≤ 60 MiB",
                met=one <= 60 * MIB),
            row(f"{kind}: RSS after {loaded_seconds} s more of views of {len(paths):,} links", size(many),
                goal="≤ 60 MiB", met=many <= 60 * MIB),
        ]
        starts = [start(scene, database, path) for _ in range(10)]
        middle = statistics.median(starts) * 1000
        rows.append(
            row(f"{kind}: start to the first view, median of {len(starts)}",
                f"{middle:.0f} ms (worst {max(starts) * 1000:.0f} ms)", goal="≤ 100 ms", met=middle <= 100)
        )
    binary = BINARY.stat().st_size
    rows.append(row("Stripped binary", size(binary), goal="≤ 30 MiB", met=binary <= 30 * MIB))
    return rows, ["RSS is what the kernel counts as resident, mapped pages of the binary included."]


VISITS = """
local paths = { %s }
local next = 0
function request()
    next = next %% #paths + 1
    return wrk.format("GET", paths[next])
end
"""


def start(scene, database, path):
    """Seconds from before the process is made until a view is there."""
    before = time.perf_counter()
    with scene.service(database, name="start") as service:
        status, _, _ = service.request("GET", path)
        assert status == 200, status
        return time.perf_counter() - before
