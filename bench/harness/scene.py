"""What most measurements begin with: a service on a database, with links to chats."""

import json
import sys
from contextlib import contextmanager

from . import chats
from .programs import BENCH, BINARY, Program

OWNER = "bench-owner"
LINKS = "/api/v1/shared_chats"


class Scene:
    """A folder, the identity provider, and the settings that the service and the reference share."""

    def __init__(self, folder, provider, options):
        self.folder = folder
        self.provider = provider
        self.options = options
        self.token = provider.token(OWNER, name="Bench")
        self.authorization = {"Authorization": f"Bearer {self.token}"}

    def settings(self, database, chats_file=None, **more):
        return {
            **self.provider.settings(),
            "DATABASE_URL": database.url,
            "CHAT_SERVICE_URL": f"file:{chats_file or self.chats()}",
            "ARTIFACT_STORE_URL": f"file:{self.folder / 'artifacts'}",
            **({"RUST_LOG": self.options.log} if self.options.log else {}),
            **more,
        }

    def chats(self):
        """A file with one chat of 20 messages, 8 KB as a view."""
        path = self.folder / "chats.json"
        if not path.exists():
            chats.write(path, [chats.chat("everyday", OWNER, 20, 8000)])
        return path

    def log(self, name):
        """Where a program's log goes: to a file, as a supervisor would have it."""
        return self.folder / f"{name}.log"

    @contextmanager
    def service(self, database, name="service", **settings):
        with Program([BINARY], self.settings(database, **settings), self.log(name)) as program:
            yield program

    @contextmanager
    def reference(self, kind, route, answers, database, **settings):
        """`reference`, or `bare`: the answers of the folder at the route."""
        command = [BENCH, kind, route, answers]
        with Program(command, self.settings(database, **settings), self.log(kind)) as program:
            yield program

    def share(self, program, chat="everyday", **fields):
        """Makes a link, and returns its path."""
        body = json.dumps({"chat_session_id": chat, **fields})
        headers = {**self.authorization, "Content-Type": "application/json"}
        status, _, answer = program.request("POST", LINKS, body, **headers)
        if status != 201:
            sys.exit(f"POST {LINKS} answered {status}: {answer[:500]!r}")
        return f"{LINKS}/{json.loads(answer)['id']}"
