"""What people see who open a link in a browser: Chromium, driven from outside."""

import io
import re
import time
import uuid
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

from browser import PATIENCE_MS, browser  # noqa: F401
from chat_service import NEVER_SHOWN, File
from conftest import eventually, link_path, service_caller_token
from ports import free_port
from test_qr_codes import scan

PHONE = {"width": 375, "height": 700}
RAN = "window.__ran"
HOSTILE = [
    f"<script>{RAN} = 1</script><img src=x onerror='{RAN} = 2'><svg onload='{RAN} = 3'></svg>",
    f"# <b onclick='{RAN}=4'>bold</b>\n\n<iframe srcdoc='<script>parent.__ran = 5</script>'></iframe>\n\n</main></body>",
    f"[one](javascript:{RAN}=6) [two](JaVa\tScRiPt:{RAN}=7) [three](data:text/html,x) <javascript:{RAN}=8>\n\n"
    "![image](https://elsewhere.example/x.png) [honest](https://elsewhere.example/)",
    "</title></style><style>body { display: none }</style><base href='https://elsewhere.example/'>",
    "Wort" * 500,
    "https://elsewhere.example/" + "path/" * 200,
    "```\n" + "no line end " * 100 + "\n```",
    "| a | b |\n|--|--|\n| " + "x" * 400 + " | " + "y " * 200 + " |",
    "שלום *עולם*\n\n- אחת\n- שתיים\n\n\u202egnp.exe\u2066",
    "a\0b\u0007c &amp; &lt;i&gt; {{ 7 * 7 }}",
    f"<details open ontoggle='{RAN} = 9'>\n<summary><b onclick='{RAN} = 10'>s</b></summary>\n\n<think>\n$<svg onload='{RAN} = 11'>$\n</details>\n</think>",
    f"<sub onclick='{RAN} = 12'>a</sub> <kbd>b</i></kbd> <br onload=x> https://elsewhere.example/'onclick='{RAN}=13 javascript://%0a{RAN}=14",
]


class Tab:
    """A page in a browser of its own, and what went wrong in it."""

    def __init__(self, context, origin):
        self.context = context
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.refused = True
        """Whether an answer of 400 and above, or none at all, is a failure."""
        self.wrong = []
        self.loads = 0
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"uncaught: {error}"))
        self.page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("popup", lambda popup: self.wrong.append(f"popup: {popup.url}"))
        self.page.on("request", lambda request: self._request(request, origin))

    def _console(self, message):
        network = "Failed to load resource" in message.text or "net::ERR" in message.text
        if message.type in ("error", "warning") and not (network and not self.refused):
            self.wrong.append(f"{message.type}: {message.text}")

    def _request(self, request, origin):
        if request.is_navigation_request():
            self.loads += 1
        parts = urlsplit(request.url)
        if f"{parts.scheme}://{parts.netloc}" != origin:
            self.wrong.append(f"asked elsewhere: {request.url}")

    def open(self, url):
        return self.page.goto(url)

    @property
    def main(self):
        return self.page.locator("main")

    @property
    def texts(self):
        return self.page.locator("article .content").all_inner_texts()

    def expect_texts(self, texts):
        expect(self.page.locator("article .content")).to_have_text(texts)

    def says(self, *words):
        """Which of the words are anywhere in the document."""
        html = self.page.evaluate("document.documentElement.outerHTML")
        return [word for word in words if word in html]

    def is_wide(self):
        return self.page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.fixture
def tab(browser):
    """Opens tabs; at the end nothing may have gone wrong in any of them."""
    tabs = []

    def new(service, **options):
        options = {"viewport": {"width": 900, "height": 700}, **options}
        tabs.append(Tab(browser.new_context(**options), service.url))
        return tabs[-1]

    yield new
    wrong = [tab.wrong for tab in tabs]
    for tab in tabs:
        tab.context.close()
    assert not any(wrong), wrong


def watching_tab(tab, service, link, **options):
    """A tab that has a live link open, and its stream too."""
    opened = tab(service, **options)
    with opened.page.expect_response(lambda response: response.request.resource_type == "fetch"):
        assert opened.open(link["url"]).status == 200
    return opened


def tell(service, chat):
    answer = service.http(service_caller_token()).post(f"/api/v1/chats/{chat.id}/changes")
    assert answer.status_code == 202, answer.text


def cookie(service, value):
    return {"name": "session", "value": value, "url": service.url, "httpOnly": True}


# A frozen link


def test_a_public_link_opens_without_a_complaint(service, chats, tab, alice, tmp_path):
    chat = chats.new_chat(alice.sub, "Quarterly <report>")
    link = service.http(alice).share(chat)
    opened = tab(service)
    assert opened.open(link["url"]).status == 200
    assert opened.page.title() == "Quarterly <report>"
    expect(opened.page.get_by_role("heading", level=1)).to_have_text("Quarterly <report>")
    expect(opened.page.locator(".badge")).to_have_text(["Public", "Snapshot"])
    expect(opened.page.locator("header.chat .meta")).to_contain_text("Shared by Alice on")
    expect(opened.page.locator("article h2")).to_have_text(["User", "Assistant"])
    opened.expect_texts(["What is a share link?", "A link that anyone who has it can open."])
    assert not opened.says(NEVER_SHOWN, alice.sub, chat.id)
    # As a phone's camera sees it.
    opened.page.locator("footer summary").click()
    image = opened.page.locator("footer img")
    expect(image).to_be_visible()
    eventually(lambda: image.evaluate("image => image.complete && image.naturalWidth"), 30, "the QR code is drawn")
    shot = Image.open(io.BytesIO(image.screenshot())).convert("L")
    assert scan(shot, tmp_path) == link["url"]


def test_a_dead_link_and_an_expired_one_show_the_same_page(service, chats, tab, alice):
    owner = service.http(alice)
    chat = chats.new_chat(alice.sub, "Was here")
    # Late enough for a slow machine to open the page before.
    soon = datetime.now(timezone.utc) + timedelta(seconds=10)
    expiring = owner.share(chat, is_frozen=False, expires_at=soon.isoformat())
    watching = watching_tab(tab, service, expiring)
    expect(watching.page.locator("header.chat .meta")).to_contain_text("Available until")
    deleted = owner.share(chat)
    assert owner.delete(link_path(deleted)).status_code == 204
    watching.refused = False
    shown = []
    for url in [deleted["url"], deleted["url"].replace(deleted["id"], str(uuid.uuid4()))]:
        dead = tab(service)
        dead.refused = False
        assert dead.open(url).status == 404
        expect(dead.page.locator("h1")).to_have_text("This link does not work")
        shown.append(dead.page.content())
    # The one that was open goes by itself.
    expect(watching.page.locator("h1")).to_have_text("This link does not work", timeout=60_000)
    # The heading is there before the rest of the page is.
    watching.page.wait_for_load_state()
    shown.append(watching.page.content())
    assert len(set(shown)) == 1 and "Was here" not in shown[0]


def test_files_are_listed_and_a_click_saves_them(start_service, own_chats, tab, alice, tmp_path):
    service = start_service(ARTIFACT_STORE_URL=f"file:{tmp_path / 'files'}")
    chat = own_chats.new_chat(alice.sub)
    chat.files += [File("sales <2026>.html", b"<script>alert(1)</script>"), File("b.txt", b"x" * 1500)]
    link = service.http(alice).share(chat, includes_artifacts=True)
    opened = tab(service)
    opened.open(link["url"])
    expect(opened.page.locator(".files li")).to_have_count(2)
    expect(opened.page.locator(".files li").last).to_contain_text("1.5 kB · text/plain")
    with opened.page.expect_download() as download:
        opened.page.get_by_role("link", name="sales <2026>.html").click()
    # Chromium's own stand-in for what a file name cannot hold.
    assert download.value.suggested_filename == "sales _2026_.html"
    assert download.value.path().read_bytes() == b"<script>alert(1)</script>"
    assert opened.page.url == link["url"]
    without = service.http(alice).share(chat)
    opened.open(without["url"])
    expect(opened.page.locator(".files")).to_have_count(0)


# A live link


def test_what_happens_in_the_chat_shows_in_an_open_page(service, chats, tab, alice):
    chat = chats.new_chat(alice.sub, "Before")
    question, answer = [message.content for message in chat.messages]
    shown = [question, answer.replace("*", "")]
    link = service.http(alice).share(chat, is_frozen=False)
    opened = watching_tab(tab, service, link)
    expect(opened.page.locator(".badge")).to_have_text(["Public", "Live"])
    opened.expect_texts(shown)

    added = chat.say("Something *new*")
    tell(service, chat)
    opened.expect_texts([*shown, "Something new"])
    added.content = "Something else"
    tell(service, chat)
    opened.expect_texts([*shown, "Something else"])
    chat.messages.remove(added)
    tell(service, chat)
    opened.expect_texts(shown)
    chat.name = "After"
    tell(service, chat)
    expect(opened.page.get_by_role("heading", level=1)).to_have_text("After")
    assert opened.page.title() == "After"
    # This cannot be told as single events: `reset`.
    chat.say("Comes first now")
    chat.messages.insert(0, chat.messages.pop())
    tell(service, chat)
    opened.expect_texts(["Comes first now", *shown])
    chat.messages[:] = []
    chat.say("All is new")
    tell(service, chat)
    opened.expect_texts(["All is new"])
    assert opened.loads == 1, "without loading the page again"


def test_what_stays_the_same_stays_as_the_reader_left_it(service, chats, tab, alice):
    chat = chats.new_chat(alice.sub)
    chat.say("```\n" + "long " * 200 + "\n```\n\nSelect me")
    changing = chat.say("Draft")
    for number in range(20):
        chat.say(f"Paragraph {number}")
    link = service.http(alice).share(chat, is_frozen=False)
    opened = watching_tab(tab, service, link)
    page = opened.page
    page.locator("footer summary").click()
    page.locator("pre").focus()
    page.locator("pre").evaluate("pre => { pre.scrollLeft = 300 }")
    page.get_by_text("Select me").evaluate("text => getSelection().selectAllChildren(text)")
    page.evaluate("scrollTo(0, 200)")
    changing.content = "Final"
    chat.say("The end")
    tell(service, chat)
    expect(page.locator("article .content").last).to_have_text("The end")
    expect(page.locator("article .content").nth(3)).to_have_text("Final")
    assert page.evaluate("getSelection().toString().trim()") == "Select me"
    assert page.evaluate("document.activeElement.localName") == "pre"
    assert page.locator("pre").evaluate("pre => pre.scrollLeft") == 300
    assert page.evaluate("scrollY") == 200, "who reads further up is not moved"
    assert page.locator("details[open]").count() == 1
    # Who is at the end is taken along.
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    chat.say("\n\n".join(["A long one"] * 40))
    tell(service, chat)
    eventually(lambda: len(opened.texts) == len(chat.messages), 30, "the long one came")
    rest = "document.body.scrollHeight - innerHeight - scrollY"
    eventually(lambda: page.evaluate(rest) < 2, 30, "the end is in view")


@pytest.mark.parametrize("way", ["private", "deleted", "chat deleted", "chat gone"])
def test_nothing_is_left_to_read_once_the_link_is_gone(service, chats, tab, alice, way):
    owner = service.http(alice)
    chat = chats.new_chat(alice.sub, "Confidential name")
    link = owner.share(chat, is_frozen=False)
    words = ["Confidential name", "What is a share link?", "who has it can open", "Alice", "just in time"]
    opened = watching_tab(tab, service, link)
    opened.expect_texts(["What is a share link?", "A link that anyone who has it can open."])
    # An answer that was under way comes too late, and loading the page again comes to nothing.
    held, stopped = [], []

    def hold(route):
        if route.request.is_navigation_request():
            stopped.append(route.abort("aborted"))
        else:
            held.append((route, route.fetch()))

    opened.page.route(link["url"], hold)
    opened.refused = False
    chat.say("just in time")
    tell(service, chat)
    expect(opened.main).not_to_be_empty()
    wait_for(opened.page, lambda: held, "the page is asked for what is new")
    if way == "private":
        assert owner.patch(link_path(link), json={"is_private": True}).status_code == 204
    elif way == "deleted":
        assert owner.delete(link_path(link)).status_code == 204
    elif way == "chat deleted":
        answer = service.http(service_caller_token()).delete(f"/api/v1/chats/{chat.id}/shared_chats")
        assert answer.json() == {"deleted": 1}
    else:
        chats.remove(chat)
        tell(service, chat)
    wait_for(opened.page, lambda: stopped, "the page is loaded again")
    assert not opened.says(*words)
    assert opened.page.title() == ""
    [(late, answer)] = held
    assert "just in time" in answer.text()
    late.fulfill(response=answer)
    opened.page.wait_for_timeout(200)
    assert not opened.says(*words)
    opened.page.unroute(link["url"])
    assert opened.page.reload().status == (401 if way == "private" else 404)
    title = "Sign in to open this link" if way == "private" else "This link does not work"
    expect(opened.page.locator("h1")).to_have_text(title)
    assert not opened.says(*words)


def wait_for(page, condition, what):
    """As `eventually`, while the browser's events are heard."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_MS / 1000} s: {what}"
        page.wait_for_timeout(20)


def test_a_page_that_could_not_be_fetched_is_asked_for_again(service, chats, tab, alice):
    chat = chats.new_chat(alice.sub, messages=False)
    chat.say("One")
    link = service.http(alice).share(chat, is_frozen=False)
    opened = tab(service)
    opened.refused = False
    opened.page.clock.install()
    with opened.page.expect_response(lambda response: response.request.resource_type == "fetch"):
        opened.open(link["url"])
    failing = [lambda route: route.abort(), lambda route: route.fulfill(status=502, body="no")]
    for number, fail in enumerate(failing):
        failed = []
        opened.page.route(link["url"], lambda route: (failed.append(1), fail(route)), times=1)
        message = chat.say(f"More {number}")
        tell(service, chat)
        wait_for(opened.page, lambda: failed, "the page is asked for")
        opened.page.wait_for_timeout(100)
        assert message.content not in opened.texts

        def is_shown():
            # The pause begins when the page has heard of the failure, which may be after the first of these.
            opened.page.clock.run_for(16_000)
            return message.content in opened.texts

        wait_for(opened.page, is_shown, "the page is asked for again")
        opened.expect_texts([message.content for message in chat.messages])


def test_messages_come_once_when_the_service_was_away(start_service, own_chats, tab, alice):
    # As a new process: on the same address.
    service = start_service(BIND_ADDRESS=f"127.0.0.1:{free_port()}")
    chat = own_chats.new_chat(alice.sub, messages=False)
    said = [chat.say("before").content]
    link = service.http(alice).share(chat, is_frozen=False)
    opened = watching_tab(tab, service, link)
    opened.expect_texts(said)
    opened.refused = False
    service.terminate()
    said.append(chat.say("meanwhile").content)
    opened.page.wait_for_timeout(300)
    opened.expect_texts(said[:1])
    service.start()
    opened.expect_texts(said)
    said.append(chat.say("after").content)
    tell(service, chat)
    opened.expect_texts(said)
    opened.page.wait_for_timeout(300)
    assert opened.texts == said
    assert opened.loads == 1


def test_hostile_content_does_nothing_however_it_got_into_the_page(service, chats, tab, alice):
    chat = chats.new_chat(alice.sub, "Honest")
    link = service.http(alice).share(chat, is_frozen=False)
    opened = watching_tab(tab, service, link, viewport=PHONE)
    # The messages last: who looks at the chat before it is told of has the rest with them.
    chat.name = HOSTILE[0] + HOSTILE[3] + "\u202e"
    chat.files += [File(f"{HOSTILE[0]}.html", b"x")]
    for content in HOSTILE:
        chat.say(content)
        chat.say(content, role="tool")
    tell(service, chat)
    expect(opened.page.locator("article")).to_have_count(2 + 2 * len(HOSTILE))
    assert HOSTILE[0] in opened.page.title()
    fresh = tab(service, viewport=PHONE)
    fresh.open(link["url"])
    as_text = "main => main.innerHTML"
    assert opened.main.evaluate(as_text) == fresh.main.evaluate(as_text)
    for either in (opened, fresh):
        assert either.page.evaluate(f"{RAN} === undefined")
        assert either.page.locator("main :is(script, img, svg:not(.badge svg), iframe, style, base, object)").count() == 0
        schemes = either.main.locator(".content a").evaluate_all("links => links.map(link => link.protocol)")
        assert set(schemes) == {"https:"}, schemes
        assert either.page.locator("[onclick], [onerror], [onload], [srcdoc]").count() == 0
        assert not either.is_wide()
        for link_ in either.main.get_by_text("two", exact=True).all():
            link_.click()
    assert opened.loads == fresh.loads == 1


def test_without_script_the_page_shows_what_there_is(service, chats, tab, alice):
    chat = chats.new_chat(alice.sub, "No script")
    for is_frozen in (True, False):
        link = service.http(alice).share(chat, is_frozen=is_frozen)
        opened = tab(service, java_script_enabled=False)
        assert opened.open(link["url"]).status == 200
        expect(opened.page.get_by_role("heading", level=1)).to_have_text("No script")
        opened.expect_texts(["What is a share link?", "A link that anyone who has it can open."])
        hint = opened.page.locator("noscript")
        if is_frozen:
            expect(hint).to_have_count(0)
        else:
            expect(hint).to_be_visible()
        opened.page.locator("footer summary").click()
        expect(opened.page.locator("footer img")).to_be_visible()


# Private links


def test_a_private_link_asks_to_sign_in_and_opens_with_the_cookie(start_service, own_chats, tab, alice, bob):
    service = start_service(AUTH_COOKIE="session", LOGIN_URL="https://login.example/in")
    owner = service.http(alice)
    chat = own_chats.new_chat(alice.sub, "Among us", messages=False)
    said = [chat.say("one").content]
    link = owner.share(chat, is_frozen=False)

    stranger = tab(service)
    stranger.refused = False
    signed_in = tab(service)
    signed_in.context.add_cookies([cookie(service, bob.token())])
    with signed_in.page.expect_response(lambda response: response.request.resource_type == "fetch"):
        signed_in.open(link["url"])
    footer = signed_in.page.locator("footer p")
    expect(footer).to_contain_text("Anyone who has this link can open it.")

    # It turns private while a viewer watches who may go on.
    assert owner.patch(link_path(link), json={"is_private": True}).status_code == 204
    expect(signed_in.page.locator(".badge")).to_have_text(["Private", "Live"])
    expect(footer).to_contain_text("Only people who are signed in can open this link.")
    expect(footer).not_to_contain_text("Anyone")

    assert stranger.open(link["url"]).status == 401
    expect(stranger.page.locator("h1")).to_have_text("Sign in to open this link")
    login = urlsplit(stranger.page.get_by_role("link", name="Sign in").get_attribute("href"))
    assert login.netloc == "login.example" and parse_qs(login.query) == {"return_to": [link["url"]]}
    assert not stranger.says("Among us", "one<", "Alice")
    # And signed in, after all.
    stranger.context.add_cookies([cookie(service, alice.token())])
    with stranger.page.expect_response(lambda response: response.request.resource_type == "fetch"):
        assert stranger.open(link["url"]).status == 200

    said.append(chat.say("two").content)
    tell(service, chat)
    for either in (stranger, signed_in):
        either.expect_texts(said)
    assert signed_in.loads == 1


def test_a_session_that_ends_closes_the_page(start_service, own_chats, tab, alice):
    service = start_service(AUTH_COOKIE="session")
    chat = own_chats.new_chat(alice.sub, "Among us")
    link = service.http(alice).share(chat, is_frozen=False, is_private=True)
    opened = tab(service)
    opened.context.add_cookies([cookie(service, alice.token(lasts=10))])
    assert opened.open(link["url"]).status == 200
    opened.refused = False
    # After the token's ten seconds come five of leeway, and what the page waits before it asks again.
    expect(opened.page.locator("h1")).to_have_text("Sign in to open this link", timeout=60_000)
    assert not opened.says("Among us", "What is a share link?")
    # Within the leeway for clocks the page opens, and its stream does not.
    assert opened.loads <= 3


# Looks


MANY = [
    "# One\n\n## Two\n\ntext `code` [link](https://elsewhere.example/) **bold**\n\n> quote\n\n---\n\nnote[^1] $x^2$\n\n[^1]: Foot.",
    "```python\ndef f():\n    return 1  # " + "and so on " * 20 + "\n```",
    "| name | amount |\n|:--|--:|\n| pears | 12.50 |\n\n- [x] done\n- [ ] to do\n- plain",
    "",
    "<div>\nraw\n</div>",
    "".join(f"> [!{kind}]\n> text <kbd>C</kbd> https://elsewhere.example/\n\n" for kind in ("NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION")),
    "<think>\nA *thought*\n</think>",
]

CONTRASTS = """() => {
  const parse = color => color.match(/[\\d.]+/g).map(Number);
  const light = color => {
    const [r, g, b] = parse(color).map(part => (part /= 255) <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = element => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor, alpha = parse(color)[3] ?? 1;
      if (alpha === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.querySelectorAll("body *")].filter(element =>
    element.checkVisibility() && [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  return texts.map(element => {
    const [one, other] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
    return [(one + .05) / (other + .05), element.localName, element.className, element.textContent.slice(0, 30)];
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_either_colour_scheme_and_fits_a_phone(service, chats, tab, alice, scheme):
    chat = chats.new_chat(alice.sub)
    for content in MANY:
        chat.exchange(content, content)
        chat.say(content, role="tool")
    link = service.http(alice).share(chat)
    opened = tab(service, viewport=PHONE, color_scheme=scheme)
    opened.open(link["url"])
    contrasts = opened.page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    faint = [found for found in contrasts if found[0] < 4.5]  # WCAG 2.2, 1.4.3
    assert not faint, faint
    ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", ground)[:3])) / 3
    assert (brightness < 64) == (scheme == "dark"), ground
    assert not opened.is_wide()


def test_no_message_is_an_empty_bubble_or_has_room_to_spare(service, chats, tab, alice):
    chat = chats.new_chat(alice.sub, messages=False)
    for content in ["", " \n ", "[unused]: https://elsewhere.example/"]:
        chat.say(content)
    for content in ["text", *MANY]:
        chat.say(content)
    link = service.http(alice).share(chat)
    opened = tab(service)
    opened.open(link["url"])
    assert opened.texts[:3] == ["Empty message"] * 3
    spare = opened.page.locator("article .content").evaluate_all(
        """contents => contents.map(content => {
          const style = getComputedStyle(content), inner = content.getBoundingClientRect();
          const first = content.firstElementChild.getBoundingClientRect();
          const last = content.lastElementChild.getBoundingClientRect();
          return [first.top - inner.top - parseFloat(style.paddingTop),
                  inner.bottom - last.bottom - parseFloat(style.paddingBottom)];
        })"""
    )
    spare = [pair for pair in spare if max(map(abs, pair)) >= 1]
    assert not spare, spare
    # A task's text begins where its neighbours' does.
    starts = opened.page.locator("article li").evaluate_all(
        """items => items.map(item => {
          const text = [...item.childNodes].find(node => node.nodeType === 3 && node.data.trim());
          const range = document.createRange();
          range.selectNodeContents(text);
          return range.getBoundingClientRect().left;
        })"""
    )
    assert len(starts) == 3 and max(starts) - min(starts) < 0.5, starts


PHONE_390 = {"width": 390, "height": 800}
HEBREW = [
    "- `code` ראשון ואז עוד טקסט ארוך שנשבר לשורה הבאה כאן\n- שני\n- English with more words, so that it wraps to the next line",
    "1. `npm install` מתקינים את החבילה\n2. English\n3. שלוש",
    "> `code` הציטוט כאן\n\n> https://elsewhere.example/ הציטוט",
    "| `a` | מחיר |\n|---|---|\n| תפוח | $5 |\n| English | 12.50 |",
    "- [x] בוצע\n- [ ] לביצוע",
]
ARABIC = [
    "- `code` الأول ثم نص أطول ينتقل إلى السطر التالي هنا في الصفحة\n- الثاني\n- English with more words, so that it wraps to the next line",
    "1. `npm install` ثبت الحزمة\n2. English\n3. ثلاثة",
    "> `code` هذا اقتباس\n\n> https://elsewhere.example/ هذا اقتباس",
    "| `a` | السعر |\n|---|---|\n| تفاح | $5 |\n| English | 12.50 |",
    "- [x] تم\n- [ ] قيد التنفيذ",
]

# Of each group (a list, a quotation, a column of a table) the right edges of what its parts hold.
RIGHT_EDGES = """() => {
  const edge = node => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return Math.max(...[...range.getClientRects()].map(rect => rect.right));
  };
  const columns = [...document.querySelectorAll(".content table")].flatMap(table =>
    [1, 2].map(place => [...table.querySelectorAll(`tr > :nth-child(${place})`)]));
  const lists = [...document.querySelectorAll(".content :is(ul, ol)")].map(list => [...list.children]);
  return [...columns, ...lists].map(parts => parts.map(edge));
}"""


@pytest.mark.parametrize("messages", [HEBREW, ARABIC], ids=["hebrew", "arabic"])
def test_lists_quotes_and_tables_of_a_script_from_the_right_begin_at_the_right(service, chats, tab, alice, messages, tmp_path):
    chat = chats.new_chat(alice.sub, messages=False)
    for message in messages:
        chat.exchange(message, message)
    link = service.http(alice).share(chat)
    opened = tab(service, viewport=PHONE_390)
    opened.open(link["url"])
    opened.page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert not opened.is_wide()
    containers = opened.page.locator(".content :is(ul, ol, blockquote, table)")
    assert containers.evaluate_all("all => all.map(one => getComputedStyle(one).direction)") == ["rtl"] * 12
    # An item or a cell in English is beside the marker, and in the column, of the others.
    for edges in opened.page.evaluate(RIGHT_EDGES):
        assert len(edges) >= 2 and max(edges) - min(edges) < 6, edges
    # Markers are within the page.
    padding = opened.page.locator(".content :is(ul, ol)").evaluate_all("all => all.map(one => parseFloat(getComputedStyle(one).paddingRight))")
    assert min(padding) >= 20, padding


@pytest.mark.parametrize("kind", ["quotes", "lists"])
def test_what_is_nested_deeper_than_a_phone_can_show_stops_indenting(service, chats, tab, alice, kind):
    level = "> " if kind == "quotes" else "  "
    marker = "" if kind == "quotes" else "- "
    text = "".join(level * depth + f"{marker}level {depth} with some words\n{level * depth}\n" for depth in range(1, 20))
    chat = chats.new_chat(alice.sub, messages=False)
    chat.exchange(text, text)
    link = service.http(alice).share(chat)
    opened = tab(service, viewport=PHONE_390)
    opened.open(link["url"])
    widths = opened.page.get_by_text("level 19").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert len(widths) == 2 and min(widths) > 180, widths
    assert not opened.is_wide()


def test_what_the_reader_unfolded_stays_so_when_news_come(service, chats, tab, alice):
    chat = chats.new_chat(alice.sub, messages=False)
    chat.say("<think>\nA thought\n</think>\nThe answer")
    chat.say("<details>\n<summary>More</summary>\n\nDetail\n\n</details>")
    link = service.http(alice).share(chat, is_frozen=False)
    opened = watching_tab(tab, service, link)
    thought, detail = opened.page.get_by_text("A thought"), opened.page.get_by_text("Detail", exact=True)
    expect(thought).not_to_be_visible()
    opened.page.get_by_text("More").click()
    expect(detail).to_be_visible()
    chat.say("News")
    tell(service, chat)
    expect(opened.page.get_by_text("News")).to_be_visible()
    expect(detail).to_be_visible()
    expect(thought).not_to_be_visible()
