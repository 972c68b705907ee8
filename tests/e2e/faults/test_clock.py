"""The clock of the machine is set, forwards and backwards: what is over stays over, and nothing breaks."""

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from conftest import assert_error, token
from faults.conftest import left_out

HOUR = 3600


@pytest.fixture
def library():
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        left_out("no libfaketime (apt install libfaketime)")
    return found[0]


@pytest.fixture
def service(start, databases, library, tmp_path):
    """A service whose wall clock the test sets; its monotonic one goes on as it does after a step of NTP."""
    offset = tmp_path / "offset"
    offset.write_text("+0")
    service = start(
        databases.new(),
        LD_PRELOAD=str(library),
        FAKETIME_TIMESTAMP_FILE=str(offset),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    service.set_clock = lambda seconds: offset.write_text(f"{seconds:+d}")
    return service


def in_seconds(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def test_clock_steps_open_nothing_that_was_over(service, own_chats, alice, figures):
    owner, anonymous = service.http(token(alice.sub, lasts=3 * HOUR)), service.http()
    short = service.http(token(alice.sub, lasts=600))
    chat = own_chats.new_chat(alice.sub)
    lasting, private = owner.share(chat), owner.share(chat, is_private=True)
    ending = owner.share(chat, expires_at=in_seconds(600))
    deleted = owner.share(chat)
    assert owner.delete("/api/v1/shared_chats/" + deleted["id"]).status_code == 204
    assert anonymous.view(ending).status_code == 200 and short.view(private).status_code == 200

    service.set_clock(HOUR)
    assert anonymous.view(lasting).status_code == 200 and owner.view(private).status_code == 200
    assert_error(anonymous.view(ending), 404)
    assert_error(short.view(private), 401)
    assert [link["id"] for link in owner.list() if link["id"] == ending["id"]] == []
    assert_error(owner.post("/api/v1/shared_chats", json={"chat_session_id": chat.id, "expires_at": in_seconds(600)}), 400)
    made_later = owner.share(chat)

    # Tokens and links that are not over yet by the clock as it is set: the clock is all there is to go by.
    service.set_clock(0)
    assert_error(anonymous.view(deleted), 404)
    assert_error(anonymous.view(private), 401)
    for link in (lasting, made_later, ending):
        assert anonymous.view(link).status_code == 200
    assert made_later["id"] in {link["id"] for link in owner.list()}

    service.set_clock(-24 * HOUR)
    assert anonymous.view(lasting).status_code == 200
    assert_error(anonymous.view(private), 401)
    assert_error(anonymous.view(deleted), 404)
    shared = owner.share(chat, expires_at=in_seconds(60 - 24 * HOUR))
    assert anonymous.view(shared).status_code == 200

    service.set_clock(0)
    assert_error(anonymous.view(shared), 404)
    assert anonymous.get("/health/ready").status_code == 200
    time.sleep(0.1)
    assert "panicked" not in service.log()
    figures(steps=[HOUR, -HOUR, -24 * HOUR, 24 * HOUR])
