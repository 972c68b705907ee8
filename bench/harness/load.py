"""`wrk`, and measurements that alternate, so that what the machine does otherwise meets all alike."""

import json
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from .machine import Others, cpu_of

SCRIPT = Path(__file__).resolve().parents[1] / "wrk.lua"


@dataclass
class Target:
    """What is asked, over and over."""

    name: str
    url: str
    headers: dict = field(default_factory=dict)
    script: Path = SCRIPT
    connections: int = 32
    # Whose CPU time is counted.
    pid: int = 0


@dataclass
class Measured:
    """The medians of a target's runs: requests a second, and times in milliseconds."""

    rate: float
    p50: float
    p99: float
    bytes_per_answer: float
    # Microseconds of CPU that the service itself took for one answer; the database's own not counted.
    cpu: float
    runs: list


def wrk(target, seconds):
    command = ["wrk", "-t1", f"-c{target.connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(target.script)]
    for name, value in target.headers.items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run([*command, target.url], capture_output=True, text=True, check=True)
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not found:
        sys.exit(f"wrk said nothing: {done.stdout}{done.stderr}")
    result = json.loads(found[1])
    if result["refused"] or result["broken"] or not result["requests"]:
        sys.exit(f"{target.name}: {result}")
    return result


def alternate(targets, options):
    """Measures all targets by turns, and returns for each its medians."""
    runs = {target.name: [] for target in targets}
    for target in targets:
        wrk(target, 1)
    for turn in range(options.runs):
        for target in targets:
            others, before = Others(), cpu_of(target.pid) if target.pid else 0
            result = wrk(target, options.seconds)
            result["others"] = others.share()
            if target.pid:
                result["cpu"] = (cpu_of(target.pid) - before) / result["requests"] * 1e6
            runs[target.name].append(result)
            say(
                f"{turn + 1}/{options.runs} {target.name:<44} {result['requests'] / result['seconds']:>9,.0f}/s"
                f"  p50 {result['p50'] / 1000:.2f} ms  p99 {result['p99'] / 1000:.2f} ms"
                f"  CPU {result.get('cpu', 0):.0f} µs  others {result['others']:.0%}"
            )
    return {name: summary(results) for name, results in runs.items()}


def summary(results):
    median = lambda value: statistics.median(value(result) for result in results)
    return Measured(
        rate=median(lambda r: r["requests"] / r["seconds"]),
        p50=median(lambda r: r["p50"]) / 1000,
        p99=median(lambda r: r["p99"]) / 1000,
        cpu=median(lambda r: r.get("cpu", 0)),
        bytes_per_answer=median(lambda r: r["bytes"] / r["requests"]),
        runs=results,
    )


def say(text):
    print(text, file=sys.stderr, flush=True)
