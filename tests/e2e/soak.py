"""More than the service can serve, for minutes: it answers in bounded time, sheds the rest in good order, and its
memory does not grow without end.

    cargo build --release && cp Cargo.lock bench/
    CARGO_TARGET_DIR=target cargo build --release --manifest-path bench/Cargo.toml
    .venv/bin/python tests/e2e/soak.py                 # ten minutes on SQLite
    .venv/bin/python tests/e2e/soak.py --seconds 60 --database postgres://postgres@127.0.0.1:5432/test

First wrk finds what the service can serve, with the fewest connections that keep it busy. Then `shared-chats-bench
storm` offers twice as many requests a second, each at its own moment whether or not earlier ones were answered (an open
loop), and times each answer from when its request was due.

With `--apart` the service has a core to itself (and one worker), and the load has the others: what is offered then
takes nothing from what answers it, as in the world.

Where that program is not built (or with `--closed`), wrk keeps so many connections open that twice as much is always
asked for as is answered, and those that are shed come again at once. That is a closed loop: the slower the answers, the
less is asked. The database should be an empty one.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import requests

from chat_service import ChatService
from conftest import REPOSITORY, SECRET, SERVICE_TOKEN, Service, User, link_path, settings_on, token

MIB = 1024 * 1024
LINKS = "/api/v1/shared_chats"
BUSY_CONNECTIONS = 32
BENCH = os.environ.get("SHARED_CHATS_BENCH") or REPOSITORY / "target" / "release" / "shared-chats-bench"
STORM = Path(BENCH).absolute()
# What is offered, against what can be served.
TIMES = 2.0
# Open at a time in the open loop: a person's browser each. More than are ever needed while answers are in time.
OPEN_CONNECTIONS = 4000
# Far more than are under way when the service is just busy: the closed loop.
CONNECTIONS = 1000
# Half of them may be under way; the others are shed.
CLOSED_SETTINGS = {"MAX_CONCURRENT_REQUESTS": str(CONNECTIONS // 2)}
# Or, where that is longer (a debug build, a busy machine), twice what a fair queue of so many would take.
MOST_SECONDS = 5.0
# The open loop, with the service's own defaults. At first a worker serves for MAX_WORKER_LAG of each round, soon for a
# fortieth of it, and refuses for the rest. What it takes up has waited for the round before and this one, and most
# take a second or third one; the rest is for a machine that does other things, this program's load among them.
MAX_WORKER_LAG = 0.2
ROUNDS = 5
# At the database a change waits as long at first, and soon for a twentieth.
QUEUE_TIMEOUT = 2.0
# One of two has to be answered in so much of what one of a hundred may take.
HALF_WITHIN = 0.5
# Serving goes on: at least so much of what was served before there was too much. Refusing takes most of the cores: the
# load's side of it too.
LEAST_SERVED = 0.2
# So much of what is offered has to be refused, or it was not too much.
LEAST_SHED = 0.05
# For so much there may be no free connection within a second.
MOST_NOT_SENT = 0.01
# What the allocator may keep beside a level that does not rise.
MOST_GROWTH = 1.15
MOST_GROWTH_BYTES = 16 * MIB
ALLOWED = {200, 204, 304, 429, 503}

SCRIPT = """
local wanted = %s
local place, threads = 0, {}
function setup(thread) table.insert(threads, thread) end
function init() seen, without, place = {}, 0, math.random(#wanted) end
function request() place = place %% #wanted + 1; return wanted[place] end
function response(status, headers)
  seen[status] = (seen[status] or 0) + 1
  if status == 503 and not (headers["retry-after"] or headers["Retry-After"]) then without = without + 1 end
  answered = ""
  for status, count in pairs(seen) do answered = answered .. status .. "=" .. count .. " " end
end
function done(summary, latency)
  local e, without, statuses = summary.errors, 0, ""
  for _, thread in ipairs(threads) do
    without = without + thread:get("without")
    statuses = statuses .. (thread:get("answered") or "")
  end
  io.write(string.format('\\nRESULT {"requests": %%d, "microseconds": %%d, "p50": %%d, "p99": %%d, "slowest": %%d, ' ..
    '"errors": %%d, "late": %%d, "without_retry_after": %%d, "statuses": "%%s"}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    e.connect + e.read + e.write, e.timeout, without, statuses))
end
"""


class Load:
    """wrk with a mix of requests: views for the most part, lists, QR codes and changes."""

    def __init__(self, folder, service, links, owner):
        bearer = f"Authorization: Bearer {owner}\r\n"
        host = service.url.removeprefix("http://")
        wanted = []
        # Links that are looked at are not changed all the time: a view whose link changes under it begins anew.
        viewed, changed = links[::2], links[1::2]
        for number, (link, other) in enumerate(zip(viewed, changed)):
            path = link_path(link)
            wanted += [("GET", path, "")] * 6
            wanted += [("GET", f"{path}/qr_code?size={300 + number}", "")]
            wanted += [("GET", f"{LINKS}?limit=20&offset={number}", bearer)]
            wanted += [("PATCH", link_path(other), bearer)]
        texts = [self._text(host, *one) for one in wanted]
        self.host, self.url, self.script, self.mix = host, service.url, Path(folder) / "soak.lua", Path(folder) / "mix"
        self.mix.write_text("".join(self._line(*one) + "\n" for one in wanted))
        self.script.write_text(SCRIPT % ("{" + ",".join(f"[==[\n{text}]==]" for text in texts) + "}"))

    @staticmethod
    def _line(method, path, headers):
        """The request, as `shared-chats-bench storm` reads it."""
        line = {"method": method, "path": path, "headers": dict(h.split(": ", 1) for h in headers.splitlines())}
        if method == "PATCH":
            line["headers"]["Content-Type"] = "application/json"
            line["body"] = '{"label":"again"}'
        return json.dumps(line)

    @staticmethod
    def _text(host, method, path, headers):
        body = '{"label":"again"}' if method == "PATCH" else ""
        if body:
            headers += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{body}"

    def run(self, connections, seconds):
        command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", self.script, self.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90, check=False)
        results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        assert done.returncode == 0 and results, done.stdout[-2000:] + done.stderr[-2000:]
        result = json.loads(results[0].removeprefix("RESULT "))
        statuses = {}
        for pair in result["statuses"].split():
            status, count = pair.split("=")
            statuses[int(status)] = statuses.get(int(status), 0) + int(count)
        result["statuses"] = statuses
        result["a_second"] = result["requests"] / (result["microseconds"] / 1e6)
        return result


    def storm(self, rate, seconds, connections=OPEN_CONNECTIONS):
        """So many requests a second, come what may."""
        command = [STORM, "storm", self.host, self.mix, str(rate), str(seconds), str(connections)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {**json.loads(done.stdout), "generator_cores": round(used / seconds, 2)}


class Watch:
    """Its memory, each second, and how long a single view takes meanwhile."""

    def __init__(self, service, link):
        self.service, self.link = service, link
        self.memory, self.waits, self.shed, self.wrong = [], [], 0, []
        self._over = threading.Event()

    def __enter__(self):
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._weigh, self._view, self._view)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(40)

    def _weigh(self):
        while not self._over.wait(1):
            pages = int(Path(f"/proc/{self.service.process.pid}/statm").read_text().split()[1])
            self.memory.append(pages * 4096)

    def _view(self):
        session = requests.Session()
        while not self._over.wait(0.02):
            began = time.monotonic()
            try:
                answer = session.get(self.service.url + link_path(self.link), timeout=30)
            except requests.RequestException as error:
                self.wrong.append(repr(error))
                continue
            if answer.status_code == 200:
                self.waits.append(time.monotonic() - began)
            elif answer.status_code == 503 and "Retry-After" in answer.headers:
                self.shed += 1
            else:
                self.wrong.append(f"{answer.status_code} {answer.text[:200]}")


def set_apart(service):
    """Gives the service the first of our cores, and everything that is started from here on the others."""
    first, *others = sorted(os.sched_getaffinity(0))
    assert others, "--apart needs two cores"
    for task in Path(f"/proc/{service.process.pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {first})
    os.sched_setaffinity(0, others)


def soak(
    seconds, database_url, folder, *, times=TIMES, closed=False, connections=OPEN_CONNECTIONS, apart=False, **settings
):
    """Runs it all, fails on what must not be, and gives back the figures."""
    assert shutil.which("wrk"), "wrk is needed: apt install wrk"
    is_open = not closed and STORM.is_file()
    settings = settings if is_open else {**CLOSED_SETTINGS, **settings}
    settings = {"WORKERS": "1", **settings} if apart else settings
    chats = ChatService(SECRET, SERVICE_TOKEN).start()
    service = Service(folder, **settings_on(database_url, chats, RUST_LOG="error", **settings)).start()
    try:
        if apart:
            set_apart(service)
        alice = User("Alice")
        owner = token(alice.sub, lasts=seconds + 600)
        links = [service.http(owner).share(chats.new_chat(alice.sub)) for _ in range(50)]
        load = Load(folder, service, links, owner)
        # The best of three: what else the machine does must not make it look as if it could serve less.
        calms = [load.run(BUSY_CONNECTIONS, max(3, min(20, seconds // 10))) for _ in range(3)]
        calm = max(calms, key=lambda run: run["a_second"])
        with Watch(service, links[0]) as watch:
            if is_open:
                storm = load.storm(times * calm["a_second"], seconds, connections)
            else:
                storm = load.run(CONNECTIONS, seconds)
        time.sleep(1)
        after = load.run(BUSY_CONNECTIONS, 3)
        service.terminate()
    finally:
        if service.process.poll() is None:
            service.kill()
        chats.stop()
    assert "panicked" not in service.log(), service.log()[-2000:]
    figures = {"seconds": seconds, "database": database_url.split(":")[0], "settings": settings}
    figures |= {"served_a_second_when_busy": round(calm["a_second"])}
    figures |= open_figures(storm, seconds) if is_open else closed_figures(storm)
    figures |= watched_figures(watch)
    figures["served_a_second_afterwards"] = round(after["a_second"])
    figures["log_mib"] = round(len(service.log()) / MIB, 1)
    print(json.dumps(figures))
    (judge_open if is_open else judge_closed)(storm, calm, figures)
    judge_watched(watch, figures)
    assert set(after["statuses"]) <= {200, 204}, f"it is not itself again: {after['statuses']}"
    return figures


def open_figures(storm, seconds):
    of_times = ("served_reads", "served_changes", "shed", "once_sent", "begun_late")
    return {
        "offered_a_second": round(storm["offered"] / seconds),
        "answered_a_second": round(storm["answered"] / seconds),
        "served_a_second": round(storm["served"]["count"] / seconds),
        "statuses": storm["statuses"],
        **{name: [round(storm[name][part]) for part in ("p50_ms", "p99_ms", "max_ms")] for name in of_times},
        **{name: storm[name] for name in ("not_sent", "broken", "unconnected", "unanswered", "most_open", "opened")},
        "generator_cores": storm["generator_cores"],
    }


def judge_open(storm, calm, figures):
    offered = storm["offered"]
    assert {int(status) for status in storm["statuses"]} <= ALLOWED, storm["statuses"]
    assert storm["shed_without_retry_after"] == 0, "503 without Retry-After"
    failures = {name: storm[name] for name in ("broken", "unconnected", "unanswered")}
    assert not any(failures.values()), (failures, storm["first_failure"])
    assert storm["not_sent"] <= MOST_NOT_SENT * offered, "connections wait for answers"
    assert storm["shed"]["count"] >= LEAST_SHED * offered, "it could serve that: the machine was busy before, so again"
    assert figures["served_a_second"] >= LEAST_SERVED * calm["a_second"], "it is busy with refusing"
    bound = ROUNDS * MAX_WORKER_LAG
    for name, most in {"shed": bound, "served_reads": bound, "served_changes": bound + QUEUE_TIMEOUT / 2}.items():
        assert storm[name]["p99_ms"] < 1000 * most, f"{name}: p99 of more than {most:.1f} s"
        assert storm[name]["p50_ms"] < 1000 * most * HALF_WITHIN, f"{name}: p50 of more than {most * HALF_WITHIN:.1f} s"


def closed_figures(storm):
    return {
        "connections": CONNECTIONS,
        "answered_a_second": round(storm["a_second"]),
        "statuses": storm["statuses"],
        "p50_s": storm["p50"] / 1e6,
        "p99_s": storm["p99"] / 1e6,
    }


def judge_closed(storm, calm, figures):
    bound = max(MOST_SECONDS, 2 * CONNECTIONS / calm["a_second"])
    assert set(storm["statuses"]) <= ALLOWED, storm["statuses"]
    assert storm["without_retry_after"] == 0, "503 without Retry-After"
    assert storm["errors"] == 0 and storm["late"] == 0, storm
    assert max(figures["view_answered_p99_s"] or 0, figures["p99_s"]) < bound, f"more than {bound} s"


def watched_figures(watch):
    quarter = len(watch.memory) // 4
    waits = sorted(watch.waits)
    early = statistics.median(watch.memory[quarter : 2 * quarter])
    late = statistics.median(watch.memory[-quarter:])
    return {
        "view_answered_p99_s": round(waits[int(len(waits) * 0.99)], 3) if waits else None,
        "memory_mib": [round(size / MIB, 1) for size in (watch.memory[0], early, late, max(watch.memory))],
    }


def judge_watched(watch, figures):
    _, early, late, _ = figures["memory_mib"]
    assert not watch.wrong, watch.wrong[:5]
    assert watch.waits, "no view was served"
    assert late <= max(early * MOST_GROWTH, early + MOST_GROWTH_BYTES / MIB), "memory grows without end"


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=int, default=600)
    arguments.add_argument("--database", help="a DATABASE_URL; by default a SQLite file")
    arguments.add_argument("--storm", type=Path, help="shared-chats-bench; by default SHARED_CHATS_BENCH, the release")
    arguments.add_argument("--rate", type=float, default=TIMES, help="offered, as so many times what it can serve")
    arguments.add_argument("--connections", type=int, default=OPEN_CONNECTIONS, help="open at a time, at most")
    arguments.add_argument("--closed", action="store_true", help="by wrk alone: a closed loop")
    arguments.add_argument("--apart", action="store_true", help="the service on a core of its own")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the service")
    asked = arguments.parse_args()
    if asked.storm:
        STORM = asked.storm.absolute()
        assert STORM.is_file(), f"{STORM} is not there"
    given = dict(pair.split("=", 1) for pair in asked.set)
    with tempfile.TemporaryDirectory(prefix="shared-chats-soak-") as folder:
        url = asked.database or f"sqlite:{folder}/links.db"
        options = {"times": asked.rate, "closed": asked.closed, "connections": asked.connections, "apart": asked.apart}
        soak(asked.seconds, url, folder, **options, **given)
