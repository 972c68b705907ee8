"""Where it was measured, and how much of the machine others took meanwhile."""

import os
import platform
import re
import sqlite3
import subprocess
from datetime import datetime, timezone
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def describe(repository, postgres_version):
    """The machine, the date and the versions, in words."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1]) // 1024**2
    revision = output("git", "-C", str(repository), "rev-parse", "--short=10", "HEAD")
    changed = output("git", "-C", str(repository), "status", "--porcelain", "--", "src", "Cargo.toml", "Cargo.lock")
    wrk = re.search(r"wrk (\S+)", subprocess.run(["wrk", "-v"], capture_output=True, text=True).stdout)
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {memory} GiB, "
        f"Linux {platform.release()}",
        "versions": ", ".join(
            part
            for part in (
                f"shared-chats {revision}" + (" with changes" if changed else ""),
                " ".join(output("rustc", "--version").split()[:2]),
                postgres_version and f"PostgreSQL {postgres_version}",
                f"SQLite {sqlite3.sqlite_version} for the bare loop",
                wrk and f"wrk {wrk[1]}",
            )
            if part
        ),
    }


def memory_of(pid):
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def cpu_of(pid):
    """Seconds of CPU that a process took, its ended children included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / TICKS


class Others:
    """The share of the machine that went to processes which are none of ours: neither this one's
    children nor PostgreSQL's."""

    def __init__(self):
        self.total, self.foreign = self._sample()

    def share(self):
        total, foreign = self._sample()
        return max(0.0, (foreign - self.foreign) / max(1, total - self.total))

    @staticmethod
    def _sample():
        """Ticks of all cores together, and those of them in which somebody else was at work. What a
        process took is counted with its ended children, since many others live for a moment only."""
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        total, busy = sum(fields), sum(fields) - fields[3] - fields[4]
        stats = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                head, rest = stat.read_text().rsplit(")", 1)
            except OSError:
                continue
            rest = rest.split()
            ticks = sum(int(field) for field in rest[11:15])
            stats[int(stat.parent.name)] = (head.split("(", 1)[1], int(rest[1]), ticks)
        ours = 0
        for pid, (name, _, ticks) in stats.items():
            ancestor = pid
            while ancestor in stats and ancestor != os.getpid():
                ancestor = stats[ancestor][1]
            if ancestor == os.getpid() or name == "postgres":
                ours += ticks
        return total, busy - ours
