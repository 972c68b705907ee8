"""Ports for programs that are told theirs, or that come back to the one they had."""

import random
import socket

# Below the range from which Linux takes ports for those who ask for any (32768 and up), connections included: between
# the choice of a port and its use, nothing else gets it.
PORTS = range(20_000, 32_000)
_kept = []


def free_port():
    """A port of loopback that is free, and that no other call gives while this process runs, in whichever process."""
    while True:
        port = random.randrange(PORTS.start, PORTS.stop)
        name = socket.socket(socket.AF_UNIX)
        try:
            # An abstract name is as good as a lock, and goes with the process.
            name.bind(f"\0shared-chats-e2e-port-{port}")
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", port))
        except OSError:
            name.close()
            continue
        _kept.append(name)
        return port
