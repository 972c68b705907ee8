"""The life of a link over plain HTTP, as curl would live it; and what callers do wrong."""

import gzip
import http.client
import json
import re
import select
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from urllib.parse import urlsplit

import brotli
import pytest
import requests
import zstandard

from chat_service import MOST_MESSAGES_A_PAGE, NEVER_SHOWN
from conftest import (
    assert_error,
    assert_error_body,
    eventually,
    link_path,
    service_caller_token,
    settings_for,
    token,
)

LINKS = "/api/v1/shared_chats"
DAY = 86400
ROW = {
    "id",
    "name",
    "chat_session_id",
    "is_private",
    "is_frozen",
    "includes_artifacts",
    "created_at",
    "updated_at",
    "expires_at",
    "label",
    "url",
    "relative_path",
    "qr_code_url",
    "showcase_id",
    "audience",
    "limited_by_policy",
}
VIEW = {"id", "name", "shared_at", "shared_by", "is_frozen", "is_private", "includes_artifacts", "expires_at", "messages"}


def contents(view):
    return [message["content"] for message in view["messages"]]


def raw(service, method, target, *, headers=None, body=None):
    """Sends the target as it stands: nothing normalises or escapes it."""
    parts = urlsplit(service.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if body is not None:
            connection.send(body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


# A whole life


def test_a_link_lives_from_its_creation_to_its_deletion(service, chats, alice, bob):
    owner, stranger, anonymous = service.http(alice), service.http(bob), service.http()
    chat = chats.new_chat(alice.sub, "From cradle to grave")

    created = owner.post(LINKS, json={"chat_session_id": chat.id, "label": "for the team"})
    assert created.status_code == 201, created.text
    link = created.json()
    assert set(link) == ROW
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", link["id"])
    assert created.headers["Location"] == f"{LINKS}/{link['id']}"
    assert link["relative_path"] == f"/shared/{link['id']}"
    assert link["url"] == service.url + link["relative_path"]
    assert link["qr_code_url"].startswith("/") and link["id"] in link["qr_code_url"]
    assert anonymous.get(link["qr_code_url"]).status_code == 200
    assert (link["is_private"], link["is_frozen"], link["includes_artifacts"]) == (False, True, False)
    assert (link["name"], link["label"], link["expires_at"]) == ("From cradle to grave", "for the team", None)

    seen = anonymous.get(created.headers["Location"])
    assert seen.status_code == 200
    view = seen.json()
    assert set(view) == VIEW
    assert (view["name"], view["shared_by"]) == ("From cradle to grave", "Alice")
    assert [set(message) for message in view["messages"]] == [{"id", "role", "content", "created_at", "reply_to"}] * 2
    assert [message["role"] for message in view["messages"]] == ["user", "assistant"]
    assert contents(view) == [message.content for message in chat.messages]
    for secret in (NEVER_SHOWN, alice.sub, chat.id, "for the team"):
        assert secret not in seen.text
    assert "no-cache" in seen.headers["Cache-Control"] and "private" not in seen.headers["Cache-Control"]
    assert {"noindex", "nofollow"} <= set(re.split(r",\s*", seen.headers["X-Robots-Tag"]))
    assert seen.headers["Referrer-Policy"] == "no-referrer"
    assert seen.headers["X-Content-Type-Options"] == "nosniff"
    assert {"authorization", "accept-encoding"} <= set(re.split(r",\s*", seen.headers["Vary"].lower()))

    etag = seen.headers["ETag"]
    assert not etag.startswith("W/")
    assert owner.patch(link_path(link), json={"is_private": True}, headers={"If-Match": etag}).status_code == 204
    assert_error(owner.patch(link_path(link), json={"is_private": False}, headers={"If-Match": etag}), 412)
    assert_error(owner.patch(link_path(link), json={"is_private": False}, headers={"If-Match": '"never"'}), 412)

    refused = anonymous.view(link)
    assert_error(refused, 401, "login_required")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert "From cradle" not in refused.text

    signed_in = stranger.view(link)
    assert signed_in.status_code == 200 and signed_in.json()["is_private"] is True
    assert {"private", "no-cache"} <= set(re.split(r",\s*", signed_in.headers["Cache-Control"]))
    head = stranger.request("HEAD", link_path(link))
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", signed_in.headers["ETag"])

    assert_error(stranger.patch(link_path(link), json={"is_private": False}), 403)
    assert_error(stranger.delete(link_path(link)), 403)
    assert owner.patch(link_path(link), json={"is_private": False}, headers={"If-Match": "*"}).status_code == 204
    assert anonymous.view(link).status_code == 200

    assert owner.delete(link_path(link)).status_code == 204
    for answer in (anonymous.view(link), owner.view(link), owner.delete(link_path(link)), anonymous.get(link["qr_code_url"])):
        assert_error(answer, 404, "not_found")
    assert_error(owner.patch(link_path(link), json={"is_private": True}), 404, "not_found")
    assert owner.list() == []


def test_an_owner_changes_and_clears_label_and_end(service, chats, alice):
    owner = service.http(alice)
    end = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat(timespec="seconds")
    link = owner.share(chats.new_chat(alice.sub), label="é" * 200, expires_at=end)
    assert datetime.fromisoformat(link["expires_at"]) == datetime.fromisoformat(end)
    assert link["label"] == "é" * 200
    assert datetime.fromisoformat(owner.view(link).json()["expires_at"]) == datetime.fromisoformat(end)
    assert owner.patch(link_path(link), json={"label": None, "expires_at": None}).status_code == 204
    [row] = owner.list()
    assert set(row) == ROW
    assert (row["label"], row["expires_at"]) == (None, None)
    assert row["updated_at"] >= row["created_at"]


def test_a_link_is_gone_when_its_end_has_come(service, chats, alice):
    owner = service.http(alice)
    # Late enough for a slow machine to see it before.
    end = datetime.now(timezone.utc) + timedelta(seconds=10)
    link = owner.share(chats.new_chat(alice.sub), expires_at=end.isoformat())
    assert owner.view(link).status_code == 200
    eventually(lambda: service.http().view(link).status_code == 404, 60, "the link expired")
    assert datetime.now(timezone.utc) >= end
    assert_error(owner.view(link), 404, "not_found")
    assert_error(owner.patch(link_path(link), json={"expires_at": None}), 404, "not_found")
    assert owner.list() == []


def test_a_list_tells_its_total_and_its_neighbours(service, chats, alice):
    owner = service.http(alice)
    for name in ("b", "a", "c"):
        owner.share(chats.new_chat(alice.sub, name))
    answer = owner.get(LINKS, params={"offset": 1, "limit": 1, "filter_type": "public", "from_a_newer_client": "1"})
    assert [row["name"] for row in answer.json()] == ["a"]
    assert answer.headers["X-Total-Count"] == "3"
    assert set(answer.links) >= {"next", "prev"}
    for relation, name in {"next": "b", "prev": "c"}.items():
        followed = owner.get(answer.links[relation]["url"].removeprefix(service.url))
        assert [row["name"] for row in followed.json()] == [name]
    assert "next" not in owner.get(LINKS, params={"offset": 2}).links
    for sort, order in {"name": "abc", "-name": "cba", "created_at": "bac", "-created_at": "cab"}.items():
        assert "".join(row["name"] for row in owner.list(sort=sort)) == order, sort
    chat_id = owner.list(sort="name")[0]["chat_session_id"]
    assert [row["name"] for row in owner.list(chat_session_id=chat_id)] == ["a"]
    assert_error(owner.get(LINKS, params={"sort": "owner_id"}), 400)


# Bodies and caches


def test_a_viewer_who_has_the_current_view_gets_304(service, chats, alice):
    owner, anonymous = service.http(alice), service.http()
    link = owner.share(chats.new_chat(alice.sub))
    first = anonymous.view(link)
    again = anonymous.view(link, headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert anonymous.view(link, headers={"If-None-Match": '"other"'}).status_code == 200
    assert owner.patch(link_path(link), json={"is_private": True}).status_code == 204
    assert_error(anonymous.view(link, headers={"If-None-Match": first.headers["ETag"]}), 401)
    assert owner.view(link, headers={"If-None-Match": first.headers["ETag"]}).status_code == 200
    assert owner.delete(link_path(link)).status_code == 204
    assert_error(owner.view(link, headers={"If-None-Match": first.headers["ETag"]}), 404)


def test_every_coding_decodes_to_the_same_json(service, chats, alice):
    chat = chats.new_chat(alice.sub, "Größe, 大きさ")
    for number in range(60):
        chat.say(f"Message {number}: the same words again and again, ünd 数字 🎉")
    link = service.http(alice).share(chat)
    decoders = {
        "identity": lambda body: body,
        "gzip": gzip.decompress,
        "br": brotli.decompress,
        "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
    }
    decoded, etags, sizes = {}, {}, {}
    for coding, decode in decoders.items():
        status, headers, body = raw(service, "GET", link_path(link), headers={"Accept-Encoding": coding})
        assert status == 200
        assert headers.get("Content-Encoding", "identity") == coding
        decoded[coding], etags[coding], sizes[coding] = json.loads(decode(body)), headers["ETag"], len(body)
        status, headers, body = raw(
            service, "GET", link_path(link), headers={"Accept-Encoding": coding, "If-None-Match": etags[coding]}
        )
        assert (status, body) == (304, b""), coding
    assert all(value == decoded["identity"] for value in decoded.values())
    assert contents(decoded["identity"]) == [message.content for message in chat.messages]
    assert len(set(etags.values())) == len(decoders), "one ETag for each coding"
    assert all(sizes[coding] < sizes["identity"] / 2 for coding in ("gzip", "br", "zstd")), sizes

    # The ETag of any coding is good for a change.
    owner = service.http(alice)
    assert owner.patch(link_path(link), json={"label": "x"}, headers={"If-Match": etags["br"]}).status_code == 204


def test_what_a_message_holds_comes_back_as_it_was_sent(service, chats, alice):
    chat = chats.new_chat(alice.sub, "NUL \x00 and half a pair \ud800", messages=False)
    said = ["a\x00b", "half \ud83d a pair", "\udc00", "👩‍👩‍👧 שלום \u202e", '"\\/\b\f\n\r\t', "</script>", "", "x" * 5_000_000]
    for content in said:
        chat.say(content)
    link = service.http(alice).share(chat)
    view = json.loads(service.http().view(link).content)
    assert contents(view) == said
    assert view["name"] == "NUL \ufffd and half a pair \ufffd"


def test_a_long_chat_is_read_to_its_end_and_repeated_messages_are_dropped(service, chats, alice):
    chat = chats.new_chat(alice.sub, messages=False)
    for number in range(3 * MOST_MESSAGES_A_PAGE + 1):
        chat.say(f"Message {number}", role="tool" if number == 7 else None)
    chat.messages.append(chat.messages[0])
    link = service.http(alice).share(chat)
    view = service.http().view(link).json()
    assert contents(view) == [f"Message {number}" for number in range(3 * MOST_MESSAGES_A_PAGE + 1)]
    assert view["messages"][7]["role"] == "tool"


def test_a_chat_without_messages_cannot_be_shared(service, chats, alice):
    owner = service.http(alice)
    chat = chats.new_chat(alice.sub, messages=False)
    assert_error(owner.post(LINKS, json={"chat_session_id": chat.id}), 422)
    assert owner.list() == []


# Idempotency


def test_twenty_creates_with_one_key_at_the_same_moment_give_one_link(service, chats, alice):
    chat = chats.new_chat(alice.sub)
    key, barrier = str(uuid.uuid4()), threading.Barrier(20)

    def create(_):
        caller = service.http(alice)
        barrier.wait(60)
        return caller.post(LINKS, json={"chat_session_id": chat.id}, headers={"Idempotency-Key": key})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(create, range(20)))
    assert {answer.status_code for answer in answers} <= {200, 201}, [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [row["id"] for row in service.http(alice).list()] == [answers[0].json()["id"]]


def test_an_idempotency_key_belongs_to_one_caller_and_one_request(service, chats, alice, bob):
    owner, other = service.http(alice), service.http(bob)
    chat, headers = chats.new_chat(alice.sub), {"Idempotency-Key": "the-key"}
    missing = chats.new_chat(alice.sub)
    chats.remove(missing)
    assert_error(owner.post(LINKS, json={"chat_session_id": missing.id}, headers=headers), 404)

    link = owner.share(chat, headers=headers)  # The failed attempt kept nothing.
    again = owner.post(LINKS, json={"chat_session_id": chat.id}, headers=headers)
    assert again.status_code in (200, 201) and again.json()["id"] == link["id"]
    assert_error(owner.post(LINKS, json={"chat_session_id": chat.id, "is_private": True}, headers=headers), 409)
    assert other.share(chats.new_chat(bob.sub), headers=headers)["id"] != link["id"]

    assert owner.delete(link_path(link)).status_code == 204
    assert_error(owner.post(LINKS, json={"chat_session_id": chat.id}, headers=headers), 409)
    for bad in ("x" * 256, "with space"):
        assert_error(owner.post(LINKS, json={"chat_session_id": chat.id}, headers={"Idempotency-Key": bad}), 400)


# Deleting many


def test_a_batch_deletes_all_or_nothing(service, chats, alice, bob):
    owner, other = service.http(alice), service.http(bob)
    chat = chats.new_chat(alice.sub)
    mine = [owner.share(chat)["id"] for _ in range(3)]
    foreign = other.share(chats.new_chat(bob.sub))["id"]
    unknown = [str(uuid.uuid4()) for _ in range(996)]
    path = f"{LINKS}/batch_delete"
    assert_error(owner.post(path, json={"shared_chat_ids": [*mine, *unknown, foreign]}), 403)
    assert len(owner.list()) == 3 and service.http().view(foreign).status_code == 200
    assert_error(service.http().post(path, json={"shared_chat_ids": mine}), 401)
    assert owner.post(path, json={"shared_chat_ids": [*mine, *mine, *unknown[:900]]}).status_code == 204
    assert owner.list() == [] and all(service.http().view(id).status_code == 404 for id in mine)


# The chat service calls


def test_links_go_with_their_chat_and_the_chat_cannot_be_shared_again(service, chats, alice, bob):
    owner, machine = service.http(alice), service.http(service_caller_token())
    chat, other = chats.new_chat(alice.sub), chats.new_chat(alice.sub)
    links = [owner.share(chat, is_private=private, is_frozen=frozen) for private in (False, True) for frozen in (False, True)]
    survivor = owner.share(other)
    path = f"/api/v1/chats/{chat.id}/shared_chats"

    for caller, status in ((service.http(), 401), (service.http(alice), 403), (service.http(bob), 403)):
        assert_error(caller.get(path), status)
        assert_error(caller.delete(path), status)
    listed = machine.get(path)
    assert listed.status_code == 200
    assert {row["id"] for row in listed.json()} == {link["id"] for link in links}
    assert {row["owner_id"] for row in listed.json()} == {alice.sub}

    gone = machine.delete(path)
    assert (gone.status_code, gone.json()) == (200, {"deleted": 4})
    for link in links:
        assert_error(owner.view(link), 404, "not_found")
    assert machine.delete(path).json() == {"deleted": 0}
    assert machine.get(path).json() == []
    assert_error(owner.post(LINKS, json={"chat_session_id": chat.id}), 404)
    assert [row["id"] for row in owner.list()] == [survivor["id"]]


def test_a_create_that_is_under_way_when_the_chat_is_deleted_leaves_no_link(start_service, own_chats, alice):
    service = start_service()
    owner, machine = service.http(alice), service.http(service_caller_token())
    chat = own_chats.new_chat(alice.sub)
    with ThreadPoolExecutor(1) as pool:
        with own_chats.answers_held_back() as until_one_waits:
            under_way = pool.submit(owner.post, LINKS, json={"chat_session_id": chat.id})
            until_one_waits()
            assert machine.delete(f"/api/v1/chats/{chat.id}/shared_chats").json() == {"deleted": 0}
        assert_error(under_way.result(60), 404)
    assert service.http(alice).list() == []


def test_the_chat_service_creates_for_an_owner_but_does_not_manage_users_links(service, chats, alice):
    owner, machine = service.http(alice), service.http(service_caller_token())
    chat = chats.new_chat(alice.sub)
    link = machine.share(chat, owner={"id": alice.sub, "name": "Alice A."})
    assert {seen.user for seen in chats.requests_for(chat.id)} == {"the share service"}
    assert [row["id"] for row in owner.list()] == [link["id"]]
    assert service.http().view(link).json()["shared_by"] == "Alice A."
    assert_error(machine.post(LINKS, json={"chat_session_id": chat.id}), 400)
    assert_error(owner.post(LINKS, json={"chat_session_id": chat.id, "owner": {"id": alice.sub}}), 403)
    assert_error(machine.get(LINKS), 403)
    assert_error(machine.patch(link_path(link), json={"is_private": True}), 403)
    assert_error(machine.delete(link_path(link)), 403)
    almost = service.http(token("x", scope="shared_chats:service2 xshared_chats:service"))
    assert_error(almost.delete(f"/api/v1/chats/{chat.id}/shared_chats"), 403)
    assert owner.view(link).status_code == 200


# Live links, and a chat service that is down


def test_a_live_link_shows_what_the_chat_holds_now(service, chats, alice):
    chat = chats.new_chat(alice.sub, "Before")
    owner = service.http(alice)
    live, frozen = owner.share(chat, is_frozen=False), owner.share(chat)
    before = service.http().view(live)
    chat.say("Said later")
    chat.messages[0].content = "Edited"
    chat.name = "After"

    # Section 4: the chat service may tell at once; without it, a bounded age.
    service.http(service_caller_token()).post(f"/api/v1/chats/{chat.id}/changes")
    eventually(lambda: "Said later" in service.http().view(live).text, 10, "the live link shows the later message")
    after = service.http().view(live)
    assert contents(after.json())[::2] == ["Edited", "Said later"]
    assert after.json()["is_frozen"] is False
    assert after.headers["ETag"] != before.headers["ETag"]
    assert NEVER_SHOWN not in after.text
    assert "Said later" not in service.http().view(frozen).text
    assert "Edited" not in service.http().view(frozen).text


def test_a_chat_service_that_is_down_harms_no_frozen_link_and_nothing_is_half_made(start_service, own_chats, alice):
    service = start_service()
    owner, anonymous = service.http(alice), service.http()
    chat = own_chats.new_chat(alice.sub)
    frozen = owner.share(chat)
    live = owner.share(chat, is_frozen=False)
    unseen = owner.share(own_chats.new_chat(alice.sub), is_frozen=False)
    own_chats.stop()

    message = assert_error(owner.post(LINKS, json={"chat_session_id": chat.id}), 502)
    assert own_chats.url not in message and urlsplit(own_chats.url).netloc not in message
    assert_error(anonymous.view(unseen), 502)
    eventually(lambda: anonymous.view(live).status_code == 502, 30, "the live link cannot be shown")
    assert anonymous.view(frozen).status_code == 200
    assert {row["id"] for row in owner.list()} == {frozen["id"], live["id"], unseen["id"]}
    assert owner.patch(link_path(live), json={"is_private": True}).status_code == 204
    assert anonymous.get("/health/ready").status_code == 200

    own_chats.start()
    eventually(lambda: owner.view(live).status_code == 200, 60, "the live link is back")
    owner.share(chat)


def test_a_live_link_without_a_service_credential_is_refused(start_service, own_chats, alice):
    service = start_service(CHAT_SERVICE_TOKEN=None)
    owner = service.http(alice)
    chat = own_chats.new_chat(alice.sub)
    assert "is_frozen" in assert_error(owner.post(LINKS, json={"chat_session_id": chat.id, "is_frozen": False}), 400)
    owner.share(chat)


# Power cuts and restarts


def test_an_acknowledged_link_outlives_a_kill(start_service, own_chats, alice):
    service = start_service()
    chat = own_chats.new_chat(alice.sub, "Still here")
    acknowledged, deleted = [], None
    for _ in range(3):
        owner = service.http(alice)
        if acknowledged:
            deleted = acknowledged.pop()
            assert owner.delete(link_path(deleted)).status_code == 204
        acknowledged += [owner.share(chat), owner.share(chat, is_private=True)]
        service.kill()
        service.start()
        for link in acknowledged:
            view = service.http(alice).view(link)
            assert view.status_code == 200 and view.json()["name"] == "Still here"
        if deleted:
            assert_error(service.http(alice).view(deleted), 404)
    assert len(service.http(alice).list()) == len(acknowledged)


def test_two_instances_start_at_once_on_one_database_and_agree(start_service, databases, own_chats, alice):
    settings = settings_for(databases, own_chats)
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: start_service(**settings), range(2))
    link = one.http(alice).share(own_chats.new_chat(alice.sub))
    assert two.http().view(link).status_code == 200
    assert one.http(alice).patch(link_path(link), json={"is_private": True}).status_code == 204
    assert_error(two.http().view(link), 401)
    assert two.http(alice).delete(link_path(link)).status_code == 204
    assert_error(one.http(alice).view(link), 404)


def test_the_log_carries_no_link_no_token_and_no_message(start_service, own_chats, alice):
    service = start_service(RUST_LOG="debug")
    chat = own_chats.new_chat(alice.sub, messages=False)
    chat.say("a-sentence-that-is-not-logged")
    owner = service.http(alice)
    link = owner.share(chat, is_frozen=False)
    service.http().view(link)
    service.http().get(link["relative_path"], headers={"Accept": "text/html"})
    owner.patch(link_path(link), json={"is_private": True})
    service.http("garbage-credential").view(link)
    own_chats.stop()
    service.http().view(link)
    owner.delete(link_path(link))
    log = eventually(lambda: "DELETE" in service.log() and service.log(), 30, "the requests are in the log")
    for secret in (link["id"], alice.token()[:60], "garbage-credential", "a-sentence-that-is-not-logged"):
        assert secret not in log


# The page


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, answer):
        super().__init__()
        self.elements, self.text = [], ""
        self._hidden = 0
        assert answer.headers["Content-Type"].lower().replace(" ", "").startswith("text/html;charset=utf-8")
        self.feed(answer.content.decode("utf-8"))

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._hidden += tag in ("style", "script")

    def handle_endtag(self, tag):
        self._hidden -= tag in ("style", "script")

    def handle_data(self, data):
        if not self._hidden:
            self.text += data

    def assert_harmless(self, own_url):
        assert [tag for tag, _ in self.elements].count("script") <= 1, "the page's own alone"
        for tag, attributes in self.elements:
            assert tag not in ("iframe", "object", "embed", "base", "marquee"), tag
            assert tag != "script" or not attributes, "the page's own is inline"
            for name, value in attributes.items():
                assert not name.startswith("on"), (tag, name)
                if name in ("src", "href", "action", "data", "srcset", "poster"):
                    assert not re.match(r"\s*(javascript|vbscript):", value or "", re.I), (tag, value)
                if name in ("src", "srcset", "poster") or (tag == "link" and name == "href"):
                    outside = re.match(r"(https?:)?//", value or "") and not value.startswith(own_url)
                    assert not outside, f"an outside resource: {tag} {value}"


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_a_browser_gets_a_page_with_the_messages_and_its_own_script_alone(service, chats, alice):
    hostile = '<script>alert("hello")</script><img src=x onerror=alert(1)><marquee>'
    chat = chats.new_chat(alice.sub, f"A page {hostile}", messages=False)
    for content in ("What is 1 < 2 && 3 > 2?", hostile, "[click](javascript:alert(1))", "مرحبا بالعالم", "`let x = 1;`"):
        chat.say(content)
    link = service.http(alice.token(name=f"Al{hostile}")).share(chat)
    answer = service.http().get(link["relative_path"], headers=BROWSER)
    assert answer.status_code == 200
    page = Page(answer)
    page.assert_harmless(service.url)
    for text in ("What is 1 < 2 && 3 > 2?", hostile, "مرحبا بالعالم", "let x = 1;"):
        assert text in page.text, text
    assert "<script>alert" not in answer.text and NEVER_SHOWN not in answer.text
    assert chat.id not in answer.text and alice.sub not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy or "default-src 'self'" in policy
    assert "unsafe-eval" not in policy and not re.search(r"script-src[^;]*unsafe-inline", policy)
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "accept" in re.split(r",\s*", answer.headers["Vary"].lower())


def test_a_browser_gets_a_page_for_a_private_and_for_a_dead_link(service, chats, alice):
    owner = service.http(alice)
    private = owner.share(chats.new_chat(alice.sub, "A private name"), is_private=True)
    asked = service.http().get(private["relative_path"], headers=BROWSER)
    assert asked.status_code == 401
    Page(asked).assert_harmless(service.url)
    assert "A private name" not in asked.text
    shown = service.http(alice).get(private["relative_path"], headers=BROWSER)
    assert shown.status_code == 200 and "A private name" in Page(shown).text
    assert "private" in shown.headers["Cache-Control"]

    assert owner.delete(link_path(private)).status_code == 204
    pages = [
        service.http().get(path, headers=BROWSER)
        for path in (private["relative_path"], f"/shared/{uuid.uuid4()}", "/shared/nonsense")
    ]
    for dead in pages:
        assert dead.status_code == 404
        Page(dead).assert_harmless(service.url)


def test_json_is_for_those_who_name_it_and_a_crawler_gets_the_page(service, chats, alice):
    link = service.http(alice).share(chats.new_chat(alice.sub))
    answer = service.http().get(link["relative_path"], headers={"Accept": "application/json"})
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == service.http().view(link).json()
    assert_error(service.http().get(f"/shared/{uuid.uuid4()}"), 404)
    for path, status in ((link["relative_path"], 200), (f"/shared/{uuid.uuid4()}", 404)):
        answer = service.http().get(path, headers={"Accept": "*/*"})
        assert answer.status_code == status
        Page(answer).assert_harmless(service.url)


# Credentials


def bad_tokens():
    import jwt

    # All of them are made before the first test: what is wrong with each has to be so when its test comes.
    good = {"sub": "someone", "exp": int(time.time()) + DAY}
    yield "not a JWT", "rubbish"
    yield "alg none", jwt.encode(good, None, algorithm="none")
    yield "another secret", token("someone", secret="another secret, which the service does not know", lasts=DAY)
    yield "another HMAC", token(
        "someone",
        algorithm="HS512",
        secret="another secret that is long enough for HS512, which wants sixty-four bytes",
        lasts=DAY,
    )
    yield "expired", token("someone", lasts=-60)
    yield "not yet valid", token("someone", nbf=int(time.time()) + DAY, lasts=2 * DAY)
    yield "no exp", token("someone", exp=None)
    yield "no sub", token(None, lasts=DAY)
    yield "an empty sub", token("", lasts=DAY)
    header, body, signature = token("someone", lasts=DAY).split(".")
    yield "a cut signature", f"{header}.{body}.{signature[:-4]}"
    yield "no signature", f"{header}.{body}."


@pytest.mark.parametrize("credential", [pytest.param(value, id=name) for name, value in bad_tokens()])
def test_a_bad_token_is_refused_where_one_is_needed_and_no_matter_on_a_public_link(service, chats, alice, credential):
    link = service.http(alice).share(chats.new_chat(alice.sub))
    caller = service.http(credential)
    refused = caller.get(LINKS)
    assert_error(refused, 401, "invalid_token")
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert caller.view(link).status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer-Token", "bearer-token", "Bearer-AD"])
def test_every_scheme_is_understood_in_any_case(service, alice, scheme):
    assert service.http(alice, scheme=scheme).get(LINKS).status_code == 200


@pytest.mark.parametrize("scheme", ["Basic", "Token", "Negotiate"])
def test_no_other_scheme_is_understood(service, alice, scheme):
    answer = service.http(alice, scheme=scheme).get(LINKS)
    assert_error(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_who_shared_a_link_is_never_an_address(service, chats, alice):
    chat = chats.new_chat(alice.sub)
    for claims, shown in (
        ({"name": "Alice", "preferred_username": "al", "email": "a@example.org"}, "Alice"),
        ({"name": None, "preferred_username": "al"}, "al"),
        ({"name": "a@example.org", "preferred_username": "al@example.org"}, ""),
        ({"name": None, "email": "a@example.org"}, ""),
    ):
        link = service.http(alice.token(**claims)).share(chat)
        assert service.http().view(link).json()["shared_by"] == shown, claims


# Bad input

HOSTILE_IDS = {
    "dots": "..",
    "encoded dots": "%2e%2e",
    "up and away": "..%2f",
    "up to etc": "..%2f..%2f..%2fetc%2fpasswd",
    "backslashes": "..%5c..%5c",
    "NUL": "%00",
    "id and NUL": "{id}%00",
    "ten thousand": "a" * 10_000,
    "broken UTF-8": "%ff%fe",
    "half an escape": "%2",
    "not an escape": "%zz",
    "space": "%20",
    "newline": "%0d%0aX-Injected:%20yes",
    "SQL": "'%20OR%20'1'='1",
    "wildcard": "%25",
    "upper case": "{ID}",
    "no hyphens": "{compact}",
    "braces": "%7B{id}%7D",
    "id and more": "{id}x",
    "id and slash": "{id}%2f",
    "emoji": "%F0%9F%A6%80",
}


@pytest.mark.parametrize("template", HOSTILE_IDS.values(), ids=HOSTILE_IDS.keys())
def test_a_hostile_link_id_gets_a_plain_error_on_every_route(service, chats, alice, template):
    link = service.http(alice).share(chats.new_chat(alice.sub))
    id = link["id"]
    hostile = template.replace("{id}", id).replace("{ID}", id.upper()).replace("{compact}", id.replace("-", ""))
    credential = {"Authorization": f"Bearer {alice.token()}", "Accept": "application/json"}
    change = {**credential, "Content-Type": "application/json"}
    for method, path, headers, body in (
        ("GET", f"{LINKS}/{hostile}", credential, None),
        ("PATCH", f"{LINKS}/{hostile}", change, b'{"is_private": true}'),
        ("DELETE", f"{LINKS}/{hostile}", credential, None),
        ("GET", f"{LINKS}/{hostile}/qr_code", credential, None),
        ("GET", f"/shared/{hostile}", credential, None),
    ):
        status, sent, answer = raw(service, method, path, headers=headers, body=body)
        # `..` may be resolved to another route of the API, which then knows another method.
        assert status in ((400, 404, 405) if hostile in ("..", "%2e%2e") else (400, 404, 414)), (method, path[:80], status)
        assert sent["Content-Type"].startswith("application/json") and "X-Injected" not in sent
        assert_error_body(json.loads(answer), status)
    assert service.http().view(link).json()["is_private"] is False


@pytest.mark.parametrize("id", ["", ".", "..", "../x", "a/b", "%2e%2e", "a?b", "a#b", "a b", "a\x00", "ä", "x" * 129, "x" * 10_000])
def test_a_hostile_chat_id_never_reaches_the_chat_service(service, chats, alice, id):
    assert "chat_session_id" in assert_error(service.http(alice).post(LINKS, json={"chat_session_id": id}), 400)
    # Not how many arrived: live links of earlier tests may be asked for still.
    assert not [seen for seen in chats.seen if seen.user == alice.sub]


BAD_CREATES = {
    "a string for a boolean": ({"is_private": "yes"}, "is_private"),
    "null for a boolean": ({"is_private": None}, "is_private"),
    "a number for a boolean": ({"is_frozen": 1}, "is_frozen"),
    "a misspelt field": ({"is_privat": True}, "is_privat"),
    "an end in the past": ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    "an end without a zone": ({"expires_at": "2999-01-01T00:00:00"}, "expires_at"),
    "an end that is no date": ({"expires_at": "soon"}, "expires_at"),
    "a long label": ({"label": "x" * 201}, "label"),
    "a label of another type": ({"label": ["x"]}, "label"),
    "a number for the chat": ({"chat_session_id": 7}, "chat_session_id"),
    "no chat": ({"chat_session_id": ...}, "chat_session_id"),
}


@pytest.mark.parametrize(("change", "named"), BAD_CREATES.values(), ids=BAD_CREATES.keys())
def test_a_create_with_a_bad_field_makes_nothing_and_names_the_field(service, chats, alice, change, named):
    owner = service.http(alice)
    body = {"chat_session_id": chats.new_chat(alice.sub).id, **change}
    body = {name: value for name, value in body.items() if value is not ...}
    assert named in assert_error(owner.post(LINKS, json=body), 400)
    assert owner.list() == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"is_private": None}, "is_private"),
        ({"is_private": "true"}, "is_private"),
        ({"is_frozen": False}, "is_frozen"),
        ({"is_privat": True}, "is_privat"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"label": 7}, "label"),
    ],
    ids=repr,
)
def test_a_change_with_a_bad_field_changes_nothing_and_names_the_field(service, chats, alice, change, named):
    owner = service.http(alice)
    link = owner.share(chats.new_chat(alice.sub))
    assert named in assert_error(owner.patch(link_path(link), json={"label": "x", **change}), 400)
    assert [row["label"] for row in owner.list()] == [None]


BAD_BODIES = {
    "nothing": b"",
    "half": b'{"chat_session_id": "',
    "not JSON": b"chat_session_id=x",
    "broken UTF-8": b'{"chat_session_id": "\xff\xfe"}',
    "an array": b"[]",
    "null": b"null",
    "a string": b'"x"',
    "two values": b'{"chat_session_id": "x"} {}',
    "deeply nested": b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_body_that_is_no_request_is_a_bad_request(service, alice, body):
    answer = service.http(alice).post(LINKS, data=body, headers={"Content-Type": "application/json"})
    assert_error(answer, 400)


@pytest.mark.parametrize(
    "query",
    ["limit=-1", "limit=0", "limit=1001", "limit=99999999999999999999", "limit=x", "offset=-1", "offset=x", "filter_type=x", "sort=x"],
)
def test_a_bad_query_is_refused_by_name(service, alice, query):
    assert query.split("=")[0] in assert_error(service.http(alice).get(f"{LINKS}?{query}"), 400)


def test_what_the_framework_refuses_is_an_error_like_any_other(service, alice):
    owner = service.http(alice)
    assert_error(owner.get("/api/v1/no_such_thing"), 404)
    assert_error(owner.get("/api/v1/auth/session/capabilities"), 404)
    assert_error(owner.get("/rpc/meta"), 404)
    wrong_method = owner.request("PUT", LINKS)
    assert_error(wrong_method, 405)
    assert {"GET", "POST"} <= set(re.split(r",\s*", wrong_method.headers["Allow"]))
    wrong_method = owner.request("PUT", f"{LINKS}/{uuid.uuid4()}")
    assert_error(wrong_method, 405)
    assert {"GET", "PATCH", "DELETE"} <= set(re.split(r",\s*", wrong_method.headers["Allow"]))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        assert_error(owner.post(LINKS, data=b'{"chat_session_id":"x"}', headers={"Content-Type": kind}), 415)


def test_errors_come_in_the_documented_order(service, chats, alice, bob):
    owner, stranger, anonymous = service.http(alice), service.http(bob), service.http()
    link = owner.share(chats.new_chat(alice.sub), is_private=True)
    missing = str(uuid.uuid4())
    never = {"If-Match": '"never"'}
    assert_error(anonymous.patch(link_path(missing), json={"is_privat": 1}), 401)
    assert_error(owner.patch(link_path(missing), json={"is_privat": 1}), 400)
    assert_error(stranger.patch(link_path(link), json={"is_privat": 1}), 400)
    assert_error(stranger.patch(link_path(missing), json={"is_private": True}, headers=never), 404)
    assert_error(stranger.patch(link_path(link), json={"is_private": False}, headers=never), 403)
    assert_error(owner.patch(link_path(link), json={"is_private": False}, headers=never), 412)
    assert_error(anonymous.view(missing), 404)
    assert_error(anonymous.view(link), 401)


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_body_of_a_hundred_megabytes_is_refused_and_the_service_stays_well(service, chats, alice, chunked):
    size, piece = 100 * 1024 * 1024, b'{"' + b"x" * 65534
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    parts = urlsplit(service.url)
    head = (
        f"POST {LINKS} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {alice.token()}\r\n"
        f"Content-Type: application/json\r\nAccept: application/json\r\n{length}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        sent = 0
        try:
            connection.sendall(head.encode())
            while sent < size and not select.select([connection], [], [], 0)[0]:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                sent += len(piece)
            if sent >= size and chunked:
                connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # The service may hang up, if the 413 can be read all the same.
        answer = http.client.HTTPResponse(connection, method="POST")
        answer.begin()
        body = json.loads(answer.read())
    assert answer.status == 413
    assert_error_body(body, 413)
    service.http(alice).share(chats.new_chat(alice.sub))


def test_a_body_just_over_the_bound_is_refused_and_one_under_it_is_read(service, alice):
    owner = service.http(alice)
    for size, status in ((1024 * 1024 + 1, 413), (1024 * 1024 - 64, 400)):
        body = b'{"label": "' + b"x" * (size - 13) + b'"}'
        assert_error(owner.post(LINKS, data=body, headers={"Content-Type": "application/json"}), status)


# What describes it


def test_the_service_describes_itself(service):
    anonymous = service.http()
    document = anonymous.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"get", "post"} <= set(document["paths"][LINKS])
    assert "yaml" in anonymous.get("/openapi.yaml").headers["Content-Type"]
    assert requests.get(service.url + "/docs", timeout=30).status_code == 200
    for path in ("/health/live", "/health/ready"):
        assert anonymous.get(path).status_code == 200
    assert_error(anonymous.get("/metrics"), 404)
