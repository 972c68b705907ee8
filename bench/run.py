#!/usr/bin/env python3
"""Measures what issue 4 asks for, and writes the figures into docs/PERFORMANCE.md.

It builds the release binary and the bare reference, fills databases of its own, lets the things that
are compared take turns, and takes medians. Needed beside Rust and Python 3.11: wrk, openssl, and for
PostgreSQL psql and pgbench (Debian: wrk openssl postgresql-client postgresql-contrib). Without
PostgreSQL at BENCH_DATABASE_URL it measures SQLite alone.
"""

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

from harness import databases, machine, programs, results
from harness.identity import Provider
from harness.scene import Scene


HOW = {what: "as described above" for what in ("live", "footprint", "large")}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=[*results.SECTIONS, "all"], help="what to measure")
    parser.add_argument("--runs", type=int, default=5, help="runs of each, by turns (5)")
    parser.add_argument("--seconds", type=int, default=4, help="for each run (4)")
    parser.add_argument("--quick", action="store_true", help="to try it out: 2 runs of 1 second, small tables")
    parser.add_argument("--only", choices=["sqlite", "postgres"], help="one database")
    parser.add_argument("--no-build", action="store_true", help="take the binaries that are there")
    parser.add_argument("--no-page", action="store_true", help="print the figures, leave the page as it is")
    parser.add_argument("--nice", type=int, default=0, help="run all of it at another priority, such as -10")
    parser.add_argument("--log", metavar="FILTER", help="RUST_LOG of the service and the reference")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.seconds = 2, 1
    if "all" in options.what:
        options.what = list(results.SECTIONS)
    return options


def main():
    options = arguments()
    if not options.no_build:
        programs.build()
    if options.nice:
        prefer(options.nice)
    version = databases.is_there()
    if options.only == "postgres" and not version:
        sys.exit(f"no PostgreSQL at {databases.SERVER}")
    description = machine.describe(programs.REPOSITORY, version)
    for what in options.what:
        description["how"] = HOW.get(what) or f"medians of {options.runs} alternating runs of {options.seconds} s"
        with tempfile.TemporaryDirectory(prefix="shared-chats-bench-") as folder:
            rows, notes = measure(what, Path(folder), version, options)
        print(results.table({what: {**description, "rows": rows, "notes": notes}}), flush=True)
        if not options.no_page:
            results.keep(what, rows, description, notes)


def prefer(nice):
    """Where Linux shares out CPU time by sessions, a process's priority holds within its own alone."""
    os.nice(nice)
    if os.getsid(0) != os.getpid():
        os.setsid()
    autogroup = Path("/proc/self/autogroup")
    if autogroup.exists():
        autogroup.write_text(str(nice))


def measure(what, folder, version, options):
    provider = Provider(folder)
    scene = Scene(folder, provider, options)
    used = [databases.Sqlite(folder)] if options.only != "postgres" else []
    if version and options.only != "sqlite":
        used.append(databases.Postgres())
    try:
        return importlib.import_module(f"harness.{what}").measure(scene, used)
    finally:
        provider.close()
        for database in used:
            database.drop()


if __name__ == "__main__":
    main()
