"""Event streams: thousands of clients that watch one live chat."""

import json
import resource
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from urllib.parse import urlsplit

from . import chats
from .load import cpu_of, memory_of
from .programs import BENCH
from .workloads import LINKS, OWNER, token

STREAMS = 5000
MESSAGES = 10
SETTLE_SECONDS = 3


def measure(stores, options):
    """Each store's streams for some messages, by turns; the medians."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    streams = 500 if options.quick else STREAMS
    runs = {store.name: [] for store in stores}
    for turn in range(2):
        for store in stores if turn % 2 == 0 else reversed(stores):
            runs[store.name].append(watched(store, streams))
            print(" ", store.name, runs[store.name][-1], file=sys.stderr, flush=True)
    middle = lambda each, name: statistics.median(run[name] for run in each)
    return [
        {"who": name, "streams": streams, **{part: middle(each, part) for part in each[0]}}
        for name, each in runs.items()
    ]


def watched(store, streams):
    file = store.folder / "live.json"
    chat = chats.chat("live", OWNER, seed=1)
    chats.write(file, [chat])
    # One address may have a quarter of them.
    with store.service(CHAT_SERVICE_URL=f"file:{file}", MAX_STREAMS=str(4 * streams)) as service:
        path = share_live(service)
        service.request("GET", path)
        time.sleep(SETTLE_SECONDS)
        before = memory_of(service.pid)
        command = [BENCH, "watch", urlsplit(service.url).netloc, path + "/events", str(streams)]
        watchers = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            said = watchers.stdout.readline().split()
            assert said[:1] == ["open"], said
            time.sleep(SETTLE_SECONDS)
            memory = (memory_of(service.pid) - before) / streams / 1024
            tell(service, file, chat, watchers)
            cpu = cpu_of(service.pid)
            times = [tell(service, file, chat, watchers) for _ in range(MESSAGES)]
            cpu = (cpu_of(service.pid) - cpu) / MESSAGES / streams * 1e6
        finally:
            watchers.kill()
            watchers.wait()
    first, last = (statistics.median(moments) for moments in zip(*times, strict=True))
    return {"first_ms": first, "last_ms": last, "cpu": cpu, "memory_kib": memory}


def share_live(service):
    body = json.dumps({"chat_session_id": "live", "is_frozen": False})
    headers = {**token(OWNER), "Content-Type": "application/json"}
    status, _, answer = service.request("POST", LINKS, body, **headers)
    assert status == 201, (status, answer)
    return f"{LINKS}/{json.loads(answer)['id']}"


def tell(service, file, chat, watchers):
    """Adds a message, gives notice, and returns in how many ms it reached the first and the last."""
    now = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
    number = len(chat["messages"]) + 1
    chat["messages"].append(
        {"id": f"message-{number}", "content": "One more thing.", "created_at": now, "reply_to": None}
    )
    caller = token("chat-service", scope="shared_chats:service")
    chats.write(file, [chat])
    began = time.time_ns() // 1000
    status, _, answer = service.request("POST", "/api/v1/chats/live/changes", **caller)
    assert status == 202, (status, answer)
    first, _, last = (int(part) for part in watchers.stdout.readline().split())
    # Afterwards all streams are idle again.
    time.sleep(0.5)
    return (first - began) / 1000, (last - began) / 1000
