"""The short form of `soak.py`: more than the service can serve, for a few seconds, by so many connections. The long one
goes by rate, where `shared-chats-bench` is built: its bounds are those of a machine that does nothing else."""

import shutil

from faults.conftest import FULL, left_out
from soak import soak

SECONDS = 120 if FULL else 8


def test_more_than_it_can_serve_is_answered_in_time(binary, databases, tmp_path, figures):
    if shutil.which("wrk") is None:
        left_out("no wrk (apt install wrk)")
    figures(**soak(SECONDS, databases.new(), tmp_path, closed=not FULL))
