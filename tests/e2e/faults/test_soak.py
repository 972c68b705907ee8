"""The short form of `soak.py`: for some seconds, twice what the service can serve."""

from faults.conftest import FULL, left_out
from soak import missing, soak

SECONDS = 120 if FULL else 20


def test_more_than_it_can_serve_is_answered_in_time(binary, databases, tmp_path, figures):
    if missing():
        left_out(f"apt install {' '.join(missing())}")
    figures(**soak(SECONDS, databases.new(), tmp_path))
