"""Issue 4, 5: QR codes, from the cache and drawn for the first time."""

import statistics

from .load import Target, alternate
from .machine import cpu_of
from .programs import record
from .results import disturbed, row, times
from .scene import LINKS

ROUTE = LINKS + "/{id}/qr_code"
DRAWN = 400


def measure(scene, databases):
    rows, notes = [], []
    for database in databases:
        answers = scene.folder / f"qr-{database.kind}"
        with scene.service(database) as service:
            path = scene.share(service) + "/qr_code"
            record(service, path, answers)
            with scene.reference("reference", ROUTE, answers, database) as reference:
                measured = alternate(
                    [Target("QR code", service.url + path), Target("reference", reference.url + path)],
                    scene.options,
                )
            kept, bare = measured["QR code"], measured["reference"]
            ratio = kept.rate / bare.rate
            rows.append(
                row(f"{database.kind}: repeated requests", times(kept), times(bare), ratio, "≥ 0.60", ratio >= 0.6)
            )
            notes += [f"{database.kind}: {note}" for note in [disturbed(measured)] if note]
            if database is databases[0]:
                size = (answers / "200.body").stat().st_size
                rows.append(row("PNG of 300 × 300", f"{size:,} bytes", goal="< 2,048 bytes", met=size < 2048))
                rows.append(first(scene, service))
    return rows, notes


def first(scene, service):
    """The CPU time of a first PNG, by what the process took beyond the same requests repeated."""

    def asked(paths):
        before = cpu_of(service.pid)
        for path in paths:
            service.request("GET", path)
        return cpu_of(service.pid) - before

    each = []
    for _ in range(scene.options.runs):
        paths = [scene.share(service) + "/qr_code" for _ in range(DRAWN)]
        drawn, kept = asked(paths), asked(paths)
        each.append((drawn - kept) / DRAWN * 1000)
    middle = statistics.median(each)
    return row(
        f"A first PNG of 300 × 300, mean of {DRAWN}, median of {len(each)}",
        f"{middle:.2f} ms of CPU more than a repeated one", goal="≤ 0.5 ms", met=middle <= 0.5,
    )
