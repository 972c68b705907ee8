"""Issue 4, 6: five thousand people who watch one live chat."""

import resource
import statistics
import subprocess
import time
from datetime import datetime, timezone
from urllib.parse import urlsplit

from . import chats
from .machine import Others, memory_of
from .programs import BENCH
from .results import row, size
from .scene import OWNER

STREAMS = 5000
MESSAGES = 12
SETTLE_SECONDS = 3
PER_STREAM = 16 * 1024


def measure(scene, databases):
    streams = 500 if scene.options.quick else STREAMS
    descriptors()
    rows, notes = [], []
    for database in databases:
        file = scene.folder / f"live-{database.kind}.json"
        chat = chats.chat("live", OWNER, 20, 8000)
        chats.write(file, [chat])
        with scene.service(database, "live", CHAT_SERVICE_URL=f"file:{file}") as service:
            path = scene.share(service, "live", is_frozen=False)
            service.request("GET", path)
            time.sleep(SETTLE_SECONDS)
            before = memory_of(service.pid)
            command = [BENCH, "watch", urlsplit(service.url).netloc, path + "/events", streams]
            watchers = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
            try:
                said = watchers.stdout.readline().split()
                assert said[:1] == ["open"], said
                time.sleep(SETTLE_SECONDS)
                each = (memory_of(service.pid) - before) / streams
                others = Others()
                rounds = [tell(scene, service, file, chat, watchers) for _ in range(MESSAGES)][2:]
                share = others.share()
            finally:
                watchers.kill()
                watchers.wait()
        last = statistics.median(last for _, _, last in rounds)
        worst = max(last for _, _, last in rounds)
        first = statistics.median(first for first, _, _ in rounds)
        kind = database.kind
        rows += [
            row(f"{kind}: a new message at the last of {streams:,} streams, median of {len(rounds)}",
                f"{last:.0f} ms (the first {first:.0f} ms, worst {worst:.0f} ms)", goal="≤ 250 ms", met=last <= 250),
            row(f"{kind}: memory of an idle stream", size(each), goal="≤ 16 KiB", met=each <= PER_STREAM),
        ]
        if share >= 0.05:
            notes.append(f"{kind}: Other processes took {share:.0%} of the machine.")
    return rows, [
        "From the moment before the chat service's notice was sent until each watcher, on the same machine, had read "
        "it; chats from a file.", *notes,
    ]


def tell(scene, service, file, chat, watchers):
    """Adds a message, gives notice, and returns when it reached the first, the middle and the last."""
    now = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
    number = len(chat["messages"]) + 1
    chat["messages"].append(
        {"id": f"message-{number}", "content": "One more thing.", "created_at": now, "reply_to": None}
    )
    token = scene.provider.token("chat-service", scope="shared_chats:service")
    chats.write(file, [chat])
    began = time.time_ns() // 1000
    status, _, answer = service.request("POST", "/api/v1/chats/live/changes", Authorization=f"Bearer {token}")
    assert status == 202, (status, answer)
    reached = [int(part) for part in watchers.stdout.readline().split()]
    assert len(reached) == 3, "the watchers ended"
    # The next one finds everybody idle again.
    time.sleep(0.5)
    return [(moment - began) / 1000 for moment in reached]


def descriptors():
    """As many open files as this process and its children may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
