"""What is asked: one line of the table for each workload."""

import base64
import hashlib
import hmac
import json
import random
import time
import uuid
from dataclasses import dataclass
from typing import Callable

LINKS = "/api/v1/shared_chats"
OWNER = "bench-owner"
SECRET = "the secret of a benchmark, 32 bytes or more"
# Chats of 20 messages, 8 KB as a view; those of the first few are what all links are copies of.
CHATS = 500
FEW, MANY = 3_000, 100_000
# So many links has each owner of the links that are in the database from the start.
OF_ONE_OWNER = 100
BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd"}
PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def token(sub, **claims):
    """A bearer token for two hours."""
    encoded = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    claims = {"sub": sub, "name": "Bench", "exp": int(time.time()) + 7200, **claims}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    signature = hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256)
    return {"Authorization": f"Bearer {signed}.{encoded(signature)}"}


class Links:
    """The ids of the links, the same in every database."""

    def __init__(self, quick):
        ids = random.Random(1)
        new = lambda count: [str(uuid.UUID(int=ids.getrandbits(128), version=4)) for _ in range(count)]
        self.all = new(5_000 if quick else MANY)
        self.few = self.all[:FEW]
        self.private = new(FEW)
        self.owners = [f"owner-{number}" for number in range(0, len(self.all) // OF_ONE_OWNER)]


def line(method, path, body="", **headers):
    return "\t".join([method, path, body, *(f"{name}: {value}" for name, value in headers.items())])


def views(ids, path="", **headers):
    return [line("GET", f"{LINKS}/{id}{path}", **headers) for id in ids]


def pages(ids):
    return [line("GET", f"/shared/{id}", **PAGE) for id in ids]


def lists(links):
    return [line("GET", f"{LINKS}?limit=100", **token(owner)) for owner in links.owners[:200]]


def creates(links):
    """For owners who have links already: what they have is counted for each create."""
    headers = {**token("bench-service", scope="shared_chats:service"), "Content-Type": "application/json"}
    bodies = [{"chat_session_id": f"chat-{n}", "owner": {"id": links.owners[n % len(links.owners)]}} for n in range(CHATS)]
    return [line("POST", LINKS, json.dumps(body), **headers) for body in bodies]


def private(links):
    viewers = [token(f"viewer-{number}") for number in range(200)]
    return [line for n, id in enumerate(links.private) for line in views([id], **viewers[n % len(viewers)])]


@dataclass(frozen=True)
class Workload:
    title: str
    requests: Callable[[Links], list]
    route: str = LINKS + "/{id}"
    status: int = 200

    def asks_for(self, links, tag):
        """The lines of the file that `wrk` is given."""
        known = f"\tIf-None-Match: {tag}" if self.status == 304 else ""
        return [line + known for line in self.requests(links)]


QR = LINKS + "/{id}/qr_code"
WORKLOADS = {
    "one": Workload("Views of one link", lambda links: views(links.few[:1])),
    "few": Workload("Views of 3,000 links", lambda links: views(links.few)),
    "many": Workload("Views of 100,000 links", lambda links: views(links.all)),
    "304-few": Workload("304 for 3,000 links", lambda links: views(links.few), status=304),
    "304-many": Workload("304 for 100,000 links", lambda links: views(links.all), status=304),
    "browser-many": Workload("Compressed views of 100,000 links", lambda links: views(links.all, **BROWSER)),
    "page-one": Workload("Pages of one link", lambda links: pages(links.few[:1]), "/shared/{id}"),
    "page-many": Workload("Pages of 100,000 links", lambda links: pages(links.all), "/shared/{id}"),
    "private-few": Workload("Views of 3,000 private links, 200 viewers", private),
    "qr-one": Workload("QR codes of one link", lambda links: views(links.few[:1], "/qr_code"), QR),
    "qr-many": Workload("QR codes of 100,000 links", lambda links: views(links.all, "/qr_code"), QR),
    "list": Workload("Lists of 100 links, 200 owners", lists, LINKS),
    # Last: they add links.
    "create": Workload("Creates, for owners of 100 links", creates, LINKS, 201),
}
