"""A newcomer opens the first address that `demo` prints, and shares a chat with a person in another browser."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser import PATIENCE_MS, browser  # noqa: F401
from dialogs import AXE, DESKTOP, HOSTILE_NAME, PHONE, RAN, SCREENSHOTS
from test_demo import demo, demo_with  # noqa: F401

PENDULUM = "How long is a pendulum that ticks in seconds?"


class Profile:
    """A browser profile with one tab, and what went wrong in it."""

    def __init__(self, browser, name, **options):
        self.name = name
        self.context = browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **options})
        self.wrong = []
        self.page = self._tab()

    def _tab(self):
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"uncaught: {error}"))
        return page

    def _console(self, message):
        # A link that was made private or deleted answers 401, 403 and 404.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.wrong.append(f"{message.type}: {message.text}")

    def button(self, name, **options):
        return self.page.get_by_role("button", name=name, **{"exact": True, **options})

    def open(self, address):
        """In a tab of its own: the page of a live link reloads itself when it is narrowed, perhaps at the same moment."""
        before, self.page = self.page, self._tab()
        before.close()
        self.page.goto(address)

    def sees(self, text, **options):
        expect(self.page.get_by_text(text, **options).first).to_be_visible()

    def assert_accessible(self):
        assert AXE.is_file(), "axe-core is missing: npm ci --prefix tests/e2e/axe"
        # The page's policy does not hold for what the test evaluates.
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        assert not found, [(v["id"], [(n["target"], n["failureSummary"]) for n in v["nodes"]]) for v in found]

    def is_wide(self):
        return self.page.evaluate("document.documentElement.scrollWidth > innerWidth")


class Walk:
    """What was clicked and seen; with E2E_SCREENSHOTS as a list there, with pictures."""

    def __init__(self):
        self.steps = []

    def step(self, profile, did, saw):
        self.steps.append(f"{len(self.steps) + 1}. {profile.name}: {did} -> {saw}")
        if SCREENSHOTS:
            Path(SCREENSHOTS, "walk.txt").write_text("\n".join(self.steps) + "\n", encoding="utf-8")
            profile.page.wait_for_timeout(300)
            profile.page.screenshot(path=Path(SCREENSHOTS, f"walk-{len(self.steps):02}.png"))


@pytest.fixture
def profile(browser):  # noqa: F811
    """Opens profiles; at the end nothing may have gone wrong in any of them."""
    opened = []

    def new(name, **options):
        opened.append(Profile(browser, name, **options))
        return opened[-1]

    yield new
    wrong = [profile.wrong for profile in opened]
    for profile in opened:
        profile.context.close()
    assert not any(wrong), wrong


def signed_in(profile, demo):  # noqa: F811
    profile.page.goto(demo.product)
    expect(profile.page.get_by_role("heading", level=1)).to_have_text("Why is the quarterly report slow?")
    return profile


def test_a_chat_is_shared_made_private_named_and_deleted(demo, profile):  # noqa: F811
    walk = Walk()
    owner, friend = profile("owner"), profile("friend")
    signed_in(owner, demo)
    expect(owner.page.get_by_role("radio", name="Alice")).to_be_checked()
    walk.step(owner, "opened the first address", "Alice's chats, and the first one")

    owner.button(PENDULUM).click()
    expect(owner.page.get_by_role("heading", level=1)).to_have_text(PENDULUM)
    owner.sees("A tick is half a swing")
    walk.step(owner, "chose the chat about a pendulum", "its messages, with formulas and code")

    owner.button("Share").click()
    dialog = owner.page.get_by_role("dialog", name=re.compile("Share chat"))
    expect(dialog.get_by_text("Who can access this chat?")).to_be_visible()
    walk.step(owner, "Share", "the dialog, Who can access this chat?")
    dialog.get_by_role("radio", name="Live updates").check()
    dialog.get_by_role("button", name="Share", exact=True).click()
    link = dialog.get_by_label("Link", exact=True)
    expect(link).to_have_value(re.compile("/shared/"))
    address = link.input_value()
    expect(dialog.get_by_role("img", name=re.compile("QR code"))).to_be_visible()
    walk.step(owner, "Live updates, Share", "the link, its QR code, and who sees what")
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_be_hidden()
    expect(owner.button("Share")).to_be_focused()

    friend.open(address)
    friend.sees("A tick is half a swing")
    walk.step(friend, "opened the link, signed out", "the chat")

    owner.page.get_by_label("Add a message").fill("And on the **Moon**?")
    owner.button("Add message").click()
    friend.sees("And on the Moon?")
    walk.step(owner, "added a message", "it is in the conversation")
    walk.step(friend, "did nothing", "the message has come by itself")

    owner.button("Shared chats").click()
    links = owner.page.get_by_role("dialog", name="Shared chats")
    row = links.locator(".row", has=owner.page.get_by_role("heading", name=PENDULUM))
    row.get_by_role("switch", name="Public").click()
    # The row shows it before the service has it.
    expect(links.locator(".status")).to_contain_text("Everyone who is signed in")
    walk.step(owner, "Shared chats, switched Public off", "Everyone who is signed in")
    friend.open(address)
    expect(friend.page.get_by_role("heading", level=1)).to_have_text("Sign in to open this link")
    assert "swing" not in friend.page.content()
    walk.step(friend, "opened the link again", "Sign in to open this link")

    friend.page.get_by_role("link", name="Sign in").click()
    expect(friend.page.get_by_role("heading", level=1)).to_have_text("Sign in to open the link")
    friend.assert_accessible()
    walk.step(friend, "Sign in", "the product asks who it is")
    friend.button("Sign in as Bob").click()
    friend.page.wait_for_url(address)
    friend.sees("A tick is half a swing")
    walk.step(friend, "Sign in as Bob", "the link, and the chat")

    row.get_by_role("button", name="Details").click()
    details = row.locator(".details")
    details.get_by_label("Only people and groups that you name").check()
    people = details.get_by_role("combobox", name="People and groups")
    people.fill("alice")
    details.get_by_role("option", name=re.compile("^Alice")).click()
    details.get_by_role("button", name="Save", exact=True).click()
    expect(row.locator(".access")).to_have_text("Only 1 person or group, and you")
    walk.step(owner, "Details, named Alice, Save", "Only 1 person or group, and you")
    friend.open(address)
    expect(friend.page.get_by_role("heading", level=1)).to_have_text("This link is for other people")
    walk.step(friend, "opened the link again", "This link is for other people")
    people.fill("des")
    details.get_by_role("option", name=re.compile("^design")).click()
    details.get_by_role("button", name="Save", exact=True).click()
    expect(row.locator(".access")).to_have_text("Only 2 people and groups, and you")
    friend.open(address)
    friend.sees("A tick is half a swing")
    walk.step(owner, "named the group design, Save", "Only 2 people and groups, and you")
    walk.step(friend, "opened the link again", "the chat: Bob is in the group design")

    details.get_by_role("button", name="Delete").click()
    owner.page.get_by_role("alertdialog").get_by_role("button", name="Delete", exact=True).click()
    expect(row).to_have_count(0)
    walk.step(owner, "Delete, Delete", "the link is gone from the list")
    friend.open(address)
    expect(friend.page.get_by_role("heading", level=1)).to_have_text("This link does not work")
    walk.step(friend, "opened the link again", "This link does not work")

    owner.page.keyboard.press("Escape")
    expect(links).to_be_hidden()
    owner.page.get_by_role("radio", name="Signed out").check()
    expect(owner.page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    expect(owner.button("Shared chats")).to_be_hidden()
    walk.step(owner, "Signed out", "You are signed out, and no chats")


def test_the_product_is_used_by_keyboard_alone(demo, profile):  # noqa: F811
    owner = signed_in(profile("owner"), demo)
    press = owner.page.keyboard.press
    press("Tab")
    expect(owner.page.get_by_role("radio", name="Alice")).to_be_focused()
    press("ArrowRight")
    expect(owner.page.get_by_role("radio", name="Bob")).to_be_focused()
    expect(owner.page.get_by_role("heading", level=1)).to_have_text("Ein Menü für acht / Un menu pour huit")
    press("Tab")
    press("Enter")
    links = owner.page.get_by_role("dialog", name="Shared chats")
    expect(links).to_be_visible()
    press("Escape")
    expect(owner.button("Shared chats")).to_be_focused()
    press("Tab")
    press("Tab")
    press("Enter")
    expect(owner.page.get_by_role("heading", level=1)).to_have_text("Ordering coffee in Amman ☕ قهوة في عمّان")
    expect(owner.page.get_by_role("heading", level=1)).to_be_focused()
    press("Tab")
    press("Enter")
    expect(owner.page.get_by_role("dialog", name=re.compile("Share chat"))).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_and_nothing_sticks_out(demo, profile, scheme, viewport):  # noqa: F811
    owner = signed_in(profile("owner", color_scheme=scheme, viewport=viewport), demo)
    width = "phone" if viewport is PHONE else "desktop"
    for at, name in enumerate((None, PENDULUM, "京都の秋 🍁 俳句を作ろう")):
        if name:
            owner.button(name).click()
            expect(owner.page.get_by_role("heading", level=1)).to_have_text(name)
        owner.assert_accessible()
        assert not owner.is_wide()
        if SCREENSHOTS:
            owner.page.screenshot(path=Path(SCREENSHOTS, f"product-{width}-{scheme}-{at}.png"))
    owner.page.get_by_role("radio", name="Signed out").check()
    expect(owner.page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    owner.assert_accessible()
    assert not owner.is_wide()


def test_hostile_names_are_text_and_stay_in_the_page(demo_with, profile, tmp_path):  # noqa: F811
    message = {"id": "m", "content": f"<script>{RAN} = 1</script><img src=x onerror='{RAN} = 2'>"}
    chat = {"id": "c", "name": HOSTILE_NAME, "owner": f"<img src=x onerror='{RAN} = 3'>", "messages": [message]}
    file = tmp_path / "mine.json"
    file.write_text(json.dumps([chat]), encoding="utf-8")
    demo = demo_with(CHAT_SERVICE_URL=f"file:{file}")  # noqa: F811
    for viewport in (DESKTOP, PHONE):
        owner = profile("owner", viewport=viewport)
        owner.page.goto(demo.product)
        owner.sees("These chats come from a file of yours")
        expect(owner.button("Add message")).to_be_hidden()
        assert not owner.is_wide()
        assert owner.page.evaluate(f"typeof {RAN}") == "undefined"
