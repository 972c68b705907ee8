"""A certified OpenID provider on loopback: `oidc-provider` from npm, in a process of its own (oidc/provider.mjs)."""

import base64
import hashlib
import json
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from ports import free_port

PROGRAM = Path(__file__).parent / "oidc" / "provider.mjs"
CALLBACK = "http://127.0.0.1/callback"

LINKS = "shared-chats"
"""The audience of the share service."""

CHATS = "https://chats.example/api"
"""The audience of the chat service."""

RS256, ES256, ELSEWHERE = "urn:links:rs256", "urn:links:es256", "urn:elsewhere"

CHAT_SERVICE = ("chat-service", "what the chat service shows to the provider")
READER = ("reader", "a client without any scope to speak of")
SHARE_SERVICE = ("share links", "a:b+c%d e&f=g")
"""With everything in it that a careless client would not encode (RFC 6749, 2.3.1)."""


def missing():
    """What the provider lacks here, or None."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (PROGRAM.parent / "node_modules" / "oidc-provider").is_dir():
        return "its packages are not installed: npm ci --prefix tests/e2e/oidc"
    return None


class OpenIdProvider:
    def __init__(self, directory, *, service_token_lasts=600, secret_in="basic"):
        self.directory = Path(directory)
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.names = {"alice": "Alice", "bob": "Bob"}
        self.process = None
        self.keys = {}
        self._write_keys("rsa-1", "ec-1")
        clients = [
            {
                "client_id": "frontend",
                "application_type": "native",
                "token_endpoint_auth_method": "none",
                "redirect_uris": [CALLBACK],
                "grant_types": ["authorization_code"],
                "response_types": ["code"],
            }
        ]
        for (id, secret), scope in [
            (CHAT_SERVICE, "shared_chats:service"),
            (READER, "chats:read"),
            (SHARE_SERVICE, "chats:read"),
        ]:
            clients.append(
                {
                    "client_id": id,
                    "client_secret": secret,
                    "redirect_uris": [],
                    "response_types": [],
                    "grant_types": ["client_credentials"],
                    "scope": scope,
                    "token_endpoint_auth_method": f"client_secret_{secret_in if id == SHARE_SERVICE[0] else 'basic'}",
                }
            )
        resources = {
            RS256: {"audience": LINKS, "alg": "RS256", "lasts": 600},
            ES256: {"audience": LINKS, "alg": "ES256", "lasts": 600},
            ELSEWHERE: {"audience": "elsewhere", "alg": "RS256", "lasts": 600},
            CHATS: {"audience": CHATS, "alg": "ES256", "lasts": service_token_lasts},
        }
        settings = {"names": self.names, "clients": clients, "resources": resources}
        (self.directory / "settings.json").write_text(json.dumps(settings))

    # Its life.

    def start(self):
        """Begins; after a stop, at the same address and with the same keys again."""
        self.process = subprocess.Popen(
            ["node", PROGRAM, str(self.port), self.directory / "keys.json", self.directory / "settings.json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._wait()
        return self

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None

    def rotate(self, *kids):
        """From now on these are its keys, `rsa-…` or `ec-…`; those that are new are made."""
        self._write_keys(*kids)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self._wait()

    def _wait(self):
        line = self.process.stdout.readline()
        assert line == "ready\n", f"the provider did not start: {line!r}"

    def _write_keys(self, *kids):
        for kid in kids:
            if kid not in self.keys:
                self.keys[kid] = new_key(kid)
        (self.directory / "keys.json").write_text(json.dumps([self.keys[kid] for kid in kids]))

    def seen(self, path):
        """How often this path was asked for since it began."""
        return self._session().get(self.issuer + "/seen", timeout=60).json().get(path, 0)

    # What it gives.

    def sign_in(self, user, resource=RS256):
        """Authorization code with PKCE, as a browser and a frontend do it. Gives the token endpoint's answer."""
        browser = self._session()
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        answer = browser.get(
            self.discovered("authorization_endpoint"),
            params={
                "client_id": "frontend",
                "response_type": "code",
                "scope": "openid profile",
                "redirect_uri": CALLBACK,
                "state": state,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
                **({"resource": resource} if resource else {}),
            },
            allow_redirects=False,
            timeout=60,
        )
        for _ in range(10):
            location = answer.headers.get("Location", "")
            if location.startswith(CALLBACK):
                break
            if location:
                answer = browser.get(self._absolute(location), allow_redirects=False, timeout=60)
                continue
            # A page with a form: who are you, and may they?
            assert answer.status_code == 200, (answer.status_code, answer.text)
            [action] = re.findall(r'<form[^>]* action="([^"]+)"', answer.text)[:1]
            [prompt] = re.findall(r'name="prompt" value="([^"]+)"', answer.text)
            form = {"prompt": prompt, "login": user, "password": "anything"}
            answer = browser.post(self._absolute(action), data=form, allow_redirects=False, timeout=60)
        came_back = parse_qs(urlsplit(location).query)
        assert came_back["state"] == [state] and came_back["iss"] == [self.issuer], came_back
        answer = self._session().post(
            self.discovered("token_endpoint"),
            data={
                "grant_type": "authorization_code",
                "client_id": "frontend",
                "code": came_back["code"][0],
                "redirect_uri": CALLBACK,
                "code_verifier": verifier,
                **({"resource": resource} if resource else {}),
            },
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def token(self, user, resource=RS256):
        """An access token of this user."""
        return self.sign_in(user, resource)["access_token"]

    def client_token(self, client, scope=None, resource=RS256):
        """An access token by client credentials."""
        id, secret = client
        answer = self._session().post(
            self.discovered("token_endpoint"),
            data={"grant_type": "client_credentials", "resource": resource, **({"scope": scope} if scope else {})},
            auth=(id, secret),
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def claims(self, token, audience):
        """What a resource server reads in a token, or None if it is not for this audience."""
        try:
            key = jwt.PyJWK(self.keys[jwt.get_unverified_header(token)["kid"]])
            public = key.key.public_key()
            return jwt.decode(token, public, algorithms=["RS256", "ES256"], audience=audience, issuer=self.issuer)
        except (jwt.InvalidTokenError, KeyError):
            return None

    def discovered(self, name):
        return self._session().get(self.issuer + "/.well-known/openid-configuration", timeout=60).json()[name]

    def _absolute(self, location):
        return location if location.startswith("http") else self.issuer + location

    @staticmethod
    def _session():
        session = requests.Session()
        session.trust_env = False
        return session


def new_key(kid):
    """A private key as a JWK; its name says of which kind."""
    if kid.startswith("rsa"):
        key = RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048), as_dict=True)
        algorithm = "RS256"
    else:
        key = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        algorithm = "ES256"
    key.pop("key_ops", None)
    return {**key, "kid": kid, "use": "sig", "alg": algorithm}
