"""The short form of `soak.py`: more than the service can serve, for a few seconds."""

import shutil

import pytest

from faults.conftest import FULL
from soak import soak

SECONDS = 120 if FULL else 12


@pytest.mark.skipif(shutil.which("wrk") is None, reason="left out: no wrk (apt install wrk)")
def test_more_than_it_can_serve_is_answered_in_time(binary, databases, tmp_path, figures):
    figures(**soak(SECONDS, databases.new(), tmp_path))
