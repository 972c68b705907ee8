"""How the chat service of `chat_service.py` can be out of order.

Each trouble takes the place of a good answer: it writes what it likes to the connection, until `over`
is set or the caller hangs up. `good` is what the answer should have been.
"""

import time

GIGABYTE = 1024 * 1024 * 1024
PIECE = 64 * 1024
DRIP_SECONDS = 0.3
GIVE_UP_SECONDS = 60


def head(*fields):
    return "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: application/json", *fields, "\r\n"]).encode()


def hangs(write, good, over):
    """Nothing comes, and the connection stays open."""
    over.wait(GIVE_UP_SECONDS)


def drips(write, good, over):
    """The right answer, but a byte now and then, for longer than any client waits."""
    write(head(f"Content-Length: {len(good)}"))
    for byte in good:
        write(bytes([byte]))
        if over.wait(DRIP_SECONDS):
            return


def stalls(write, good, over):
    """Half of the right answer, and then nothing more."""
    write(head(f"Content-Length: {len(good)}") + good[: len(good) // 2])
    over.wait(GIVE_UP_SECONDS)


def closes_half_way(write, good, over):
    """Half of the right answer, and then the connection ends."""
    write(head(f"Content-Length: {len(good)}") + good[: len(good) // 2])
    # So that the first half is surely read before the end is seen.
    time.sleep(DRIP_SECONDS)


def sends_a_gigabyte(write, good, over):
    """A body of a gigabyte, which it announces."""
    write(head(f"Content-Length: {GIGABYTE}") + b'[{"id":"m","content":"')
    piece = b"x" * PIECE
    for _ in range(GIGABYTE // PIECE):
        write(piece)


def never_ends(write, good, over):
    """A body without an end, which announces nothing, as fast as it can."""
    write(head("Transfer-Encoding: chunked"))
    piece = b'[{"id":"m","content":"' + b"x" * PIECE
    while not over.is_set():
        write(b"%x\r\n%s\r\n" % (len(piece), piece))


def never_begins(write, good, over):
    """A head without an end."""
    write(b"HTTP/1.1 200 OK\r\n")
    while not over.is_set():
        write(b"X-More: " + b"x" * 1000 + b"\r\n")
