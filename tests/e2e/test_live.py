"""Many people watch one live chat (docs/API.md 3, "Events"), through the real binary."""

import asyncio
import json
import resource
import time
from urllib.parse import urlsplit

import pytest

from conftest import eventually, link_path, service_caller_token

VIEWERS = 1000
MESSAGES = 100
# Idle streams are to cost at most this much of the service's memory, the connection included.
KB_A_STREAM = 64


class Stream:
    """One viewer: a bare connection, so that a thousand of them fit into one Python."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.events = []
        self.has_ended = False

    @classmethod
    async def open(cls, service, link, token=None, cursor=None):
        address = urlsplit(service.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"GET {link_path(link)}/events HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
        if token:
            head += f"Authorization: Bearer {token}\r\n"
        if cursor:
            head += f"Last-Event-ID: {cursor}\r\n"
        writer.write((head + "\r\n").encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        stream = cls(reader, writer)
        stream.task = asyncio.create_task(stream._read())
        return stream

    async def _read(self):
        text = ""
        while size := int(await self.reader.readline() or b"0", 16):
            text += (await self.reader.readexactly(size)).decode()
            await self.reader.readexactly(2)
            *blocks, text = text.split("\n\n")
            for block in blocks:
                fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
                if "event" in fields:
                    self.events.append((fields["event"], json.loads(fields["data"])))
        self.has_ended = True

    @property
    def messages(self):
        return [data["id"] for name, data in self.events if name == "message"]

    def close(self):
        self.task.cancel()
        self.writer.close()


async def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.05)


async def open_all(service, link, tokens):
    streams = []
    for start in range(0, len(tokens), 100):
        opening = [Stream.open(service, link, token) for token in tokens[start : start + 100]]
        streams += await asyncio.gather(*opening)
    return streams


@pytest.fixture(autouse=True)
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory_kb(service):
    with open(f"/proc/{service.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def test_a_thousand_viewers_get_every_message_in_order(start_service, own_chats, alice):
    service = start_service(LIVE_POLL_INTERVAL="60s")
    chat = own_chats.new_chat(alice.sub)
    link = service.http(alice).share(chat, is_frozen=False)
    chat_service = service.http(service_caller_token())

    async def watch():
        before = memory_kb(service)
        streams = await open_all(service, link, [None] * VIEWERS)
        each = (memory_kb(service) - before) / VIEWERS
        assert each < KB_A_STREAM, f"{each} KB a stream"
        sent = []
        for number in range(MESSAGES):
            sent.append(chat.say(f"message {number}").id)
            told = await asyncio.to_thread(chat_service.post, f"/api/v1/chats/{chat.id}/changes")
            assert told.status_code == 202, told.text
        said_all = time.monotonic()
        await until(lambda: all(len(stream.messages) >= MESSAGES for stream in streams), 120, "all messages")
        late = time.monotonic() - said_all
        assert all(stream.messages == sent for stream in streams)
        # A fraction of a second where the machine is free. Here one process reads for all of them, on cores that it
        # shares; to be left behind is to wait for the next poll.
        assert late < 20, f"the last one arrived {late} s after the last message"
        print(f"{each:.1f} KB a stream, the last message arrived after {late:.2f} s")
        for stream in streams:
            stream.close()

    asyncio.run(watch())
    # One fetch for all of them: two requests for the chat, two pages of messages at most, each time.
    assert len(own_chats.requests_for(chat.id)) < MESSAGES * 6


def test_anonymous_viewers_get_nothing_after_the_link_was_made_private(start_service, own_chats, alice, bob):
    service = start_service()
    chat = own_chats.new_chat(alice.sub)
    owner = service.http(alice)
    link = owner.share(chat, is_frozen=False)
    chat_service = service.http(service_caller_token())
    tokens = [None, bob.token()] * (VIEWERS // 2)

    async def say(text):
        message = chat.say(text)
        told = await asyncio.to_thread(chat_service.post, f"/api/v1/chats/{chat.id}/changes")
        assert told.status_code == 202, told.text
        return message.id

    async def watch():
        streams = await open_all(service, link, tokens)
        anonymous, signed_in = streams[::2], streams[1::2]
        public = [await say(f"for everyone {number}") for number in range(MESSAGES // 2)]
        changed = await asyncio.to_thread(owner.patch, link_path(link), json={"is_private": True})
        assert changed.status_code == 204, changed.text
        acknowledged = time.monotonic()
        private = [await say(f"for some {number}") for number in range(MESSAGES // 2)]
        await until(lambda: all(stream.has_ended for stream in anonymous), 60, "anonymous streams ended")
        print(f"all ended {time.monotonic() - acknowledged:.2f} s after the answer")
        await until(lambda: all(len(s.messages) >= MESSAGES for s in signed_in), 120, "all messages")
        for stream in anonymous:
            assert stream.events[-1] == ("revoked", {})
            assert not set(stream.messages) & set(private)
            assert stream.messages == public[: len(stream.messages)]
        for stream in signed_in:
            assert stream.messages == public + private
            assert not stream.has_ended
        for stream in streams:
            stream.close()

    asyncio.run(watch())


def test_sigterm_ends_streams_at_once(start_service, own_chats, alice):
    service = start_service(SHUTDOWN_TIMEOUT="30s")
    link = service.http(alice).share(own_chats.new_chat(alice.sub), is_frozen=False)

    async def watch():
        streams = await open_all(service, link, [None] * 20)
        began = time.monotonic()
        service.process.terminate()
        # At once, that is: long before SHUTDOWN_TIMEOUT ends them. The rest is for a loaded machine.
        await until(lambda: all(stream.has_ended for stream in streams), 10, "streams ended")
        assert service.process.wait(15) == 0
        assert time.monotonic() - began < 15

    asyncio.run(watch())
    service.start()


def test_a_viewer_who_reads_nothing_loses_the_place(start_service, own_chats, alice):
    service = start_service(MAX_STREAMS="1")
    chat = own_chats.new_chat(alice.sub)
    link = service.http(alice).share(chat, is_frozen=False)
    chat_service = service.http(service_caller_token())

    async def watch():
        address = urlsplit(service.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1024)
        writer.write(f"GET {link_path(link)}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        # asyncio stops reading when twice its limit is buffered; from then on the kernel's buffers fill.
        def flood():
            for number in range(40):
                chat.messages[:] = chat.messages[:2]
                chat.say("x" * 400_000)
                assert chat_service.post(f"/api/v1/chats/{chat.id}/changes").status_code == 202
                time.sleep(0.1)
        await asyncio.to_thread(flood)
        assert memory_kb(service) < 400_000
        again = lambda: service.http().request("HEAD", link_path(link) + "/events").status_code == 200
        await asyncio.to_thread(eventually, again, 120, "the place is free again")
        writer.close()

    asyncio.run(watch())
