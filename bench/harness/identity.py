"""An identity provider on loopback: a discovery document, one RSA key, and the tokens it signs."""

import base64
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

AUDIENCE = "shared-chats"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    def __init__(self, folder):
        self.key = folder / "provider.pem"
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key)
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().split("=")[1]
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "bench", "e": "AQAB"}
        key["n"] = base64url(bytes.fromhex(modulus))
        documents = {"/keys": {"keys": [key]}}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                document = documents.get(self.path)
                body = json.dumps(document).encode()
                self.send_response(200 if document else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                """A service that was stopped while it asked is no matter."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        documents["/.well-known/openid-configuration"] = {
            "issuer": self.issuer,
            "jwks_uri": self.issuer + "/keys",
        }
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settings(self):
        return {"AUTH_ISSUER": self.issuer, "AUTH_AUDIENCE": AUDIENCE}

    def token(self, sub, **claims):
        """An RS256 token for somebody, for two hours."""
        header = {"alg": "RS256", "typ": "JWT", "kid": "bench"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": sub, "iat": now, "exp": now + 7200, **claims}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = openssl("dgst", "-sha256", "-sign", self.key, input=signed.encode())
        return f"{signed}.{base64url(signature)}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def openssl(*arguments, input=None):
    done = subprocess.run(["openssl", *arguments], input=input, capture_output=True, check=True)
    return done.stdout
