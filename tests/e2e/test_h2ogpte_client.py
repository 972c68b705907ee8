"""The published Python client (PyPI, h2ogpte) drives the service, unchanged."""

import asyncio
import uuid
from datetime import datetime, timezone

import pytest
from h2ogpte import H2OGPTE, H2OGPTEAsync, rest_async, rest_sync
from h2ogpte.errors import (
    ForbiddenError,
    H2OGPTEError,
    HTTPError,
    InvalidArgumentError,
    ObjectNotFoundError,
    UnauthorizedError,
)
from h2ogpte.rest_sync.exceptions import (
    BadRequestException,
    ConflictException,
    ForbiddenException,
    NotFoundException,
    UnauthorizedException,
)

from chat_service import NEVER_SHOWN
from conftest import assert_error_body, token


class Client(H2OGPTE):
    """The client, but that it does not ask `/rpc/meta` for the version of a whole h2oGPTe."""

    def _check_version(self, strict_version_check):
        pass


class AsyncClient(H2OGPTEAsync):
    """The same for the async client."""

    async def _check_version(self, strict):
        pass


class TokenProvider:
    """Where a client gets its access token from when it has no API key."""

    def __init__(self, value):
        self.value = value

    def token(self):
        return self.value


class AsyncTokenProvider(TokenProvider):
    async def token(self):
        return self.value


@pytest.fixture
def client(service, alice):
    return Client(service.url, api_key=alice.token())


@pytest.fixture
def client_of_bob(service, bob):
    return Client(service.url, api_key=bob.token())


def api_of(service, credential):
    """The generated API class by itself, as its documentation sets it up."""
    configuration = rest_sync.Configuration(host=service.url + "/api/v1", access_token=credential)
    return rest_sync.SharedChatsApi(rest_sync.ApiClient(configuration))


def id_of(shared):
    return shared.relative_path.rsplit("/", 1)[-1]


def names(rows):
    return [row.name for row in rows]


# share_chat_session and get_shared_chat


def test_a_user_shares_a_chat_and_reads_it_back(service, chats, alice, client):
    chat = chats.new_chat(alice.sub, "How links work")
    shared = client.share_chat_session(chat.id)
    assert shared.url == service.url + shared.relative_path
    assert str(uuid.UUID(id_of(shared), version=4)) == id_of(shared)

    detail = client.get_shared_chat(id_of(shared))
    assert (detail.name, detail.shared_by) == ("How links work", "Alice")
    assert (detail.is_frozen, detail.is_private, detail.includes_artifacts) == (True, False, False)
    assert datetime.fromisoformat(detail.shared_at).tzinfo is not None
    assert [message["content"] for message in detail.messages] == [message.content for message in chat.messages]
    assert [message["role"] for message in detail.messages] == ["user", "assistant"]
    assert detail.messages[1]["reply_to"] == detail.messages[0]["id"]
    assert NEVER_SHOWN not in repr(detail)


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_chat_without_a_name_shared_by_a_user_without_one_is_read_back(service, chats, alice, is_frozen):
    client = Client(service.url, api_key=alice.token(name=None))
    chat = chats.new_chat(alice.sub, None)
    detail = client.get_shared_chat(id_of(client.share_chat_session(chat.id, is_frozen=is_frozen)))
    assert (detail.name, detail.shared_by) == ("", "")
    [row] = client.list_shared_chats()
    assert row.name is None


@pytest.mark.parametrize("is_private", [False, True])
@pytest.mark.parametrize("is_frozen", [False, True])
@pytest.mark.parametrize("includes_artifacts", [False, True])
def test_each_setting_of_a_link_comes_back_as_it_was_given(
    chats, alice, client, is_private, is_frozen, includes_artifacts
):
    chat = chats.new_chat(alice.sub)
    given = dict(is_private=is_private, is_frozen=is_frozen, includes_artifacts=includes_artifacts)
    shared = client.share_chat_session(chat.id, **given)
    detail = client.get_shared_chat(id_of(shared))
    [row] = client.list_shared_chats()
    for setting, value in given.items():
        assert getattr(detail, setting) is value, setting
        assert getattr(row, setting) is value, setting


def test_a_frozen_link_stays_and_a_live_link_follows_when_the_chat_goes_on(chats, alice, client):
    chat = chats.new_chat(alice.sub)
    frozen = client.share_chat_session(chat.id, is_frozen=True)
    live = client.share_chat_session(chat.id, is_frozen=False)
    chat.say("One more thing.")
    assert len(client.get_shared_chat(id_of(frozen)).messages) == 2
    assert [message["content"] for message in client.get_shared_chat(id_of(live)).messages][2:] == ["One more thing."]


def test_a_chat_may_be_shared_any_number_of_times(chats, alice, client):
    chat = chats.new_chat(alice.sub)
    assert len({client.share_chat_session(chat.id).url for _ in range(3)}) == 3


def test_sharing_the_chat_of_another_user_is_forbidden(chats, alice, client, client_of_bob):
    chat = chats.new_chat(alice.sub)
    with pytest.raises(ForbiddenError) as raised:
        client_of_bob.share_chat_session(chat.id)
    assert raised.value.message and NEVER_SHOWN not in raised.value.message
    assert client.list_shared_chats() == []


def test_a_chat_that_is_not_there_cannot_be_shared(client):
    with pytest.raises(ObjectNotFoundError):
        client.share_chat_session(str(uuid.uuid4()))


@pytest.mark.parametrize("chat_session_id", ["", "..", ".", "a/b", "a b", "ä", "x" * 129])
def test_a_malformed_chat_id_is_an_invalid_argument(chats, alice, client, chat_session_id):
    with pytest.raises(InvalidArgumentError) as raised:
        client.share_chat_session(chat_session_id)
    assert "chat_session_id" in raised.value.message
    # Not how many arrived: live links of earlier tests may be asked for still.
    assert not [seen for seen in chats.seen if seen.user == alice.sub], "the chat service was asked"


def test_a_signed_in_stranger_reads_a_private_link(chats, alice, client, client_of_bob):
    shared = client.share_chat_session(chats.new_chat(alice.sub).id, is_private=True)
    assert client_of_bob.get_shared_chat(id_of(shared)).is_private is True


@pytest.mark.parametrize("link", ["4f0c6a4e-6e52-4b1b-9d0a-5b3f6c1d2e7f", "nothing", "../shared_chats", "ünï/☃"])
def test_a_link_that_is_not_there_is_an_object_not_found(client, link):
    with pytest.raises(ObjectNotFoundError):
        client.get_shared_chat(link)


# list_shared_chats


def test_an_owner_lists_own_links_newest_first_and_page_by_page(chats, alice, client, client_of_bob):
    for number in range(5):
        client.share_chat_session(chats.new_chat(alice.sub, f"Chat {number}").id)
    newest_first = [f"Chat {number}" for number in (4, 3, 2, 1, 0)]
    rows = client.list_shared_chats()
    assert names(rows) == newest_first
    assert all(row.chat_session_id in chats.chats and row.showcase_id is None for row in rows)
    assert all(abs((datetime.now(timezone.utc) - row.created_at).total_seconds()) < 600 for row in rows)

    assert names(client.list_shared_chats(offset=0, limit=2)) == newest_first[:2]
    assert names(client.list_shared_chats(offset=2, limit=2)) == newest_first[2:4]
    assert names(client.list_shared_chats(offset=4, limit=2)) == newest_first[4:]
    assert client.list_shared_chats(offset=5, limit=2) == []
    assert client.list_shared_chats(offset=1_000_000) == []
    assert client_of_bob.list_shared_chats() == []


def test_an_owner_filters_by_kind(chats, alice, client):
    for name, settings in {
        "public frozen": dict(is_private=False, is_frozen=True),
        "private frozen": dict(is_private=True, is_frozen=True),
        "public live": dict(is_private=False, is_frozen=False),
        "private live": dict(is_private=True, is_frozen=False),
    }.items():
        client.share_chat_session(chats.new_chat(alice.sub, name).id, **settings)
    found = {kind: set(names(client.list_shared_chats(filter_type=kind))) for kind in ("private", "public", "frozen", "active")}
    assert found == {
        "private": {"private frozen", "private live"},
        "public": {"public frozen", "public live"},
        "frozen": {"public frozen", "private frozen"},
        "active": {"public live", "private live"},
    }
    assert len(client.list_shared_chats(filter_type="all")) == 4


def test_an_owner_searches_names_beyond_ascii(chats, alice, client):
    for name in ("Réunion d'ÉTÉ", "Привет, МИР", "数据库设计 🦀", "100% sure_thing \\o/", "plain"):
        client.share_chat_session(chats.new_chat(alice.sub, name).id)
    for text, found in {
        "été": ["Réunion d'ÉTÉ"],
        "RÉUNION": ["Réunion d'ÉTÉ"],
        "привет, мир": ["Привет, МИР"],
        "据库": ["数据库设计 🦀"],
        "🦀": ["数据库设计 🦀"],
        "100% SURE": ["100% sure_thing \\o/"],
        "%": ["100% sure_thing \\o/"],
        "_": ["100% sure_thing \\o/"],
        "\\": ["100% sure_thing \\o/"],
        "PLAIN": ["plain"],
        "nothing like it": [],
        "' OR 1=1 --": [],
    }.items():
        assert names(client.list_shared_chats(filter_text=text)) == found, text
    assert len(client.list_shared_chats(filter_text="")) == 5
    assert names(client.list_shared_chats(filter_text="é", filter_type="private")) == []


def test_the_showcase_filter_is_accepted_though_nothing_is_featured(chats, alice, client):
    client.share_chat_session(chats.new_chat(alice.sub, "mine").id)
    assert names(client.list_shared_chats(showcase_filter="all")) == ["mine"]
    assert names(client.list_shared_chats(showcase_filter="not_featured")) == ["mine"]
    assert client.list_shared_chats(showcase_filter="featured") == []


@pytest.mark.parametrize(
    "argument",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": -1},
        {"offset": -1},
        {"filter_type": "secret"},
        {"showcase_filter": "some"},
        {"filter_text": "x" * 257},
        {"limit": 99999999999999999999},
    ],
    ids=lambda argument: "-".join(f"{name}={str(value)[:10]}" for name, value in argument.items()),
)
def test_a_list_argument_out_of_range_is_an_invalid_argument(client, argument):
    with pytest.raises(InvalidArgumentError) as raised:
        client.list_shared_chats(**argument)
    [name] = argument
    assert {"filter_text": "name_filter"}.get(name, name) in raised.value.message


# update_shared_chat


def test_an_owner_changes_one_setting_and_the_other_stays(chats, alice, client):
    link = id_of(client.share_chat_session(chats.new_chat(alice.sub).id))
    client.update_shared_chat(link, is_private=True)
    detail = client.get_shared_chat(link)
    assert (detail.is_private, detail.includes_artifacts) == (True, False)
    client.update_shared_chat(link, includes_artifacts=True)
    detail = client.get_shared_chat(link)
    assert (detail.is_private, detail.includes_artifacts) == (True, True)
    client.update_shared_chat(link, is_private=False, includes_artifacts=False)
    detail = client.get_shared_chat(link)
    assert (detail.is_private, detail.includes_artifacts) == (False, False)


def test_the_client_never_opens_a_named_link_to_everyone_signed_in(service, chats, alice, bob, client, client_of_bob):
    """It knows public and private alone; the list of people outlives both."""
    chat = chats.new_chat(alice.sub)
    link = service.http(alice).share(chat, audience=["user:another-one"])["id"]
    with pytest.raises(ForbiddenError):
        client_of_bob.get_shared_chat(link)
    client.update_shared_chat(link, is_private=False)
    assert client_of_bob.get_shared_chat(link).is_private is False
    client.update_shared_chat(link, is_private=True)
    with pytest.raises(ForbiddenError):
        client_of_bob.get_shared_chat(link)
    assert client.get_shared_chat(link).is_private is True


def test_an_update_that_changes_nothing_is_fine(chats, alice, client):
    link = id_of(client.share_chat_session(chats.new_chat(alice.sub).id, is_private=True))
    client.update_shared_chat(link)
    assert client.get_shared_chat(link).is_private is True


def test_a_stranger_changes_nothing(chats, alice, client, client_of_bob):
    link = id_of(client.share_chat_session(chats.new_chat(alice.sub).id, is_private=True))
    with pytest.raises(ForbiddenError):
        client_of_bob.update_shared_chat(link, is_private=False)
    assert client.get_shared_chat(link).is_private is True


def test_a_link_that_is_not_there_cannot_be_changed(client):
    with pytest.raises(ObjectNotFoundError):
        client.update_shared_chat(str(uuid.uuid4()), is_private=True)


# delete_shared_chats


def test_an_owner_deletes_several_links_at_once(chats, alice, client):
    chat = chats.new_chat(alice.sub)
    links = [id_of(client.share_chat_session(chat.id)) for _ in range(3)]
    client.delete_shared_chats([links[0], links[1], str(uuid.uuid4())])
    assert [row.id for row in client.list_shared_chats()] == [links[2]]
    for link in links[:2]:
        with pytest.raises(ObjectNotFoundError):
            client.get_shared_chat(link)
    client.delete_shared_chats(links[:2])


def test_nothing_is_deleted_when_one_of_the_links_is_anothers(chats, alice, bob, client, client_of_bob):
    mine = id_of(client.share_chat_session(chats.new_chat(alice.sub).id))
    other = id_of(client_of_bob.share_chat_session(chats.new_chat(bob.sub).id))
    with pytest.raises(ForbiddenError):
        client.delete_shared_chats([mine, other])
    assert [row.id for row in client.list_shared_chats()] == [mine]
    assert [row.id for row in client_of_bob.list_shared_chats()] == [other]


@pytest.mark.parametrize("count", [0, 1001])
def test_a_batch_of_the_wrong_size_is_an_invalid_argument(client, count):
    with pytest.raises(InvalidArgumentError) as raised:
        client.delete_shared_chats([str(uuid.uuid4()) for _ in range(count)])
    assert "shared_chat_ids" in raised.value.message


# Who calls


@pytest.mark.parametrize(
    "credential",
    ["sk-not-a-jwt", token("a-user", secret="another secret, which the service does not know", lasts=86400), token("late", lasts=-60)],
    ids=["no JWT", "another secret", "expired"],
)
def test_a_bad_api_key_is_unauthorized_everywhere_but_on_a_public_link(service, chats, alice, client, credential):
    stranger = Client(service.url, api_key=credential)
    chat = chats.new_chat(alice.sub)
    public = id_of(client.share_chat_session(chat.id))
    private = id_of(client.share_chat_session(chat.id, is_private=True))
    for attempt in (
        lambda: stranger.share_chat_session(chat.id),
        lambda: stranger.list_shared_chats(),
        lambda: stranger.get_shared_chat(private),
        lambda: stranger.update_shared_chat(public, is_private=True),
        lambda: stranger.delete_shared_chats([public]),
    ):
        with pytest.raises(UnauthorizedError):
            attempt()
    assert stranger.get_shared_chat(public).name == "A chat"


def test_a_client_with_an_azure_token_does_all_of_it(service, chats, alice):
    client = Client(service.url, azure_token=alice.token())
    chat = chats.new_chat(alice.sub, "Signed in at Azure")
    link = id_of(client.share_chat_session(chat.id, is_private=True))
    # As it came: the chat service may tell the schemes apart.
    assert {seen.scheme for seen in chats.requests_for(chat.id)} == {"Bearer-AD"}
    assert names(client.list_shared_chats(filter_type="private")) == ["Signed in at Azure"]
    assert client.get_shared_chat(link).shared_by == "Alice"
    client.delete_shared_chats([link])
    assert client.list_shared_chats() == []


def test_a_client_with_a_token_provider_does_all_of_it(service, chats, alice):
    client = Client(service.url, token_provider=TokenProvider(alice.token()))
    chat = chats.new_chat(alice.sub, "Through a token provider")
    # It first looks for /api/v1/auth/session, which is not here, and then sends `Bearer-Token`.
    with pytest.warns(DeprecationWarning, match="auth/session"):
        link = id_of(client.share_chat_session(chat.id, is_private=True))
    assert {seen.scheme for seen in chats.requests_for(chat.id)} == {"Bearer-Token"}
    assert {seen.user for seen in chats.requests_for(chat.id)} == {alice.sub}
    assert names(client.list_shared_chats(filter_type="private")) == ["Through a token provider"]
    assert client.get_shared_chat(link).shared_by == "Alice"
    client.update_shared_chat(link, is_private=False)
    assert client.get_shared_chat(link).is_private is False
    client.delete_shared_chats([link])
    with pytest.raises(ObjectNotFoundError):
        client.get_shared_chat(link)


def test_a_client_with_an_api_key_has_it_forwarded_as_it_came(chats, alice, client):
    chat = chats.new_chat(alice.sub)
    client.share_chat_session(chat.id)
    assert {(seen.scheme, seen.user) for seen in chats.requests_for(chat.id)} == {("Bearer", alice.sub)}


# The generated API class, and what it makes of errors


def test_the_generated_api_gives_statuses_and_headers_for_a_whole_life(service, chats, alice):
    api = api_of(service, alice.token())
    chat = chats.new_chat(alice.sub)
    created = api.share_chat_session_with_http_info(rest_sync.ShareChatRequest(chat_session_id=chat.id))
    assert created.status_code == 201
    link = id_of(created.data)
    assert {k.lower(): v for k, v in created.headers.items()}["location"] == f"/api/v1/shared_chats/{link}"
    listed = api.list_shared_chats_with_http_info()
    assert (listed.status_code, [row.id for row in listed.data]) == (200, [link])
    assert {k.lower(): v for k, v in listed.headers.items()}["x-total-count"] == "1"
    changed = api.update_shared_chat_with_http_info(link, rest_sync.UpdateSharedChatRequest(is_private=True))
    assert (changed.status_code, changed.data, changed.raw_data) == (204, None, b"")
    viewed = api.get_shared_chat_with_http_info(link)
    assert (viewed.status_code, viewed.data.is_private) == (200, True)
    assert {k.lower(): v for k, v in viewed.headers.items()}["etag"]
    deleted = api.delete_shared_chat_with_http_info(link)
    assert (deleted.status_code, deleted.data) == (204, None)
    batch = api.delete_shared_chats_with_http_info(rest_sync.DeleteSharedChatsRequest(shared_chat_ids=[link]))
    assert (batch.status_code, batch.data) == (204, None)


def test_the_generated_api_reads_the_models_of_the_plain_methods(service, chats, alice):
    api = api_of(service, alice.token())
    chat = chats.new_chat(alice.sub, None)
    link = id_of(api.share_chat_session(rest_sync.ShareChatRequest(chat_session_id=chat.id)))
    assert isinstance(api.get_shared_chat(link), rest_sync.SharedChatDetail)
    [row] = api.list_shared_chats(limit=1)
    assert isinstance(row, rest_sync.SharedChatInfo)
    assert api.update_shared_chat(link, rest_sync.UpdateSharedChatRequest(is_private=True)) is None
    assert api.delete_shared_chat(link) is None
    assert api.list_shared_chats() == []
    raw = api.get_shared_chat_without_preload_content(link)
    assert raw.status == 404


def failure(expected, attempt):
    """The EndpointError of an attempt that has to fail."""
    with pytest.raises(expected) as raised:
        attempt()
    error = raised.value
    # Not every status of every method is in the client's map; the body is the model all the same.
    model = error.data if error.data is not None else rest_sync.EndpointError.from_json(error.body)
    assert isinstance(model, rest_sync.EndpointError)
    assert model.code == error.status
    assert_error_body(rest_sync.ApiClient().deserialize(error.body, "object", "application/json"), error.status)
    return model


def test_the_generated_api_parses_each_error_into_its_model(service, chats, alice, bob):
    api, anonymous, of_bob = (api_of(service, credential) for credential in (alice.token(), None, bob.token()))
    chat = chats.new_chat(alice.sub)
    request = rest_sync.ShareChatRequest(chat_session_id=chat.id)
    link = id_of(api.share_chat_session(request))
    private = id_of(api.share_chat_session(rest_sync.ShareChatRequest(chat_session_id=chat.id, is_private=True)))
    batch = rest_sync.DeleteSharedChatsRequest(shared_chat_ids=[link])
    change = rest_sync.UpdateSharedChatRequest(is_private=True)
    missing = str(uuid.uuid4())

    failure(BadRequestException, lambda: api.list_shared_chats(limit=0))
    failure(BadRequestException, lambda: api.share_chat_session(rest_sync.ShareChatRequest(chat_session_id="..")))
    failure(BadRequestException, lambda: api.delete_shared_chats(rest_sync.DeleteSharedChatsRequest(shared_chat_ids=[])))

    for attempt in (
        lambda: anonymous.share_chat_session(request),
        lambda: anonymous.list_shared_chats(),
        lambda: anonymous.get_shared_chat(private),
        lambda: anonymous.update_shared_chat(link, change),
        lambda: anonymous.delete_shared_chat(link),
        lambda: anonymous.delete_shared_chats(batch),
    ):
        assert failure(UnauthorizedException, attempt).error_type == "login_required"
    garbled = api_of(service, "rubbish")
    assert failure(UnauthorizedException, lambda: garbled.list_shared_chats()).error_type == "invalid_token"

    failure(ForbiddenException, lambda: of_bob.share_chat_session(request))
    failure(ForbiddenException, lambda: of_bob.update_shared_chat(link, change))
    failure(ForbiddenException, lambda: of_bob.delete_shared_chat(link))
    failure(ForbiddenException, lambda: of_bob.delete_shared_chats(batch))

    assert failure(NotFoundException, lambda: api.get_shared_chat(missing)).error_type == "not_found"
    assert failure(NotFoundException, lambda: api.update_shared_chat(missing, change)).error_type == "not_found"
    assert failure(NotFoundException, lambda: api.delete_shared_chat(missing)).error_type == "not_found"
    failure(NotFoundException, lambda: api.share_chat_session(rest_sync.ShareChatRequest(chat_session_id=missing)))

    def keyed():
        return {"Idempotency-Key": "once"}  # The client changes the headers that it is given.

    api.share_chat_session(request, _headers=keyed())
    other = rest_sync.ShareChatRequest(chat_session_id=chat.id, is_private=True)
    failure(ConflictException, lambda: api.share_chat_session(other, _headers=keyed()))

    assert {row.id for row in api.list_shared_chats()} >= {link, private}


def test_the_client_maps_a_status_that_it_does_not_know_to_an_http_error(service, own_chats, start_service, alice):
    own = start_service()
    client = Client(own.url, api_key=alice.token())
    chat = own_chats.new_chat(alice.sub, messages=False)
    with pytest.raises(HTTPError) as raised:
        client.share_chat_session(chat.id)
    assert raised.value.status_code == 422
    own_chats.stop()
    with pytest.raises(HTTPError) as raised:
        client.share_chat_session(chat.id)
    assert raised.value.status_code == 502


# The async client


@pytest.mark.parametrize("credential", ["api key", "token provider"])
@pytest.mark.filterwarnings("ignore:h2oGPTe server does not expose:DeprecationWarning")
def test_the_async_client_does_all_of_it(service, chats, alice, bob, credential):
    chat = chats.new_chat(alice.sub, "Émile, async")

    def client_of(user):
        if credential == "api key":
            return AsyncClient(service.url, api_key=user.token())
        return AsyncClient(service.url, token_provider=AsyncTokenProvider(user.token()))

    async def run():
        client, stranger = client_of(alice), client_of(bob)
        try:
            shared = await client.share_chat_session(
                chat.id, is_private=True, is_frozen=False, includes_artifacts=True
            )
            link = id_of(shared)
            again = id_of(await client.share_chat_session(chat.id))
            assert shared.url == service.url + shared.relative_path

            detail = await stranger.get_shared_chat(link)
            assert (detail.is_private, detail.is_frozen, detail.includes_artifacts) == (True, False, True)
            assert len(detail.messages) == 2

            rows = await client.list_shared_chats(filter_text="éMILE", filter_type="active", showcase_filter="all")
            assert [row.id for row in rows] == [link]
            assert [row.id for row in await client.list_shared_chats(offset=1, limit=1)] == [link]
            assert await client.list_shared_chats(showcase_filter="featured") == []
            assert await stranger.list_shared_chats() == []

            await client.update_shared_chat(link, is_private=False, includes_artifacts=False)
            detail = await client.get_shared_chat(link)
            assert (detail.is_private, detail.includes_artifacts) == (False, False)

            for expected, attempt in (
                (H2OGPTEError, stranger.share_chat_session(chat.id)),
                (H2OGPTEError, stranger.update_shared_chat(link, is_private=True)),
                (H2OGPTEError, stranger.delete_shared_chats([link])),
                (InvalidArgumentError, client.list_shared_chats(limit=0)),
                (ObjectNotFoundError, client.get_shared_chat(str(uuid.uuid4()))),
            ):
                with pytest.raises(expected) as raised:
                    await attempt
                assert raised.value.message

            await client.delete_shared_chats([link, again])
            assert await client.list_shared_chats() == []
            with pytest.raises(ObjectNotFoundError):
                await client.get_shared_chat(link)
        finally:
            await client._client.aclose()
            await stranger._client.aclose()

    asyncio.run(run())
    assert {seen.scheme for seen in chats.requests_for(chat.id) if seen.user == alice.sub} == {
        "Bearer" if credential == "api key" else "Bearer-Token"
    }


def test_the_async_generated_api_parses_errors_too(service, bob):
    async def run():
        configuration = rest_async.Configuration(host=service.url + "/api/v1", access_token=bob.token())
        async with rest_async.ApiClient(configuration) as client:
            api = rest_async.SharedChatsApi(client)
            listed = await api.list_shared_chats_with_http_info()
            assert (listed.status_code, listed.data) == (200, [])
            with pytest.raises(rest_async.exceptions.NotFoundException) as raised:
                await api.get_shared_chat(str(uuid.uuid4()))
            assert isinstance(raised.value.data, rest_async.EndpointError)
            assert (raised.value.data.code, raised.value.data.error_type) == (404, "not_found")

    asyncio.run(run())
