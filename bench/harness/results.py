"""The figures as tables, on the screen and between two markers in docs/PERFORMANCE.md."""

import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from .load import median, ratios
from .programs import REPOSITORY
from .workloads import WORKLOADS

PAGE = REPOSITORY / "docs" / "PERFORMANCE.md"
BEGIN, END = "<!-- figures: written by bench/run.py -->", "<!-- end of figures -->"


def rows(runs, stores):
    """A row for each target of a workload: the medians of its runs, and its ratios."""
    made = []
    firsts = {}
    for name, each in runs.items():
        row = {"who": name, **{part: median(each, part) for part in ("served", "cpu")}}
        row |= {part: median(each, part) / 1000 for part in ("p50", "p99")}
        row |= {part: sum(run[part] for run in each) for part in ("answers", "refused", "broken")}
        row["bytes"] = median([{"bytes": run["bytes"] / max(1, run["answers"])} for run in each], "bytes")
        if name in stores:
            first = firsts.setdefault(stores[name].database.kind, name)
            row["to_bare"] = ratios(each, runs["bare"])
            row["to_first"] = ratios(each, runs[first]) if first != name else None
        made.append({**row, "runs": each})
    return made


def table(header, lines):
    return "\n".join(["| " + " | ".join(cells) + " |" for cells in [header, ["---"] * len(header), *lines]])


def workload(found):
    """The table of a workload, from its rows by number of connections."""
    lines = []
    for connections, measured in found.items():
        for row in measured:
            to_bare, to_first = row.get("to_bare"), row.get("to_first")
            lines.append([
                connections, row["who"], f"{row['served']:,.0f}", f"{to_bare[0]:.2f}" if to_bare else "",
                "{:.2f} ({:.2f}–{:.2f})".format(*to_first) if to_first else "", f"{row['p50']:.2f}", f"{row['p99']:.2f}",
                f"{row['cpu']:.0f}", f"{row['bytes']:,.0f}",
                f"{row['refused']:,}" + (f", {row['broken']} broken" if row["broken"] else ""),
            ])
    header = ["connections", "who", "served/s", "× bare", "× first", "p50 ms", "p99 ms", "CPU µs", "bytes", "refused"]
    return table(header, lines)


def summary(figures):
    """What is served beside the bare handler, at 32 connections or whatever was measured last."""
    found = {name: by["32" if "32" in by else list(by)[-1]] for name, by in figures["workloads"].items()}
    who = [row["who"] for row in next(iter(found.values())) if row.get("to_bare")]
    lines = []
    for name, measured in found.items():
        of = {row["who"]: row for row in measured}
        cells = [f"{of[one]['to_bare'][0]:.2f} ({of[one]['cpu']:.0f} µs)" for one in who]
        lines.append([WORKLOADS[name].title, f"{of['bare']['served']:,.0f}/s ({of['bare']['cpu']:.0f} µs)", *cells])
    text = table(["workload", "bare", *(f"{one}: × bare" for one in who)], lines)
    if "one" in found and "many" in found:
        cpu = {name: {row["who"]: row["cpu"] for row in found[name]} for name in ("one", "many")}
        text += "\n\nCPU of a view that is not cached beside one that is: "
        text += ", ".join(f"{one} {cpu['many'][one] / cpu['one'][one]:.1f}" for one in who) + "."
    return text


def markdown(figures):
    parts = []
    if figures["workloads"]:
        parts += ["### Beside the bare handler, 32 connections", summary(figures)]
    for name, found in figures["workloads"].items():
        parts += [f"### {WORKLOADS[name].title}", workload(found)]
    if figures.get("process"):
        lines = [
            [row["who"], *(f"{row[part]:.1f}" for part in ("idle", "few", "many", "binary")), f"{row['start_ms']:.0f}"]
            for row in figures["process"]
        ]
        header = ["who", "idle MiB", "after 3,000 views", "after 100,000 views", "binary MiB", "start to the first view ms"]
        parts += ["### Memory and start", table(header, lines)]
    if figures.get("streams"):
        lines = [
            [row["who"], f"{row['streams']:,}", *(f"{row[part]:.1f}" for part in ("first_ms", "last_ms", "cpu", "memory_kib"))]
            for row in figures["streams"]
        ]
        header = ["who", "streams", "a message at the first, ms", "at the last, ms", "CPU of a delivery µs", "memory of a stream KiB"]
        parts += ["### Event streams", table(header, lines)]
    return "\n\n".join([*parts, f"*{figures['measured']}*"])


def write_page(figures):
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{markdown(figures)}\n\n{END}{after}")


def describe(options, postgres_version):
    """The machine, the date and the versions, in words."""
    output = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.strip()
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1]) // 1024**2
    return "; ".join(part for part in (
        datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {memory} GiB",
        "commit " + output("git", "-C", str(REPOSITORY), "rev-parse", "--short=10", "HEAD"),
        " ".join(output("rustc", "--version").split()[:2]),
        postgres_version and f"PostgreSQL {postgres_version}",
        f"{'without' if options.no_lto else 'with'} LTO, {options.rounds} rounds of {options.seconds} s",
    ) if part)
