"""Credentials go to CHAT_SERVICE_URL alone, whatever surrounds the service."""

from chat_service import ChatService
from conftest import SECRET, SERVICE_TOKEN, assert_error


def test_a_proxy_of_the_environment_sees_no_credential(start_service, own_chats, alice):
    proxy = ChatService(SECRET, SERVICE_TOKEN).start()
    try:
        names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        service = start_service(**{name: proxy.url for name in names})
        chat = own_chats.new_chat(alice.sub)
        link = service.http(alice).share(chat, is_frozen=False)
        assert service.http().view(link).status_code == 200
        assert {seen.user for seen in own_chats.requests_for(chat.id)} == {alice.sub, "the share service"}
        assert proxy.seen == []
    finally:
        proxy.stop()


def test_a_chat_service_that_moved_is_not_followed(start_service, own_chats, alice):
    """A redirect of the chat service does not take the tokens to another address."""
    elsewhere = ChatService(SECRET, SERVICE_TOKEN).start()
    try:
        service = start_service()
        chat = own_chats.new_chat(alice.sub)
        elsewhere.chats[chat.id] = chat
        link = service.http(alice).share(chat, is_frozen=False)
        own_chats.moved_to = elsewhere.url
        for refused in [
            service.http(alice).post("/api/v1/shared_chats", json={"chat_session_id": chat.id}),
            service.http().view(link),
        ]:
            assert_error(refused, 502, "chat_service_error")
        assert elsewhere.seen == []
    finally:
        elsewhere.stop()
