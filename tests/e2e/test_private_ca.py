"""A provider whose certificate comes from a private authority: `SSL_CERT_FILE` (docs/IDENTITY-PROVIDERS.md)."""

import json
import ssl
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm

from conftest import Service, SqliteDatabases, assert_error, eventually, settings_for

AUDIENCE = "shared-chats"


def certificate(name, key, issuer, issuer_key, *, is_authority):
    """A certificate for loopback, or the authority's own."""
    now = datetime.now(timezone.utc)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def pem(*parts):
    """Certificates and keys in one file's text."""
    texts = []
    for part in parts:
        if isinstance(part, x509.Certificate):
            texts.append(part.public_bytes(serialization.Encoding.PEM))
        else:
            form = serialization.PrivateFormat.PKCS8
            texts.append(part.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return b"".join(texts)


class Provider:
    """Discovery and one key, by HTTPS."""

    def __init__(self, directory):
        authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        authority = certificate("a private authority", authority_key, None, authority_key, is_authority=True)
        own = certificate("the provider", key, authority.subject, authority_key, is_authority=False)
        self.authority_file, chain = directory / "authority.pem", directory / "chain.pem"
        self.authority_file.write_bytes(pem(authority))
        chain.write_bytes(pem(own, key))
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.issuer = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handler(provider):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(provider.document(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler

    def document(self, path):
        if path == "/keys":
            return {"keys": [{**RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True), "kid": "1"}]}
        return {"issuer": self.issuer, "jwks_uri": self.issuer + "/keys"}

    def token(self, sub):
        now = datetime.now(timezone.utc)
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": sub, "exp": now + timedelta(minutes=10)}
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "1"})

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def provider(tmp_path):
    provider = Provider(tmp_path)
    yield provider
    provider.close()


def service_of(provider, tmp_path, chats, **settings):
    databases = SqliteDatabases(tmp_path)
    of_provider = {"AUTH_HS256_SECRET": None, "AUTH_ISSUER": provider.issuer, "AUTH_AUDIENCE": AUDIENCE}
    return Service(tmp_path, **settings_for(databases, chats, **of_provider, **settings))


def test_a_provider_of_a_private_authority_is_trusted_by_ssl_cert_file(binary, provider, tmp_path, chats):
    service = service_of(provider, tmp_path, chats, SSL_CERT_FILE=str(provider.authority_file)).start()
    try:
        assert service.http(provider.token("alice")).list() == []
    finally:
        service.terminate()


def test_without_ssl_cert_file_the_log_says_address_and_cause(binary, provider, tmp_path, chats):
    service = service_of(provider, tmp_path, chats, LOG_FORMAT="json")
    # It is not ready without the provider's keys, and serves all the same.
    service._is_ready = lambda: True
    service.start()
    try:
        assert_error(service.http(provider.token("alice")).get("/api/v1/shared_chats"), 503, "unavailable")
        eventually(lambda: "could not be fetched" in service.log(), 30, "the failure is logged")
        lines = [json.loads(line) for line in service.log().splitlines()]
        warning = next(line for line in lines if "could not be fetched" in line.get("message", ""))
        assert provider.issuer in warning["error"] and "UnknownIssuer" in warning["error"], warning
    finally:
        service.terminate()


def test_an_ssl_cert_file_that_is_not_there_is_named(binary, provider, tmp_path, chats):
    missing = str(tmp_path / "nothing.pem")
    service = service_of(provider, tmp_path, chats, SSL_CERT_FILE=missing)
    service._is_ready = lambda: True
    with pytest.raises(AssertionError, match="ended while starting"):
        service.start()
    assert "SSL_CERT_FILE" in service.log(), service.log()
