#!/usr/bin/env python3
"""Measures the service beside a bare actix handler that sends the same bytes, and its builds beside each other.

    bench/run.py                                          everything, with the service built here
    bench/run.py one few --only sqlite                    some workloads, on one database
    bench/run.py --binary head=/tmp/head --binary now=target/release/shared-chats

It fills databases of its own, and lets whatever is compared take turns within each round. Needed beside
Rust and Python 3.11: wrk, and for PostgreSQL psql (Debian: wrk postgresql-client) and a server at
BENCH_DATABASE_URL; without one it measures SQLite alone.
"""

import argparse
import contextlib
import json
import signal
import sys
import tempfile
from pathlib import Path

from harness import chats, databases, load, process, programs, results, streams
from harness.workloads import CHATS, LINKS, OWNER, SECRET, WORKLOADS, Links, token

TEMPLATES = 20
OTHERS = ["process", "streams"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*WORKLOADS, *OTHERS]
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"of {', '.join(known)} (all)")
    parser.add_argument("--binary", action="append", metavar="NAME=PATH", help="a build of the service; the others are compared with the first")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--seconds", type=int, default=3, help="for each run (3)")
    parser.add_argument("--connections", default="1,32,256", help="(1,32,256)")
    parser.add_argument("--only", choices=["sqlite", "postgres"], help="one database")
    parser.add_argument("--quick", action="store_true", help="to try it out: 2 rounds of 1 second, 5,000 links")
    parser.add_argument("--no-lto", action="store_true", help="build without it, in a tenth of the time")
    parser.add_argument("--results", type=Path, default=programs.REPOSITORY / "bench" / "results.json", help="where all runs are written (bench/results.json)")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/PERFORMANCE.md as well")
    options = parser.parse_args()
    unknown = set(options.what) - set(known)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    options.what = options.what or known
    if options.quick:
        options.rounds, options.seconds = 2, 1
    return options


class Store:
    """A build of the service on a database of its own."""

    def __init__(self, label, binary, database, folder, chats_file):
        self.name = f"{database.kind} {label}".strip()
        self.binary, self.database, self.folder, self.chats_file = binary, database, folder, chats_file

    def service(self, **settings):
        settings = {
            "DATABASE_URL": self.database.url,
            "AUTH_HS256_SECRET": SECRET,
            "CHAT_SERVICE_URL": f"file:{self.chats_file}",
            "ARTIFACT_STORE_URL": f"file:{self.folder / 'artifacts'}",
            # One address and few users make all requests, and one owner has all links.
            **dict.fromkeys(("RATE_LIMIT_ANONYMOUS", "RATE_LIMIT_CALLER", "RATE_LIMIT_CHAT_SERVICE"), "off"),
            "QUOTA_LINKS": "1000000",
            **settings,
        }
        return programs.Program([self.binary], settings, self.folder / "service.log")

    def fill(self, links):
        headers = {**token(OWNER), "Content-Type": "application/json"}
        links.templates = []
        with self.service() as service:
            for number in range(TEMPLATES):
                body = json.dumps({"chat_session_id": f"chat-{number}"})
                status, _, answer = service.request("POST", LINKS, body, **headers)
                if status != 201:
                    sys.exit(f"POST {LINKS} answered {status}: {answer[:500]!r}")
                links.templates.append(json.loads(answer)["id"])
        databases.copy_links(self.database, links)


def main():
    options = arguments()
    # So that the databases are dropped and the programs end then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    named = [pair.split("=", 1) for pair in options.binary or []]
    binaries = {name: Path(path).resolve() for name, path in named} or {"": programs.SERVICE}
    programs.build(with_service=not named, with_lto=not options.no_lto)
    version = databases.postgres_version()
    if options.only == "postgres" and not version:
        sys.exit(f"no PostgreSQL at {databases.SERVER}")
    figures = {"measured": results.describe(options, version), "workloads": {}}
    with tempfile.TemporaryDirectory(prefix="shared-chats-bench-") as folder, contextlib.ExitStack() as stack:
        bench = Bench(Path(folder), options)
        stores = list(bench.stores(binaries, bool(version)))
        for store in stores:
            stack.callback(store.database.drop)
            say(f"filling {store.name}")
            store.fill(bench.links)
        chosen = [name for name in WORKLOADS if name in options.what]
        with contextlib.ExitStack() as running:
            services = {store.name: running.enter_context(store.service()) for store in stores if chosen}
            for name in chosen:
                say(WORKLOADS[name].title)
                figures["workloads"][name] = bench.workload(name, services, {store.name: store for store in stores})
                write(options.results, figures)
        if "process" in options.what:
            figures["process"] = process.measure(stores, bench.links, bench.requests)
        if "streams" in options.what:
            figures["streams"] = streams.measure(stores, options)
    write(options.results, figures)
    print(results.markdown(figures))
    if options.page:
        results.write_page(figures)


class Bench:
    def __init__(self, folder, options):
        self.folder, self.options, self.links, self.tag = folder, options, Links(options.quick), ""
        self.chats_file = folder / "chats.json"
        chats.write(self.chats_file, [chats.chat(f"chat-{n}", OWNER, seed=n) for n in range(CHATS)])

    def stores(self, binaries, with_postgres):
        for kind in ["sqlite", "postgres"] if with_postgres else ["sqlite"]:
            for label, binary in binaries.items() if self.options.only in (None, kind) else ():
                name = label or "service"
                folder = self.folder / f"{kind}-{name}"
                folder.mkdir()
                database = databases.Sqlite(folder) if kind == "sqlite" else databases.Postgres(name)
                yield Store(label, binary, database, folder, self.chats_file)

    def requests(self, name):
        """The file of a workload's requests."""
        file = self.folder / f"{name}.requests"
        file.write_text("\n".join(WORKLOADS[name].asks_for(self.links, self.tag)) + "\n")
        return file

    def workload(self, name, services, stores):
        """Rows by number of connections."""
        asked, answer = WORKLOADS[name], self.folder / "answer"
        if not self.tag:
            self.tag = programs.record(
                next(iter(services.values())), WORKLOADS["one"].asks_for(self.links, "")[0], 200, answer
            )["etag"]
        file = self.requests(name)
        line = file.read_text().split("\n", 1)[0]
        # All of them answer as the first does; the bare handler sends what that one sent.
        for service in reversed(services.values()):
            programs.record(service, line, asked.status, answer)
        command = [programs.BENCH, "bare", asked.route, answer]
        with programs.Program(command, {}, self.folder / "bare.log") as bare:
            targets = {"bare": bare, **services}
            for target in targets.values():
                load.wrk(target, file, 32, 1, 0)
            found = {}
            for connections in self.options.connections.split(","):
                runs = load.by_turns(targets, file, int(connections), self.options)
                found[connections] = results.rows(runs, stores)
            return found


def write(file, figures):
    file.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
