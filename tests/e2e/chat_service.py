"""A chat service for the tests: it speaks HTTP and the h2oGPTe shapes (docs/API.md 5).

Users are told apart by the `sub` of the token that was forwarded. Everything that must stay inside the
chat service carries NEVER_SHOWN, so that a test can look for it in whatever the share service sends.
"""

import json
import socket
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import jwt

from ports import free_port

NEVER_SHOWN = "must-never-be-shown"
MOST_MESSAGES_A_PAGE = 100


@dataclass
class Message:
    content: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    reply_to: str | None = None
    role: str | None = None
    created_at: str = ""

    def to_json(self):
        answer = {
            "id": self.id,
            "content": self.content,
            "created_at": self.created_at,
            "reply_to": self.reply_to,
            "votes": 1,
            "has_references": True,
            "total_references": 3,
            "username": f"{NEVER_SHOWN}-username",
            "error": f"{NEVER_SHOWN}-error",
            "llm_args": json.dumps({"llm": f"{NEVER_SHOWN}-llm"}),
            "type_list": [{"message_type": "usage_stats", "content": f"{NEVER_SHOWN}-usage"}],
        }
        if self.role is not None:
            answer["role"] = self.role
        return answer


@dataclass
class File:
    filename: str
    content: bytes
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: int = field(default_factory=lambda: int(time.time()))
    let_go: threading.Event | None = None
    """Where there is one, the bytes are held back until it is set."""

    def to_json(self):
        return {
            "id": self.id,
            "object": "file",
            "purpose": f"{NEVER_SHOWN}-purpose",
            "filename": self.filename,
            "bytes": len(self.content),
            "created_at": self.created_at,
        }


@dataclass
class Chat:
    id: str
    name: str | None
    owner: str
    messages: list[Message] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    readers: set[str] = field(default_factory=set)
    """They may read the chat, but not share it: the chat service answers 403 to them."""

    def say(self, content, *, reply_to=None, role=None, id=None):
        """Appends a message, a second after the one before."""
        begin = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
        at = begin + timedelta(seconds=len(self.messages))
        message = Message(content, reply_to=reply_to, role=role, created_at=at.isoformat())
        if id is not None:
            message.id = id
        self.messages.append(message)
        return message

    def exchange(self, question, answer):
        asked = self.say(question)
        return asked, self.say(answer, reply_to=asked.id)

    def to_json(self):
        return {
            "id": self.id,
            "name": self.name,
            "updated_at": "2026-01-02T03:04:05Z",
            "username": f"{NEVER_SHOWN}-owner",
            "collection_id": f"{NEVER_SHOWN}-collection",
            "collection_name": f"{NEVER_SHOWN}-collection-name",
            "latest_message_content": f"{NEVER_SHOWN}-latest",
            "prompt_template_id": None,
            "system_prompt": f"{NEVER_SHOWN}-prompt",
        }


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    scheme: str
    user: str | None


SERVICE = object()
"""Stands for the share service itself, calling with the service token."""


class ChatService:
    def __init__(self, secret, service_token, *, port=0):
        self.secret = secret
        self.service_token = service_token
        self.chats: dict[str, Chat] = {}
        self.seen: list[Seen] = []
        self.moved_to: str | None = None
        """Where there is one, every request is redirected to this address."""
        self._server = None
        self._connections: set[socket.socket] = set()
        # Of its own: after a stop no other program may get it.
        self._port = port or free_port()
        self._gate = threading.Event()
        self._gate.set()
        self._waiting = threading.Event()
        self._troubles = []
        self._over = threading.Event()
        self._lock = threading.Lock()

    # What a test does with it.

    def start(self, host="127.0.0.1"):
        """Begins to listen; after a stop, on the same port again."""
        self._server = _Server((host, self._port), self)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        """From now on connections are refused, and the open ones are cut."""
        if self._server is None:
            return
        self._gate.set()
        self.recovers()
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    def new_chat(self, owner, name="A chat", *, messages=True, id=None):
        chat = Chat(id or str(uuid.uuid4()), name, owner)
        if messages:
            chat.exchange("What is a share link?", "A link that **anyone** who has it can open.")
        self.chats[chat.id] = chat
        return chat

    def remove(self, chat):
        del self.chats[chat.id]

    def requests_for(self, chat_id):
        return [seen for seen in self.seen if chat_id in seen.path]

    @contextmanager
    def answers_held_back(self):
        """Requests for messages wait until the block ends. Yields a function that waits for one to arrive."""
        self._waiting.clear()
        self._gate.clear()

        def until_one_waits():
            assert self._waiting.wait(30), "no request for messages arrived within 30 s"

        try:
            yield until_one_waits
        finally:
            self._gate.set()

    def misbehaves(self, path_end, trouble):
        """From now on, for what is asked at paths that end so: a function of `troubles.py`."""
        self._troubles.append((path_end, trouble))

    def recovers(self):
        """All is well again, and what is under way ends."""
        self._troubles = []
        self._over.set()
        self._over = threading.Event()

    # What it answers.

    def trouble_at(self, target):
        """What stands in the way of a good answer, if anything does, and what ends it."""
        over, path = self._over, urlsplit(target).path
        for path_end, trouble in self._troubles:
            if path.endswith(path_end):
                return trouble, over
        return None, over

    def who(self, authorization):
        """The scheme, and the user, SERVICE, or None for a credential that is no good."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() not in ("bearer", "bearer-token", "bearer-ad"):
            return scheme, None
        if token == self.service_token:
            return scheme, SERVICE
        try:
            claims = jwt.decode(token, self.secret, algorithms=["HS256"], options={"verify_aud": False})
        except jwt.InvalidTokenError:
            return scheme, None
        return scheme, claims.get("sub")

    def answer(self, method, target, authorization):
        """Status and body (a JSON value or bytes) for one request."""
        parts = urlsplit(target)
        scheme, user = self.who(authorization)
        name = "the share service" if user is SERVICE else user
        self.seen.append(Seen(method, parts.path, scheme, name))
        if user is None:
            return 401, _error(401, f"{NEVER_SHOWN}: bad credential")
        path = [unquote(segment) for segment in parts.path.split("/")]
        if path[:4] != ["", "api", "v1", "chats"] or len(path) < 5 or method != "GET":
            return 404, _error(404, f"{NEVER_SHOWN}: no such route")
        chat, rest = self.chats.get(path[4]), path[5:]
        if chat is None:
            return 404, _error(404, f"{NEVER_SHOWN}: no chat {path[4]}")
        if user is not SERVICE and user != chat.owner:
            return 403, _error(403, f"{NEVER_SHOWN}: {chat.owner}'s chat is not yours to share")
        match rest:
            case []:
                return 200, chat.to_json()
            case ["messages"]:
                self._waiting.set()
                assert self._gate.wait(60)
                return 200, self._page(chat, parse_qs(parts.query))
            case ["agent_server_files"] if chat.files:
                return 200, [file.to_json() for file in chat.files]
            case ["agent_server_files", id, "content"]:
                for file in chat.files:
                    if file.id == id:
                        if file.let_go is not None:
                            file.let_go.wait(60)
                        return 200, file.content
        return 404, _error(404, f"{NEVER_SHOWN}: nothing there")

    @staticmethod
    def _page(chat, query):
        offset = int(query.get("offset", ["0"])[0])
        limit = min(int(query.get("limit", ["100"])[0]), MOST_MESSAGES_A_PAGE)
        return [message.to_json() for message in chat.messages[offset : offset + limit]]


def _error(code, message):
    return {"code": code, "message": message, "error_type": "upstream"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address, chat_service):
        self.chat_service = chat_service
        super().__init__(address, _Handler)

    def handle_error(self, request, client_address):
        """A caller that hung up is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        with self.server.chat_service._lock:
            self.server.chat_service._connections.add(self.connection)

    def finish(self):
        with self.server.chat_service._lock:
            self.server.chat_service._connections.discard(self.connection)
        super().finish()

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        status, body = self.server.chat_service.answer(
            self.command, self.path, self.headers.get("Authorization")
        )
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        trouble, over = self.server.chat_service.trouble_at(self.path)
        if trouble is not None:
            self.close_connection = True
            trouble(self.wfile.write, body, over)
            return
        if self.server.chat_service.moved_to is not None:
            self.send_response(307)
            self.send_header("Location", self.server.chat_service.moved_to + self.path)
        else:
            self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, *_):
        """Silent."""
