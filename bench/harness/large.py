"""Issue 4, 8: large chats; the time of a view beside its bytes."""

import http.client
import statistics
import time
from urllib.parse import urlsplit

from . import chats
from .results import row, size
from .scene import OWNER

# Messages, and bytes of the view.
SIZES = [(20, 8_000), (200, 400_000), (2_000, 4_000_000)]
CODINGS = ["identity", "zstd", "gzip", "br"]
REPEATED = 15
FIRST = 5
# What two times of one thing may differ by.
NOISE = 1.15


def measure(scene, databases):
    file = scene.folder / "large.json"
    made = [chats.chat(f"chat-{count}", OWNER, count, bytes) for count, bytes in SIZES]
    chats.write(file, made)
    rows = []
    for database in databases:
        found = {}
        with scene.service(database, CHAT_SERVICE_URL=f"file:{file}") as service:
            for count, _ in SIZES:
                for coding in CODINGS:
                    found[count, coding] = views(scene, service, f"chat-{count}", coding)
        few, many = SIZES[1][0], SIZES[-1][0]
        for coding in CODINGS:
            small, large = found[few, coding], found[many, coding]
            for which in ("first", "cached"):
                grown = large[which] / small[which]
                bytes = large["identity"] / small["identity"]
                rows.append(
                    row(f"{database.kind}: {coding}, {which} view of {many:,} messages, "
                        f"{size(large['bytes'])} sent",
                        f"{large[which] * 1000:.2f} ms", f"{few} messages: {small[which] * 1000:.2f} ms",
                        f"{grown:.1f} × for {bytes:.1f} × the bytes", "≤ the bytes’ growth", grown <= NOISE * bytes)
                )
    return rows, [
        "Times at one client that reads the whole body; the first view of a link, and the median of "
        f"{REPEATED} repeated ones. Up to {NOISE:.2f} × counts as the same."
    ]


def views(scene, service, chat, coding):
    address = urlsplit(service.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)

    def view(path):
        before = time.perf_counter()
        connection.request("GET", path, headers={"Accept-Encoding": coding})
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, response.status
        return time.perf_counter() - before, len(body)

    links = [scene.share(service, chat) for _ in range(FIRST)]
    first = statistics.median(view(link)[0] for link in links)
    seconds = [view(links[0]) for _ in range(REPEATED)]
    connection.request("GET", links[0], headers={"Accept-Encoding": "identity"})
    identity = len(connection.getresponse().read())
    connection.close()
    return {
        "first": first,
        "cached": statistics.median(taken for taken, _ in seconds),
        "bytes": seconds[0][1],
        "identity": identity,
    }
