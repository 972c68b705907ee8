#!/usr/bin/env python3
"""Signs in at the example's OpenID provider, as a browser would, and prints the access token:

    ALICE=$(python3 deploy/example/sign_in.py alice)

Authorization code with PKCE (RFC 7636). It needs nothing but Python.
"""

import base64
import hashlib
import http.cookiejar
import json
import os
import re
import secrets
import sys
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, ProxyHandler, build_opener

CALLBACK = "http://127.0.0.1/callback"
RESOURCE = "urn:shared-chats"


class Stay(HTTPRedirectHandler):
    """Redirects are followed by hand: the last one leads to a page that is not there."""

    def redirect_request(self, *_):
        return None


def sign_in(user, issuer):
    cookies = HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = build_opener(ProxyHandler({}), cookies, Stay)

    def ask(url, form=None):
        try:
            answer = browser.open(url, form and urlencode(form).encode(), timeout=10)
        except HTTPError as error:
            if error.code not in (302, 303):
                raise
            return urljoin(url, error.headers["Location"]), ""
        return url, answer.read().decode()

    endpoints = json.loads(ask(issuer + "/.well-known/openid-configuration")[1])
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": "frontend",
        "response_type": "code",
        "scope": "openid profile",
        "redirect_uri": CALLBACK,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "resource": RESOURCE,
    }
    at, page = ask(endpoints["authorization_endpoint"] + "?" + urlencode(query))
    for _ in range(10):
        if at.startswith(CALLBACK):
            break
        form = None
        if page:
            # Who are you, and may they?
            at = urljoin(at, re.search(r'<form[^>]* action="([^"]+)"', page)[1])
            form = {"prompt": re.search(r'name="prompt" value="([^"]+)"', page)[1], "login": user, "password": "any"}
        at, page = ask(at, form)
    came_back = parse_qs(urlsplit(at).query)
    if came_back.get("state") != [state]:
        raise SystemExit(f"the provider did not sign {user} in")
    form = {
        "grant_type": "authorization_code",
        "client_id": "frontend",
        "code": came_back["code"][0],
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
        "resource": RESOURCE,
    }
    return json.loads(ask(endpoints["token_endpoint"], form)[1])["access_token"]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    print(sign_in(sys.argv[1], os.environ.get("ISSUER", "http://localhost:9000")))
