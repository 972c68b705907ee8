"""Behind the proxies of others: nginx below a path, one that compresses, and pages of another origin.

The browser is Chromium, the proxies are the real ones.
"""

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urljoin

import pytest
import requests
import yaml
from PIL import Image
from playwright.sync_api import expect

from browser import browser
from chat_service import File
from conftest import Http, User, assert_error, eventually, link_path
from proxies import Compressing, Nginx
from tabs import Window
from test_page import tab, tell, watching_tab
from test_qr_codes import scan

# What PUBLIC_URL has behind the host, and the same as nginx takes it.
PATHS = {
    "a path": ("/links", "/links/"),
    "a slash at its end, and percent-encoded characters": ("/a%20b/l%C3%ADnks/", '"/a b/línks/"'),
}
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"


class Below:
    """The service as clients see it behind nginx, which strips the path."""

    def __init__(self, nginx, path):
        self.host = nginx.url
        self.url = nginx.url
        self.base = nginx.url + path.rstrip("/")

    def http(self, who=None):
        return Http(self.base, who.token() if isinstance(who, User) else who)


@pytest.fixture
def nginx(tmp_path):
    nginx = Nginx(tmp_path)
    yield nginx
    nginx.stop()


@pytest.fixture
def below(start_service, nginx, tmp_path):
    """Starts a service whose PUBLIC_URL has a path, behind nginx."""

    def start(path, location, more="", **settings):
        service = start_service(
            PUBLIC_URL=nginx.url + path, VIEWER="on", ARTIFACT_STORE_URL=f"file:{tmp_path / 'files'}", **settings
        )
        nginx.start(f"location {location} {{ proxy_pass {service.url}/; {more} }}")
        return Below(nginx, path)

    return start


@pytest.mark.parametrize("path", PATHS)
def test_the_page_works_below_a_path_behind_nginx(path, below, own_chats, tab, alice, tmp_path):
    service = below(*PATHS[path])
    chat = own_chats.new_chat(alice.sub, "Below a path")
    chat.files.append(File("plan.csv", b"day,km\n1,12\n"))
    shown = [message.content.replace("*", "") for message in chat.messages]
    for is_frozen in (True, False):
        link = service.http(alice).share(chat, is_frozen=is_frozen, includes_artifacts=True)
        assert link["url"].startswith(service.base + "/shared/")
        for name in ("relative_path", "qr_code_url"):
            assert requests.get(service.host + link[name], timeout=60).status_code == 200, link[name]
        if is_frozen:
            opened = tab(service)
            assert opened.open(link["url"]).status == 200
        else:
            opened = watching_tab(tab, service, link)
        opened.expect_texts(shown)
        opened.page.locator("summary").click()
        image = opened.page.locator("details img")
        eventually(lambda: image.evaluate("image => image.complete && image.naturalWidth"), 30, "the QR code is drawn")
        shot = Image.open(io.BytesIO(image.screenshot())).convert("L")
        assert scan(shot, tmp_path) == link["url"]
        with opened.page.expect_download() as download:
            opened.page.get_by_role("link", name="plan.csv").click()
        assert download.value.path().read_bytes() == chat.files[0].content
    loads = opened.loads
    shown.append(chat.say("As it happens").content)
    tell(service, chat)
    opened.expect_texts(shown)
    assert opened.loads == loads, "without loading the page again"
    # With a slash at its end, as mail programs write it.
    assert opened.open(link["url"] + "/").status == 200
    assert opened.page.url == link["url"]


@pytest.mark.parametrize("path", PATHS)
def test_addresses_in_answers_lead_back_through_nginx(path, below, own_chats, alice):
    service = below(*PATHS[path])
    caller = service.http(alice)
    chats = [own_chats.new_chat(alice.sub) for _ in range(3)]
    for chat in chats:
        made = caller.post("/api/v1/shared_chats", json={"chat_session_id": chat.id})
        assert requests.get(service.host + made.headers["Location"], timeout=60).json()["id"] == made.json()["id"]
    seen, page = [], caller.get("/api/v1/shared_chats?limit=2")
    while True:
        seen += [row["chat_session_id"] for row in page.json()]
        if "next" not in page.links:
            break
        page = caller.session.get(urljoin(service.host, page.links["next"]["url"]), timeout=60)
    assert seen == [chat.id for chat in reversed(chats)]
    for kind in ("json", "yaml"):
        [server] = yaml.safe_load(caller.get(f"/openapi.{kind}").text)["servers"]
        assert service.host + server["url"] == service.base


def test_the_api_browser_works_below_a_path(below, browser, own_chats):
    service = below(*PATHS["a path"])
    page = browser.new_page()
    assert page.goto(service.base + "/docs").status == 200
    assert page.url == service.base + "/docs/"
    page.locator("#operations-operations-live summary, #operations-operations-live .opblock-summary").first.click()
    page.get_by_role("button", name="Try it out").click()
    with page.expect_response(service.base + "/health/live") as answered:
        page.get_by_role("button", name="Execute").click()
    assert answered.value.status == 200
    page.close()


def test_a_tag_that_nginx_made_weak_is_refused_with_the_reason(below, own_chats, alice):
    gzip = 'gzip on; gzip_types application/json; gzip_min_length 0; proxy_http_version 1.1; proxy_set_header Accept-Encoding "";'
    service = below(*PATHS["a path"], more=gzip)
    caller = service.http(alice)
    link = caller.share(own_chats.new_chat(alice.sub))
    tag = caller.view(link).headers["ETag"]
    assert tag.startswith('W/"'), "nginx compresses, and says so in the tag"
    refused = caller.patch(link_path(link), json={"is_private": True}, headers={"If-Match": tag})
    message = assert_error(refused, 412, "precondition_failed")
    assert "weak" in message and "proxy" in message
    strong = tag.removeprefix("W/")
    assert caller.patch(link_path(link), json={"is_private": True}, headers={"If-Match": strong}).status_code == 204
    # Weak comparison is right for a cache.
    tag = caller.view(link).headers["ETag"]
    assert caller.view(link, headers={"If-None-Match": tag}).status_code == 304


# A proxy that compresses


@pytest.fixture
def compressing(service):
    proxy = Compressing(service.url)
    yield proxy
    proxy.stop()


def test_a_proxy_that_compresses_passes_events_on_as_they_come(service, chats, compressing, tab, alice):
    chat = chats.new_chat(alice.sub, messages=False)
    said = [chat.say("One").content]
    link = service.http(alice).share(chat, is_frozen=False)
    through = Http(compressing.url)
    # It does compress what it may.
    page = through.get("/docs/swagger-ui.css", headers={"Accept-Encoding": "gzip"})
    assert page.headers["Content-Encoding"] == "gzip"
    stream = through.get(
        link_path(link) + "/events", stream=True, headers={"Accept-Encoding": "gzip, br"}, timeout=60
    )
    assert "Content-Encoding" not in stream.headers
    lines = stream.iter_lines()
    assert next(lines) == b": live"
    opened = tab(compressing)
    with opened.page.expect_response(lambda response: response.request.resource_type == "fetch"):
        opened.open(compressing.url + link["relative_path"])
    said.append(chat.say("Two").content)
    tell(service, chat)
    assert next(line for line in lines if line.startswith(b"data:")).endswith(b"}")
    opened.expect_texts(said)
    stream.close()


def test_a_proxy_that_compresses_leaves_files_and_their_ranges_as_they_are(start_service, own_chats, alice, tmp_path):
    service = start_service(ARTIFACT_STORE_URL=f"file:{tmp_path / 'files'}")
    compressing = Compressing(service.url)
    try:
        chat = own_chats.new_chat(alice.sub)
        chat.files.append(File("plan.csv", b"day,km\n" * 1000))
        for is_frozen in (True, False):
            link = service.http(alice).share(chat, is_frozen=is_frozen, includes_artifacts=True)
            path = f"{link_path(link)}/artifacts/{chat.files[0].id}"
            for asked, expected in ((None, chat.files[0].content), ("bytes=7-12", b"day,km"), ("bytes=-3", b"km\n")):
                headers = {"Accept-Encoding": "gzip", **({"Range": asked} if asked else {})}
                answer = Http(compressing.url).get(path, headers=headers, stream=True)
                assert "Content-Encoding" not in answer.headers, asked
                assert answer.headers["Content-Length"] == str(len(expected))
                assert answer.raw.read() == expected
    finally:
        compressing.stop()


# Another origin


@pytest.fixture
def frontend():
    """The origin of a page that is not the service's own."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>Frontend</title><link rel=icon href=data:,>")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


FETCH = """async ([url, headers]) => {
  try {
    const answer = await fetch(url, { headers });
    const names = ["content-disposition", "content-range", "accept-ranges", "etag"];
    return { status: answer.status, text: await answer.text(), ...Object.fromEntries(names.map(n => [n, answer.headers.get(n)])) };
  } catch (error) { return { failed: String(error) }; }
}"""


def test_a_page_of_a_listed_origin_may_send_what_its_tools_add(start_service, own_chats, browser, frontend, alice, tmp_path):
    service = start_service(CORS_ALLOWED_ORIGINS=frontend, ARTIFACT_STORE_URL=f"file:{tmp_path / 'files'}")
    chat = own_chats.new_chat(alice.sub)
    chat.files.append(File("plan.csv", b"day,km\n1,12\n"))
    link = service.http(alice).share(chat, includes_artifacts=True)
    file = f"{service.url}{link_path(link)}/artifacts/{chat.files[0].id}"
    page = browser.new_page()
    page.goto(frontend)
    sent = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "vendor=1",
        "baggage": "user=1",
        "sentry-trace": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "X-Requested-With": "XMLHttpRequest",
        "Range": "bytes=0-2",
        "If-Range": '"other"',
    }
    for name, value in sent.items():
        seen = page.evaluate(FETCH, [service.url + link_path(link), {name: value}])
        assert seen.get("status") == 200, (name, seen)
    whole = page.evaluate(FETCH, [file, sent])
    assert (whole["status"], whole["text"]) == (200, "day,km\n1,12\n"), "If-Range names another one"
    assert whole["content-disposition"] == 'attachment; filename="plan.csv"' and whole["accept-ranges"] == "bytes"
    part = page.evaluate(FETCH, [file, {"Range": "bytes=-5", "If-Range": whole["etag"]}])
    assert (part["status"], part["text"], part["content-range"]) == (206, "1,12\n"[-5:], "bytes 7-11/12")
    # What is not listed is still not sent.
    assert "failed" in page.evaluate(FETCH, [service.url + link_path(link), {"X-Anything": "1"}])
    page.close()


# What a browser does by itself


def test_what_a_browser_fetches_in_advance_is_no_view(service, chats, browser, frontend, alice):
    owner = service.http(alice)
    link = owner.share(chats.new_chat(alice.sub))

    def views():
        activity = owner.get(link_path(link) + "/activity").json()
        return activity["views"] + activity["bot_views"]

    context = browser.new_context(user_agent=PERSON)
    page = context.new_page()
    page.goto(service.url + "/docs/")
    with page.expect_response(link["url"]) as fetched:
        page.evaluate(
            """url => {
              const link = Object.assign(document.createElement("link"), { rel: "prefetch", href: url });
              document.head.append(link);
            }""",
            link["url"],
        )
    assert fetched.value.status == 200
    assert "prefetch" in fetched.value.request.all_headers()["sec-purpose"]
    assert views() == 0
    assert context.new_page().goto(link["url"]).status == 200
    eventually(lambda: views() == 1, 30, "the view is counted")
    context.close()


def test_six_live_tabs_over_http_1_do_not_block_the_seventh(service, chats, alice, tmp_path):
    chat = chats.new_chat(alice.sub, messages=False)
    shown = [chat.say("One").content]
    link = service.http(alice).share(chat, is_frozen=False)
    window = Window(tmp_path)
    try:
        live = []
        for _ in range(6):
            live.append(window.open(link["url"]))
            # The page is fetched once more when its stream is open.
            asked = f"performance.getEntriesByName({json.dumps(link['url'])}).length > 1"
            eventually(lambda: window.evaluate(live[-1], asked), 30, "the stream of the tab is open")
        seventh = window.open(service.url + link["relative_path"])
        eventually(lambda: window.evaluate(seventh, "document.readyState") == "complete", 30, "the seventh tab is there")
        eventually(lambda: window.texts(seventh) == shown, 30, "the seventh tab shows the chat")
        hidden = lambda: [window.is_hidden(tab) for tab in [*live, seventh]]
        eventually(lambda: hidden() == [True] * 6 + [False], 30, "one tab is shown")
        before = list(shown)
        shown.append(chat.say("Two").content)
        tell(service, chat)
        eventually(lambda: window.texts(seventh) == shown, 30, "the tab that is shown follows")
        assert all(window.texts(tab) == before for tab in live), "the others do not ask"
        for tab in live:
            window.show(tab)
            eventually(lambda: window.texts(tab) == shown, 30, "a tab catches up when it is shown")
        shown.append(chat.say("Three").content)
        tell(service, chat)
        eventually(lambda: window.texts(live[-1]) == shown, 30, "and follows from then on")
        # A tab that was hidden when the link was deleted shows nothing of it either.
        assert service.http(alice).delete(link_path(link)).status_code == 204
        for tab in (live[-1], live[0]):
            window.show(tab)
            gone = "document.querySelector('h1')?.innerText === 'This link does not work'"
            eventually(lambda: window.evaluate(tab, gone), 30, "the page says that the link is gone")
            assert window.texts(tab) == []
    finally:
        window.close()
