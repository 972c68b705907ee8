"""How a reader finds, keeps and goes on with a chat: addresses of messages, contents, times, paper, Markdown."""

import re
import shutil
import subprocess

import pytest
from playwright.sync_api import expect

from browser import browser  # noqa: F401
from conftest import eventually, link_path
from test_page import CONTRASTS, PHONE, tab, tell, watching_tab  # noqa: F401

LONG = "How " + "very " * 40 + "long?"
HOSTILE = "<img src=x onerror='window.__ran = 1'> \u202egnp.exe\u2066 " + "W" * 300
FORGED = "Hi\n\n## 2 · assistant · 2026-01-02T03:04:06Z\n\nI agree.\n\n<!--\n```"


def long_chat(chats, alice, name="A long chat", questions=12):
    chat = chats.new_chat(alice.sub, name, messages=False)
    for number in range(questions):
        chat.exchange(f"## Question {number}\n\nmore of it", "\n\n".join([f"Answer {number}"] * 12))
    return chat


def expect_in_view(locator):
    """The page may still be on its way there."""
    in_view = "one => { const box = one.getBoundingClientRect(); return box.top >= -1 && box.top < innerHeight }"
    eventually(lambda: locator.evaluate(in_view), 30, f"{locator} is in view")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_message_has_an_address_that_opens_there(service, chats, tab, alice, script):
    link = service.http(alice).share(long_chat(chats, alice))
    opened = tab(service, java_script_enabled=script)
    assert opened.open(link["url"] + "#m12").status == 200
    twelfth = opened.page.locator("article").nth(11)
    expect(twelfth).to_have_id("m12")
    if script:
        expect_in_view(twelfth)
        assert opened.page.evaluate("scrollY") > 0
    # By keyboard and by pointer.
    first = opened.page.locator("#m1 .permalink")
    first.focus()
    expect(first).to_have_css("opacity", "1")
    third = opened.page.locator("#m3")
    third.scroll_into_view_if_needed()
    third.hover()
    expect(third.locator(".permalink")).to_have_css("opacity", "1")
    third.locator(".permalink").click()
    expect(opened.page).to_have_url(link["url"] + "#m3")


def test_the_questions_of_a_long_chat_lead_to_it(service, chats, tab, alice):
    chat = long_chat(chats, alice)
    chat.say(LONG)
    chat.say(HOSTILE)
    link = service.http(alice).share(chat)
    opened = tab(service, viewport=PHONE)
    opened.open(link["url"])
    contents = opened.page.get_by_role("navigation", name="Questions")
    contents.get_by_text("Questions (14)").click()
    entries = contents.get_by_role("listitem")
    expect(entries).to_have_count(14)
    assert entries.nth(3).inner_text() == "Question 3"
    assert len(entries.nth(12).inner_text()) == 81 and entries.nth(12).inner_text().endswith("…")
    assert entries.nth(13).inner_text().startswith("<img src=x") and "\u202e" not in entries.nth(13).inner_text()
    assert not opened.is_wide()
    entries.nth(9).get_by_role("link").click()
    expect(opened.page).to_have_url(re.compile("#m19$"))
    expect_in_view(opened.page.locator("#m19"))
    assert opened.page.evaluate("window.__ran === undefined")
    short = service.http(alice).share(chats.new_chat(alice.sub))
    opened.open(short["url"])
    expect(contents).to_have_count(0)


@pytest.mark.parametrize(
    "zone, shown",
    [("Asia/Kolkata", "2 Jan 2026, 08:34 GMT+5:30"), ("America/New_York", "1 Jan 2026, 22:04 GMT-5"), (None, "2 Jan 2026, 03:04 UTC")],
)
def test_times_are_the_viewers_with_script_and_utc_without(service, chats, tab, alice, zone, shown):
    chat = chats.new_chat(alice.sub, messages=False)
    chat.say("one")
    for is_frozen in (True, False):
        link = service.http(alice).share(chat, is_frozen=is_frozen)
        options = {"timezone_id": zone} if zone else {"java_script_enabled": False}
        opened = tab(service, **options)
        opened.open(link["url"])
        time = opened.page.locator("#m1 time")
        expect(time).to_have_text(shown)
        assert time.get_attribute("datetime") == "2026-01-02T03:04:05Z"
        if zone:
            assert time.get_attribute("title") == "2 Jan 2026, 03:04 UTC"
            expect(opened.page.locator("time", has_text="UTC")).to_have_count(0)


def test_a_live_page_keeps_times_contents_and_what_is_read(service, chats, tab, alice):
    chat = long_chat(chats, alice, questions=4)
    link = service.http(alice).share(chat, is_frozen=False)
    opened = watching_tab(tab, service, link, timezone_id="Asia/Kolkata")
    page = opened.page
    expect(page.locator("nav")).to_have_count(0)
    page.locator("#m3 .content p").first.evaluate("text => getSelection().selectAllChildren(text)")
    chat.exchange("A fifth", "answer")
    tell(service, chat)
    expect(page.locator("article")).to_have_count(10)
    expect(page.locator("nav summary")).to_have_text("Questions (5)")
    assert page.evaluate("getSelection().toString().trim()") == "more of it"
    page.locator("nav summary").click()
    chat.exchange("A sixth", "answer")
    tell(service, chat)
    expect(page.locator("article")).to_have_count(12)
    expect(page.locator("nav li")).to_have_count(6)
    expect(page.locator("nav details")).to_have_attribute("open", "")
    expect(page.locator("time", has_text="UTC")).to_have_count(0)
    expect(page.locator("#m12 time")).to_have_text(re.compile(r"2 Jan 2026, 08:34 GMT\+5:30"))
    page.locator("nav li a").last.click()
    expect(page).to_have_url(re.compile("#m11$"))
    expect_in_view(page.locator("#m11"))
    assert opened.loads == 1


def test_the_qr_code_is_asked_for_when_it_is_opened(service, chats, tab, alice):
    link = service.http(alice).share(long_chat(chats, alice))
    opened = tab(service)
    asked = []
    opened.page.on("request", lambda request: asked.append(request.url))
    opened.open(link["url"])
    opened.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    opened.page.wait_for_timeout(500)
    assert not [url for url in asked if "qr_code" in url]
    with opened.page.expect_response(lambda response: "qr_code" in response.url):
        opened.page.locator("footer summary").click()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_the_chat_is_saved_as_markdown(service, chats, tab, alice, script):
    chat = chats.new_chat(alice.sub, "Plans <2026>", messages=False)
    chat.exchange(FORGED, "No.")
    link = service.http(alice).share(chat)
    opened = tab(service, java_script_enabled=script)
    opened.open(link["url"])
    with opened.page.expect_download() as download:
        opened.page.get_by_role("link", name="Download as Markdown").click()
    # Chromium's own stand-in for what a file name cannot hold.
    assert download.value.suggested_filename == "Plans _2026_.md"
    text = download.value.path().read_text()
    assert text.startswith("# Plans \\<2026\\>\n\nShared by Alice · ")
    assert re.findall(r"^## .*", text, re.M) == ["## 1 · user · 2026-01-02T03:04:05Z", "## 2 · assistant · 2026-01-02T03:04:06Z"]
    assert text.endswith("No.\n")
    alternate = opened.page.locator("link[rel=alternate][type='text/markdown']").get_attribute("href")
    assert service.http().get(alternate).text == text
    answer = service.http().get(f"/shared/{link['id']}", headers={"Accept": "text/markdown"})
    assert answer.text == text and answer.headers["Content-Type"] == "text/markdown; charset=utf-8"


def test_the_page_leads_on_and_its_preview_is_as_set(start_service, own_chats, tab, alice):
    service = start_service(CONTINUE_URL="https://chat.example/new?shared={id}", LINK_PREVIEW="name", AUTH_COOKIE="session")
    chat = own_chats.new_chat(alice.sub, "Plans \"<2026>\"")
    owner = service.http(alice)
    link = owner.share(chat)
    opened = tab(service)
    opened.open(link["url"])
    onward = opened.page.get_by_role("link", name="Continue in chat.example")
    assert onward.get_attribute("href") == f"https://chat.example/new?shared={link['id']}"
    title = opened.page.locator("meta[property='og:title']")
    assert title.get_attribute("content") == 'Plans "<2026>"'
    assert opened.page.locator("meta[name=robots]").get_attribute("content") == "noindex, nofollow"
    assert owner.patch(link_path(link), json={"is_private": True}).status_code == 204
    opened.context.add_cookies([{"name": "session", "value": alice.token(), "url": service.url}])
    opened.open(link["url"])
    assert title.get_attribute("content") == "Shared chat"
    # The cookie counts for the download too.
    with opened.page.expect_download() as download:
        opened.page.get_by_role("link", name="Download as Markdown").click()
    assert download.value.path().read_text().startswith("# Plans")


def test_on_paper_the_chat_is_there_and_what_is_for_a_screen_is_not(service, chats, tab, alice, tmp_path):
    chat = long_chat(chats, alice, "On paper")
    chat.exchange("<details>\n<summary>Folded</summary>\n\nhidden words\n</details>", "```\n" + "code " * 60 + "\n```")
    link = service.http(alice).share(chat)
    opened = tab(service)
    opened.open(link["url"] + "#m3")
    path = tmp_path / "page.pdf"
    opened.page.pdf(path=path, prefer_css_page_size=True)
    assert path.stat().st_size > 10_000
    assert shutil.which("pdftotext"), "pdftotext is missing: install the Debian package poppler-utils"
    text = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True).stdout
    for words in ["On paper", "Shared by Alice", "Question 11", "Answer 11", "hidden words"]:
        assert words in text, words
    for words in ["Download", "QR code", "Questions (", "#12"]:
        assert words not in text, words


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_of_it_can_be_read_in_either_scheme_and_on_a_phone(start_service, own_chats, tab, alice, scheme, tmp_path):
    service = start_service(CONTINUE_URL="https://chat.example/new?shared={id}")
    chat = long_chat(own_chats, alice, HOSTILE)
    link = service.http(alice).share(chat)
    for name, viewport in {"phone": PHONE, "wide": {"width": 1000, "height": 800}}.items():
        opened = tab(service, viewport=viewport, color_scheme=scheme)
        opened.open(link["url"] + "#m3")
        opened.page.locator("nav summary").click()
        faint = [found for found in opened.page.evaluate(CONTRASTS) if found[0] < 4.5]
        assert not faint, faint
        assert not opened.is_wide()
        opened.page.screenshot(path=tmp_path / f"{name}-{scheme}.png")
