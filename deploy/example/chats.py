"""The chat service of compose.yaml, for trying things out alone: that of the end-to-end tests, which believes the provider.

Alice has the chat `oslo`, bob the chat `budget`. `POST /say/CHAT?text=…` adds a message.
"""

import os
import signal
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "e2e"))
from chat_service import SERVICE, ChatService  # noqa: E402


class Chats(ChatService):
    def __init__(self, port, issuer, keys_url, service_token):
        super().__init__(secret=None, service_token=service_token, port=port)
        self.issuer = issuer
        self.keys = jwt.PyJWKClient(keys_url)

    def who(self, authorization):
        scheme, _, token = (authorization or "").partition(" ")
        if token == self.service_token:
            return scheme, SERVICE
        try:
            key = self.keys.get_signing_key_from_jwt(token).key
            claims = jwt.decode(token, key, algorithms=["RS256"], audience="shared-chats", issuer=self.issuer)
        except jwt.PyJWTError:
            return scheme, None
        return scheme, claims["sub"]

    def answer(self, method, target, authorization):
        parts = urlsplit(target)
        if parts.path == "/health":
            return 200, {}
        if method == "POST" and parts.path.startswith("/say/"):
            chat = self.chats.get(parts.path.removeprefix("/say/"))
            if chat is None:
                return 404, {}
            return 200, chat.say(parse_qs(parts.query)["text"][0], role="assistant").to_json()
        return super().answer(method, target, authorization)


def main():
    settings = os.environ
    token = Path(settings["SERVICE_TOKEN_FILE"]).read_text().strip()
    chats = Chats(int(settings.get("PORT", "8000")), settings["ISSUER"], settings["KEYS_URL"], token)
    oslo = chats.new_chat("alice", "Trip to Oslo", id="oslo", messages=False)
    oslo.exchange("When is the *best* time to go?", "In **June**: long days, few clouds.")
    chats.new_chat("bob", "Budget", id="budget")
    chats.start("0.0.0.0")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
