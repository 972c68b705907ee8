"""Issue 4, 1: the view of a public frozen link beside a handler that does nothing but answer."""

import copy

from .load import Target, alternate
from .programs import record
from .results import disturbed, rate, row, times
from .scene import LINKS

ROUTE = LINKS + "/{id}"
LEAST = {"SQLite": 0.60, "PostgreSQL": 0.45}


def measure(scene, databases):
    rows, notes = [], []
    for database in [*databases, *without_tls(databases)]:
        measured, size = on(scene, database)
        seen, bare = measured["view"], measured["reference"]
        least = LEAST[database.kind.split(",")[0]]
        ratio, slower = seen.rate / bare.rate, seen.p99 / bare.p99
        rows.append(
            row(f"{database.kind}: 200, {size:,} bytes", rate(seen.rate), rate(bare.rate), ratio,
                f"≥ {least:.2f}", ratio >= least)
        )
        rows.append(
            row(f"{database.kind}: p99 at 32 connections", f"{seen.p99:.2f} ms", f"{bare.p99:.2f} ms", slower,
                "≤ 2.00", slower <= 2)
        )
        rows.append(
            row(f"{database.kind}: CPU of the process for one answer", f"{seen.cpu:.0f} µs", f"{bare.cpu:.0f} µs",
                seen.cpu / bare.cpu)
        )
        unchanged, bare_304 = measured["view 304"], measured["reference 304"]
        ratio = unchanged.rate / seen.rate
        rows.append(
            row(f"{database.kind}: 304 beside 200", times(unchanged), times(seen), ratio, "≥ 1.00", ratio >= 1)
        )
        rows.append(
            row(f"{database.kind}: 304 beside the reference's 304", rate(unchanged.rate), rate(bare_304.rate),
                unchanged.rate / bare_304.rate)
        )
        if database is databases[0]:
            without = measured["no middleware"]
            rows.append(
                row("The middleware: the reference with and without it", times(bare), times(without),
                    bare.rate / without.rate)
            )
        notes += [f"{database.kind}: {note}" for note in [disturbed(measured)] if note]
    return rows, notes


def without_tls(databases):
    """PostgreSQL once more, where its connections are encrypted unless one says otherwise."""
    for database in databases:
        if database.kind == "PostgreSQL" and "sslmode" not in database.url and database.run("SHOW ssl") == "on":
            plain = copy.copy(database)
            plain.kind, plain.url = "PostgreSQL, sslmode=disable", database.url + "?sslmode=disable"
            yield plain


def on(scene, database):
    answers = scene.folder / f"view-{database.kind}"
    with scene.service(database) as service:
        path = scene.share(service)
        tag = record(service, path, answers)
        unchanged = {"If-None-Match": tag}
        with (
            scene.reference("reference", ROUTE, answers, database) as reference,
            scene.reference("bare", ROUTE, answers, database) as bare,
        ):
            measured = alternate(
                [
                    Target("view", service.url + path, pid=service.pid),
                    Target("reference", reference.url + path, pid=reference.pid),
                    Target("no middleware", bare.url + path, pid=bare.pid),
                    Target("view 304", service.url + path, unchanged, pid=service.pid),
                    Target("reference 304", reference.url + path, unchanged, pid=reference.pid),
                ],
                scene.options,
            )
    return measured, (answers / "200.body").stat().st_size
