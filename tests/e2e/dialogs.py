"""The dialogs of clients/web in pages as integrators write them: a browser, the page of a host, axe-core.

A test imports what it needs, fixtures too: `from browser import browser`,
`from dialogs import host, ui_service, dialog_page`.
"""

import json
import os
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from browser import PATIENCE_MS
from conftest import Service, eventually, settings_for

PHONE = {"width": 375, "height": 700}
DESKTOP = {"width": 1100, "height": 800}
RAN = "window.__ran"
HOSTILE_NAME = (f"<script>{RAN} = 1</script><img src=x onerror='{RAN} = 2'>\u202eשלום <b>עולם</b> " + "Wort" * 250)[:1000]
AXE = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = os.environ.get("E2E_SCREENSHOTS")
"""A folder where pictures of the dialogs are put, to be looked at."""


# A page of another origin


class Host:
    """Serves pages at an origin of their own: `localhost`, while the service is at 127.0.0.1, so of another site too."""

    def __init__(self):
        self.pages = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.origin = f"http://localhost:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _handler(self):
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                html, policy = pages.get(urlsplit(self.path).path, (None, ""))
                body = (html or "").encode()
                self.send_response(200 if html is not None else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Security-Policy", policy)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="session")
def host():
    host = Host()
    yield host
    host.stop()


@pytest.fixture(scope="session")
def ui_service(binary, databases, chats, host, tmp_path_factory):
    """A service whose API the pages of `host` may call."""
    settings = settings_for(databases, chats, CORS_ALLOWED_ORIGINS=host.origin)
    service = Service(tmp_path_factory.mktemp("service"), **settings).start()
    yield service
    service.terminate()


# The browser


def until(page, is_so):
    """Waits, and lets the browser go on meanwhile: its requests may be for the test to answer."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while not is_so():
        assert time.monotonic() < end, "it did not come to pass"
        page.wait_for_timeout(50)


def host_html(module, elements):
    """A page with one script tag, as the integration page has it; `elements` are its dialogs."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta name="color-scheme" content="light dark"><title>Host</title><script type="module" src="{module}"></script></head>'
        f'<body><main><h1>A chat product</h1><button id="opener">Share</button>{elements}</main></body></html>'
    )


class DialogPage:
    """A page of a host that has a dialog, and what went wrong in it."""

    def __init__(self, context, service, origin):
        self.context = context
        self.service = service
        self.origin = origin
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.refused = False
        """Whether answers of 400 and above are expected."""
        self.wrong = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"uncaught: {error}"))
        self.page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", self._request)

    def _console(self, message):
        network = "Failed to load resource" in message.text or "net::ERR" in message.text
        if message.type in ("error", "warning") and not (network and self.refused):
            self.wrong.append(f"{message.type}: {message.text}")

    def _request(self, request):
        parts = urlsplit(request.url)
        if parts.scheme == "http" and f"{parts.scheme}://{parts.netloc}" not in (self.service.url, self.origin):
            self.wrong.append(f"asked elsewhere: {request.url}")

    def fails(self, method, path_glob, status, error_type=None, message="words of the API", headers=None, times=None):
        """Answers such calls with an error in place of the service; status 0: the network is down."""
        self.refused = True

        def handle(route):
            if route.request.method != method:
                return route.fallback()
            if status == 0:
                return route.abort("connectionrefused")
            body = {"code": status, "message": message, "error_type": error_type, "request_id": "0000-request"}
            cors = {"Access-Control-Allow-Origin": self.origin, "Access-Control-Expose-Headers": "*", **(headers or {})}
            return route.fulfill(status=status, content_type="application/json", body=json.dumps(body), headers=cors)

        self.page.route(self.service.url + path_glob, handle, **({"times": times} if times else {}))
        return lambda: self.page.unroute(self.service.url + path_glob, handle)

    def lists(self, path_glob, row, count):
        """Answers lists with so many links like this one, however many are asked for."""
        body = json.dumps([{**row, "id": str(uuid.uuid4())} for _ in range(count)])
        headers = {"Access-Control-Allow-Origin": self.origin, "Access-Control-Expose-Headers": "*", "X-Total-Count": str(count)}

        def handle(route):
            if route.request.method != "GET":
                return route.fallback()
            return route.fulfill(body=body, content_type="application/json", headers=headers)

        self.page.route(self.service.url + path_glob, handle)

    def set(self, selector="[data-dialog]", **properties):
        """Sets properties of the dialog that are plain values."""
        self.page.eval_on_selector(selector, "(element, properties) => Object.assign(element, properties)", properties)

    def as_user(self, user):
        """From now on the page's tokens are this user's; None signs out. A token as it is may be given too."""
        value = user.token() if hasattr(user, "token") else user
        self.page.evaluate("(value) => { window.tokens = { now: value, calls: [] } }", value)
        self.page.evaluate(
            """() => document.querySelectorAll("[data-dialog]").forEach((element) => {
                element.token = async (options) => { tokens.calls.push(options ?? {}); return tokens.now; };
            })"""
        )

    def knows_people(self, people):
        """People and groups that the page can find and describe: `{principal: name}`."""
        self.page.evaluate(
            """(people) => document.querySelectorAll("[data-dialog]").forEach((element) => {
                element.findPeople = async (query) => Object.entries(people)
                    .filter(([, name]) => name.toLowerCase().includes(query.toLowerCase()))
                    .map(([principal, name]) => ({ principal, name }));
                element.describe = async (principals) =>
                    Object.fromEntries(principals.filter((p) => p in people).map((p) => [p, people[p]]));
            })""",
            people,
        )

    def records(self, *types):
        """Keeps the dialogs' events, as `[type, detail]` in `window.events`, those that do not bubble too."""
        self.page.evaluate(
            """(types) => { window.events = []; types.forEach((type) =>
                document.addEventListener(type, (event) => events.push([event.type, event.detail ?? null]), true)); }""",
            list(types),
        )

    @property
    def events(self):
        return self.page.evaluate("window.events")

    def picture(self, name):
        if SCREENSHOTS:
            self.page.wait_for_timeout(300)
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")

    def assert_accessible(self):
        """axe-core finds nothing in what is shown now."""
        assert AXE.is_file(), "axe-core is missing: npm ci --prefix tests/e2e/axe"
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        assert not found, json.dumps(
            [(v["id"], v["help"], [(n["target"], n["failureSummary"]) for n in v["nodes"]]) for v in found], indent=1
        )

    def is_wide(self):
        """Whether something sticks out sideways."""
        return self.page.evaluate(
            """() => [document.documentElement, ...[...document.querySelectorAll("[data-dialog]")].flatMap((host) =>
                [...host.shadowRoot.querySelectorAll("dialog, .body")])].some((e) => e.scrollWidth > e.clientWidth + 1)"""
        )


@pytest.fixture
def dialog_page(browser, host, ui_service):
    """Opens pages with a dialog; at the end nothing may have gone wrong in any of them.

    `dialog_page("share-chat-dialog", 'chat-session-id="c"', user=alice)`: the element's attributes as in HTML.
    `same_origin`: the page is of the service's own origin, under `default-src 'self'`.
    """
    pages = []

    def new(tag, attributes="", *, user=None, same_origin=False, service=None, copies=1, people=None, **options):
        service = service or ui_service
        options = {"viewport": DESKTOP, "permissions": ["clipboard-read", "clipboard-write"], **options}
        context = browser.new_context(**options)
        origin = service.url if same_origin else host.origin
        opened = DialogPage(context, service, origin)
        pages.append(opened)
        elements = f"<{tag} data-dialog {attributes}></{tag}>" * copies
        module = f"/ui/{tag}.js" if same_origin else f"{service.url}/ui/{tag}.js"
        html = host_html(module, elements)
        if same_origin:
            policy = "default-src 'self'"
            reply = {"content_type": "text/html; charset=utf-8", "headers": {"Content-Security-Policy": policy}}
            opened.page.route(f"{origin}/host.html", lambda route: route.fulfill(body=html, **reply))
            opened.page.route(f"{origin}/favicon.ico", lambda route: route.fulfill(status=204))
            opened.page.goto(f"{origin}/host.html")
        else:
            sources = f"script-src {service.url}; connect-src {service.url}; img-src {service.url}"
            host.pages["/favicon.ico"] = ("", "")
            host.pages["/host.html"] = (html, f"default-src 'none'; {sources}")
            opened.page.goto(f"{origin}/host.html")
        eventually(lambda: opened.page.evaluate(f"Boolean(customElements.get('{tag}'))"), 30, f"{tag} is defined")
        opened.page.evaluate(
            "document.querySelector('#opener').addEventListener('click', () => document.querySelector('[data-dialog]').show())"
        )
        opened.as_user(user)
        if people is not None:
            opened.knows_people(people)
        return opened

    yield new
    wrong = [page.wrong for page in pages]
    for page in pages:
        page.context.close()
    assert not any(wrong), wrong
