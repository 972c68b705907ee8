"""`wrk`, and measurements that take turns, so that what the machine does otherwise meets all alike."""

import json
import os
import random
import re
import statistics
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "wrk.lua"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def memory_of(pid):
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def cpu_of(pid):
    """Seconds of CPU that a process took."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def wrk(program, file, connections, seconds, order):
    """Loads the program with the file's requests; `order` is a seed, or `from NUMBER`."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", SCRIPT, program.url]
    before = cpu_of(program.pid)
    done = subprocess.run([*command, "--", file, str(order)], capture_output=True, text=True)
    taken = cpu_of(program.pid) - before
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not found:
        sys.exit(f"wrk said nothing: {done.stdout}{done.stderr}")
    os.truncate(program.log, 0)
    run = json.loads(found[1])
    run["served"] = (run["answers"] - run["refused"]) / run["seconds"]
    run["cpu"] = taken / max(1, run["answers"]) * 1e6
    return run


def by_turns(targets, file, connections, options):
    """Runs of each target, in rounds that each have another order."""
    runs = {target: [] for target in targets}
    for turn in range(options.rounds):
        for name in random.Random(turn).sample(list(targets), len(targets)):
            run = wrk(targets[name], file, connections, options.seconds, turn + 1)
            runs[name].append(run)
            print(
                f"  {turn + 1}/{options.rounds} c{connections:<4} {name:<24} {run['served']:>9,.0f}/s  p50 {run['p50'] / 1000:8.2f} ms"
                f"  p99 {run['p99'] / 1000:8.2f} ms  CPU {run['cpu']:5.0f} µs  refused {run['refused']} broken {run['broken']}",
                file=sys.stderr, flush=True,
            )
    return runs


def median(runs, name):
    return statistics.median(run[name] for run in runs)


def ratios(runs, reference):
    """Of what was served, round by round: the median, the least and the most."""
    each = [run["served"] / max(1e-9, other["served"]) for run, other in zip(runs, reference, strict=True)]
    return statistics.median(each), min(each), max(each)
