"""Signing in with a certified OpenID provider, and the service's own token from it (docs/API.md 1 and 5)."""

import base64
import json
import os
import socket
import time
from urllib.parse import urlsplit

import jwt
import pytest

from chat_service import SERVICE, ChatService
from conftest import Service, SqliteDatabases, assert_error, eventually, settings_for
from openid_provider import (
    CHAT_SERVICE,
    CHATS,
    ELSEWHERE,
    ES256,
    LINKS,
    READER,
    RS256,
    SHARE_SERVICE,
    OpenIdProvider,
    missing,
)


@pytest.fixture(scope="module", autouse=True)
def provider_is_installed():
    lacks = missing()
    if lacks and os.environ.get("E2E_REQUIRE_OIDC") == "1":
        pytest.fail(f"E2E_REQUIRE_OIDC=1, but {lacks}")
    if lacks:
        pytest.skip(f"the OpenID provider is left out: {lacks}")


class Chats(ChatService):
    """A chat service that believes the provider, as the share service does."""

    def __init__(self, provider):
        super().__init__(secret=None, service_token=None)
        self.provider = provider

    def who(self, authorization):
        scheme, _, token = (authorization or "").partition(" ")
        own = self.provider.claims(token, CHATS)
        if own and own["client_id"] == SHARE_SERVICE[0] and "chats:read" in own["scope"].split():
            return scheme, SERVICE
        user = self.provider.claims(token, LINKS)
        return scheme, user and user["sub"]


class World:
    """A provider, a chat service, and as many share services as a test starts."""

    def __init__(self, directory, **provider):
        self.directory = directory
        self.provider = OpenIdProvider(directory, **provider).start()
        self.chats = Chats(self.provider).start()
        self.services = []

    def start(self, databases, *, wait=True, **more):
        settings = settings_for(
            databases,
            self.chats,
            AUTH_HS256_SECRET=None,
            CHAT_SERVICE_TOKEN=None,
            AUTH_ISSUER=self.provider.issuer,
            AUTH_AUDIENCE=LINKS,
            CHAT_SERVICE_CLIENT_ID=SHARE_SERVICE[0],
            CHAT_SERVICE_CLIENT_SECRET=SHARE_SERVICE[1],
            CHAT_SERVICE_SCOPE="chats:read",
            CHAT_SERVICE_AUDIENCE=CHATS,
            RUST_LOG="debug",
            **more,
        )
        service = Service(self.directory, **settings)
        if not wait:
            # It is not ready without the provider's keys, and serves all the same.
            service._is_ready = lambda: True
        self.services.append(service.start())
        return service

    def as_user(self, service, user, resource=RS256):
        return service.http(self.provider.token(user, resource))

    def close(self):
        for service in self.services:
            service.terminate()
            log = service.log()
            assert SHARE_SERVICE[1] not in log
            assert "eyJ" not in log, "a token is in the log"
        self.chats.stop()
        self.provider.stop()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The provider and the chat service that most tests share."""
    world = World(tmp_path_factory.mktemp("oidc"))
    yield world
    world.close()


@pytest.fixture(scope="module")
def signed_in(binary, world, databases):
    return world.start(databases)


@pytest.fixture
def own_world(binary, tmp_path):
    """A provider that the test may stop; keywords are its own. On SQLite: no database has a part in it."""
    made = []

    def make(**provider):
        made.append(World(tmp_path, **provider))
        return made[-1], SqliteDatabases(tmp_path)

    yield make
    for world in made:
        world.close()


@pytest.mark.parametrize("resource", [RS256, ES256])
def test_a_user_signs_in_and_shares(world, signed_in, resource):
    token = world.provider.token("alice", resource)
    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", "RS256" if resource == RS256 else "ES256")
    alice, bob = signed_in.http(token), world.as_user(signed_in, "bob", resource)
    chat = world.chats.new_chat("alice")
    link = alice.share(chat, is_private=True)
    view = bob.view(link)
    assert view.status_code == 200, view.text
    assert view.json()["shared_by"] == "Alice"
    assert_error(signed_in.http().view(link), 401, "login_required")
    assert_error(bob.delete("/api/v1/shared_chats/" + link["id"]), 403, "forbidden")
    assert_error(bob.post("/api/v1/shared_chats", json={"chat_session_id": chat.id}), 403, "forbidden")
    assert [row["id"] for row in alice.list(chat_session_id=chat.id)] == [link["id"]]
    # What was forwarded are their own tokens, which the chat service believes for itself.
    assert {seen.user for seen in world.chats.requests_for(chat.id)} == {"alice", "bob"}


def test_other_tokens_of_the_same_provider_are_refused(world, signed_in):
    signed = world.provider.sign_in("alice", RS256)
    opaque = world.provider.sign_in("alice", None)
    for token in [signed["id_token"], opaque["access_token"], world.provider.token("alice", ELSEWHERE)]:
        assert_error(signed_in.http(token).get("/api/v1/shared_chats"), 401, "invalid_token")


def test_the_chat_service_comes_with_client_credentials(world, signed_in):
    chat = world.chats.new_chat("alice")
    service = signed_in.http(world.provider.client_token(CHAT_SERVICE, "shared_chats:service", ES256))
    made = service.post(
        "/api/v1/shared_chats", json={"chat_session_id": chat.id, "owner": {"id": "alice", "name": "Alice"}}
    )
    assert made.status_code == 201, made.text
    rows = service.get(f"/api/v1/chats/{chat.id}/shared_chats").json()
    assert [(row["id"], row["owner_id"]) for row in rows] == [(made.json()["id"], "alice")]
    assert service.delete(f"/api/v1/chats/{chat.id}/shared_chats").json() == {"deleted": 1}
    # Another client of the same provider, with another scope, is not the chat service.
    reader = signed_in.http(world.provider.client_token(READER, "chats:read", RS256))
    assert_error(reader.get(f"/api/v1/chats/{chat.id}/shared_chats"), 403, "forbidden")


def test_live_links_are_read_with_a_token_that_the_service_fetched(world, signed_in):
    chat = world.chats.new_chat("alice")
    link = world.as_user(signed_in, "alice").share(chat, is_frozen=False)
    world.chats.seen.clear()
    chat.say("And later?")
    view = signed_in.http().view(link)
    assert view.json()["messages"][-1]["content"] == "And later?"
    assert {seen.user for seen in world.chats.requests_for(chat.id)} == {"the share service"}


def test_the_fetched_token_is_renewed_before_it_ends(own_world):
    # The half of it is what a slow machine has for a renewal.
    lasts = 8
    world, databases = own_world(service_token_lasts=lasts)
    service = world.start(databases)
    chat = world.chats.new_chat("alice")
    link = world.as_user(service, "alice").share(chat, is_frozen=False)
    so_far, began, views = world.provider.seen("/token"), time.monotonic(), 0

    def is_renewed_three_times():
        nonlocal views
        assert service.http().view(link).status_code == 200
        views += 1
        time.sleep(0.1)
        return world.provider.seen("/token") - so_far >= 3

    eventually(is_renewed_three_times, 60, "the token is renewed three times")
    # At every half of its time, not at every view: from the first of the three to the last are two of them.
    assert views > 3 and time.monotonic() - began > lasts - 1, views
    assert all(seen.user is not None for seen in world.chats.seen), "one was refused"


def test_the_secret_is_posted_where_the_provider_takes_it_so_alone(own_world):
    # It lists both places, and refuses the header for a client that is registered to post.
    world, databases = own_world(secret_in="post", service_token_lasts=10)
    service = world.start(databases)
    chat = world.chats.new_chat("alice")
    link = world.as_user(service, "alice").share(chat, is_frozen=False)
    assert service.http().view(link).status_code == 200
    asked = world.provider.seen("/token")
    eventually(
        lambda: service.http().view(link).status_code == 200 and world.provider.seen("/token") > asked,
        30,
        "the token is renewed",
    )
    # Renewed with one request, not with two: a second would come at once, the next renewal five seconds later.
    time.sleep(0.5)
    assert world.provider.seen("/token") == asked + 1


def test_while_the_provider_is_down(own_world):
    # Long enough for all that is asked for with it while the provider is down.
    world, databases = own_world(service_token_lasts=15)
    service = world.start(databases)
    chat = world.chats.new_chat("alice")
    alice, bob = world.as_user(service, "alice"), world.as_user(service, "bob")
    frozen, private = alice.share(chat), alice.share(chat, is_private=True)
    live = alice.share(chat, is_frozen=False)
    assert service.http().view(live).status_code == 200
    world.provider.stop()
    # Known keys and the token at hand go on.
    for viewer, link in [(service.http(), frozen), (alice, private), (bob, private), (service.http(), live)]:
        assert viewer.view(link).status_code == 200
    eventually(lambda: service.http().view(live).status_code == 503, 60, "the fetched token has ended")
    refused = service.http().view(live)
    assert_error(refused, 503, "unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    for viewer, link in [(service.http(), frozen), (alice, private), (bob, private)]:
        assert viewer.view(link).status_code == 200
    assert alice.share(chat)["id"]
    # One that starts meanwhile has no keys: it shows what is public, and refuses every token.
    late = world.start(databases, wait=False, DATABASE_URL=service.settings["DATABASE_URL"])
    assert late.http().get("/health/ready").status_code == 503
    assert late.http().view(frozen).status_code == 200
    assert_error(late.http().view(private), 401, "login_required")
    late_alice = late.http(alice.session.headers["Authorization"].split()[1])
    assert_error(late_alice.view(private), 503, "unavailable")
    world.provider.start()
    eventually(lambda: late_alice.view(private).status_code == 200, 90, "the late one has keys")
    assert late.http().get("/health/ready").status_code == 200
    # A pause between attempts is a minute at most.
    for one in (service, late):
        eventually(lambda: one.http().view(live).status_code == 200, 100, "live links are back")


def test_a_rotation_and_ten_thousand_unknown_keys(own_world):
    world, databases = own_world()
    service = world.start(databases)
    before = world.as_user(service, "alice")
    assert before.list() == []
    fetched, began = world.provider.seen("/jwks"), time.monotonic()
    flood(service, world.provider, 10_000)
    minutes = (time.monotonic() - began) // 60 + 1
    assert world.provider.seen("/jwks") - fetched <= minutes
    world.provider.rotate("rsa-2", "ec-1")
    after = world.as_user(service, "bob")
    # At once, or within a minute of the last time that keys were fetched.
    eventually(lambda: after.get("/api/v1/shared_chats").status_code == 200, 100, "the new key works")
    assert_error(before.get("/api/v1/shared_chats"), 401, "invalid_token")
    es256 = world.as_user(service, "alice", ES256)
    assert es256.list() == []


def flood(service, provider, count):
    """So many tokens of unknown keys, one after the other on one connection; each is refused."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = part({"iss": provider.issuer, "aud": LINKS, "sub": "mallory", "exp": int(time.time()) + 600})
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        answers = connection.makefile("rb")
        for start in range(0, count, 50):
            requests = b""
            for number in range(start, start + 50):
                token = f"{part({'alg': 'RS256', 'kid': f'unknown-{number}'})}.{claims}.AAAA"
                head = f"GET /api/v1/shared_chats HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
                requests += head.encode()
            connection.sendall(requests)
            for _ in range(50):
                assert answers.readline().split()[1] == b"401"
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answers.read(length)
