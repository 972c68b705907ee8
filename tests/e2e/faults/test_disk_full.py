"""The disk of a SQLite file is full: writes are refused, reads go on, and once there is space again all is well."""

import os
import resource
import sqlite3
import subprocess
import time

import pytest

from conftest import eventually
from faults.recording import Recording
from faults.verify import verify

# Both are fractions of a second where the machine is free (docs/RELIABILITY.md); an answer that hangs takes 30 s.
MOST_SECONDS = 15
RECOVERS_WITHIN_SECONDS = 15
KIB = 1024


def as_root(*command):
    before = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*before, *command], check=True, capture_output=True)


class SmallDisk:
    """A file system of a few MiB: SQLite's log alone takes four of them."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        as_root("mount", "-t", "tmpfs", "-o", "size=16m,mode=1777", "tmpfs", folder)
        self.ballast = folder / "ballast"

    def fill(self, process):
        with open(self.ballast, "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4 * KIB))
            except OSError:  # no space is left
                pass

    def free(self, process):
        self.ballast.unlink()

    def remove(self):
        as_root("umount", "-l", self.folder)


class SmallFiles:
    """Where mounting is not allowed: the process may not make its files longer."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def fill(self, process):
        # The log of SQLite is longer than that by now, and the one of the service is soon.
        self._set(process, 64 * KIB)

    def free(self, process):
        self._set(process, resource.RLIM_INFINITY)

    @staticmethod
    def _set(process, size):
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def remove(self):
        """It goes with pytest's folder."""


@pytest.fixture(params=[SmallDisk, SmallFiles], ids=["small disk", "small files"])
def disk(request, tmp_path):
    try:
        disk = request.param(tmp_path / "disk")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"left out: a small disk cannot be mounted here: {error}")
    yield disk
    disk.remove()


def test_a_full_disk_refuses_writes_and_loses_none(disk, start, own_chats, figures):
    database_url = f"sqlite:{disk.folder / 'links.db'}"
    service = start(database_url)
    with Recording(lambda: service.url, own_chats, writers=2) as recording:
        time.sleep(1)
        disk.fill(service.process)
        full = time.monotonic()
        refusals = lambda: [a for a in recording.since(full) if a.what != "view" and a.status == 503]
        eventually(lambda: len(refusals()) >= 10, 60, "writes are refused")
        eventually(lambda: [a for a in recording.since(full) if a.what == "view"], 60, "a link is viewed")
        time.sleep(1)
        disk.free(service.process)
        freed = time.monotonic()
        time.sleep(1.5)
        written = lambda: [a for a in recording.since(freed) if a.what != "view" and a.is_good]
        eventually(written, 60, "writes are taken again")
    during = recording.since(full, freed)
    assert (unanswered := [a for a in recording.answers if a.status is None]) == [], unanswered[:3]
    views = [answer for answer in during if answer.what == "view"]
    assert views and all(answer.is_good for answer in views), "reads do not go on"
    recovered, slowest = recording.recovered_after(freed), recording.slowest()
    assert recovered < RECOVERS_WITHIN_SECONDS and slowest < MOST_SECONDS
    counts = verify(recording, service.url, database_url)
    service.terminate()
    connection = sqlite3.connect(database_url.removeprefix("sqlite:"))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    figures(**counts, missing=0, refused=len(refusals()), slowest_answer=slowest, recovered_after=recovered)
