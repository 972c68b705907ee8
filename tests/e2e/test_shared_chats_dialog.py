"""All links of a user in a dialog: Chromium, in pages as integrators write them."""

import json
import re

import pytest
from playwright.sync_api import expect

from browser import browser  # noqa: F401
from chat_service import File
from conftest import eventually, link_path, token
from dialogs import DESKTOP, HOSTILE_NAME, PHONE, RAN, dialog_page, host, ui_service, until  # noqa: F401
from many_links import many_links

LINKS = "/api/v1/shared_chats"
PAGE_SIZE = 50


class Dialog:
    """The dialog in a page of a host."""

    def __init__(self, host_page, title="Shared chats"):
        self.host = host_page
        self.page = host_page.page
        self.page.click("#opener")
        self.dialog = self.page.get_by_role("dialog", name=title, exact=True)
        expect(self.dialog).to_be_visible()

    def row(self, name):
        return self.page.locator(".row", has=self.page.get_by_role("heading", name=name, exact=True))

    def switch(self, name, label):
        return self.row(name).get_by_role("switch", name=label)

    def button(self, name, *, exact=True):
        return self.dialog.get_by_role("button", name=name, exact=exact)

    def details(self, name):
        self.row(name).get_by_role("button", name="Details").click()
        return self.row(name).locator(".details")

    def confirm(self, action):
        self.page.get_by_role("alertdialog").get_by_role("button", name=action, exact=True).click()

    @property
    def names(self):
        return self.page.locator(".row h3")

    @property
    def shown(self):
        return self.page.locator("footer .shown")

    @property
    def search(self):
        return self.page.get_by_role("searchbox")

    @property
    def alert(self):
        """What is said at the top of the dialog."""
        return self.page.locator(".alerts .alert")

    @property
    def status(self):
        return self.page.locator(".status")

    @property
    def focused(self):
        """What has the focus, by its text or its name."""
        return self.page.evaluate(
            """() => { let e = document.activeElement; while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
                return e.getAttribute("aria-label") ?? (e.innerText?.trim() || e.type); }"""
        )


@pytest.fixture
def shared(dialog_page, ui_service):
    """Opens the dialog for a user."""

    def new(user, *, title="Shared chats", lang="en", service=None, show=True, **options):
        service = service or ui_service
        host_page = dialog_page("shared-chats-dialog", f'api="{service.url}" lang="{lang}"', user=user, service=service, **options)
        return Dialog(host_page, title) if show else host_page

    return new


def share(service, chats, user, name, **settings):
    return service.http(user).share(chats.new_chat(user.sub, name), **settings)


def stored(service, user, link):
    """The row as the service has it."""
    rows = service.http(user).list(chat_session_id=link["chat_session_id"], limit=1000)
    return next((row for row in rows if row["id"] == link["id"]), None)


def assert_stored(service, user, link, **settings):
    """A switch shows what was asked for before the service has it."""

    def is_so():
        row = stored(service, user, link)
        return {name: row[name] for name in settings} == settings

    eventually(is_so, 30, f"the link has {settings}")


def asked(page, path_part, method="GET"):
    """The requests from now on whose address has that part."""
    seen = []
    page.on("request", lambda request: seen.append(request.url) if request.method == method and path_part in request.url else None)
    return seen


def expect_activity(dialog):
    """All rows in sight show how often they were viewed: there is nothing left to ask for."""
    is_so = """() => {
        const root = document.querySelector("[data-dialog]").shadowRoot;
        const sight = root.querySelector(".scroller").getBoundingClientRect();
        const rows = [...root.querySelectorAll(".row")].filter((row) => {
            const { top, bottom } = row.getBoundingClientRect();
            return bottom > sight.top && top < sight.bottom;
        });
        return rows.length > 0 && rows.every((row) => row.querySelector(".activity").textContent);
    }"""
    until(dialog.page, lambda: dialog.page.evaluate(is_so))


def close(dialog):
    """Closes it, and waits until it has stopped."""
    dialog.button("Close").click()
    until(dialog.page, lambda: not dialog.page.evaluate("document.querySelector('[data-dialog]').open"))


# The list


def test_three_thousand_links_are_shown_page_by_page(shared, ui_service, chats, alice):
    many_links(ui_service, alice, chats, 3000)
    dialog = shared(alice)
    expect(dialog.shown).to_have_text("Showing 1–50 of 3,000")
    expect(dialog.names).to_have_count(PAGE_SIZE)
    expect(dialog.names.first).to_have_text("Many 0000")
    assert dialog.button("Previous").get_attribute("aria-disabled") == "true"
    dialog.button("Next").click()
    expect(dialog.shown).to_have_text("Showing 51–100 of 3,000")
    expect(dialog.names.first).to_have_text("Many 0050")
    expect(dialog.page.get_by_text("Page 2 of 60")).to_be_visible()
    dialog.button("Last").click()
    expect(dialog.shown).to_have_text("Showing 2,951–3,000 of 3,000")
    expect(dialog.names.last).to_have_text("Many 2999")
    # At the end the button keeps the focus, and does nothing.
    requests = asked(dialog.page, LINKS + "?")
    dialog.button("Next").press("Enter")
    dialog.button("First").click()
    expect(dialog.shown).to_have_text("Showing 1–50 of 3,000")
    assert len(requests) == 1, requests


def test_links_are_searched_filtered_and_sorted(shared, ui_service, chats, alice):
    ids = many_links(ui_service, alice, chats, 3000)
    http = ui_service.http(alice)
    for link in ids[1234:1236]:
        assert http.patch(link_path(link), json={"is_private": True}).status_code == 204
    dialog = shared(alice)
    expect(dialog.names).to_have_count(PAGE_SIZE)
    requests = asked(dialog.page, LINKS + "?")
    # As fast as can be: a test that types may pause between two letters.
    dialog.search.evaluate(
        """(search) => [..."MANY 123"].forEach((letter) => {
            search.value += letter;
            search.dispatchEvent(new Event("input"));
        })"""
    )
    expect(dialog.shown).to_have_text("Showing 1–10 of 10")
    # Typing is waited for: there is no call for each letter.
    assert len(requests) == 1, requests
    dialog.page.get_by_label("Private", exact=True).check()
    expect(dialog.names).to_have_text(["Many 1234", "Many 1235"])
    dialog.page.get_by_label("Sort").select_option("Name, Z to A")
    expect(dialog.names).to_have_text(["Many 1235", "Many 1234"])
    dialog.page.get_by_label("Public", exact=True).first.check()
    expect(dialog.names).to_have_count(8)
    expect(dialog.names.first).to_have_text("Many 1239")
    dialog.search.fill("nothing like it")
    expect(dialog.page.locator(".empty")).to_contain_text("No link matches.")
    expect(dialog.shown).to_have_text("No link matches.")
    dialog.button("Show all links").click()
    expect(dialog.shown).to_have_text("Showing 1–50 of 3,000")
    dialog.page.get_by_label("Sort").select_option("Oldest first")
    expect(dialog.names.first).to_have_text("Many 2999")


def test_the_latest_search_wins_whatever_is_answered_last(shared, ui_service, chats, alice):
    share(ui_service, chats, alice, "Apples")
    share(ui_service, chats, alice, "Pears")
    dialog = shared(alice)
    expect(dialog.names).to_have_count(2)
    held = []
    dialog.page.route(lambda url: "name_filter=App" in url, lambda route: held.append(route))
    dialog.search.fill("App")
    until(dialog.page, lambda: held)
    dialog.search.fill("Pear")
    expect(dialog.names).to_have_text(["Pears"])
    # Its dialog does not wait for it any more.
    try:
        held[0].continue_()
    except Exception as given_up:
        assert "aborted" in str(given_up) or "handled" in str(given_up), given_up
    dialog.page.wait_for_timeout(300)
    expect(dialog.names).to_have_text(["Pears"])


def test_a_user_without_links_is_told_so(shared, alice):
    dialog = shared(alice)
    expect(dialog.page.locator(".empty")).to_contain_text("You have not shared a chat yet.")
    dialog.host.assert_accessible()


def test_activity_is_asked_for_the_rows_in_sight_alone(shared, ui_service, chats, alice):
    ids = many_links(ui_service, alice, chats, 120)
    for _ in range(3):
        assert ui_service.http().view(ids[0]).status_code in (200, 500)
    dialog = shared(alice, show=False)
    requests = asked(dialog.page, "/activity")
    dialog = Dialog(dialog)
    expect(dialog.row("Many 0000").locator(".activity")).to_contain_text("3 views")
    expect(dialog.row("Many 0001").locator(".activity")).to_have_text("Not viewed yet")
    expect_activity(dialog)
    in_sight = len(requests)
    assert 3 <= in_sight <= 12, in_sight
    expect(dialog.row("Many 0049").locator(".activity")).to_be_empty()
    dialog.row("Many 0049").scroll_into_view_if_needed()
    expect(dialog.row("Many 0049").locator(".activity")).to_have_text("Not viewed yet")
    expect_activity(dialog)
    # What is scrolled past is not asked for, and what is known is not asked for again.
    assert len(requests) <= 2 * in_sight + 2, len(requests)
    before = len(requests)
    dialog.row("Many 0000").scroll_into_view_if_needed()
    expect_activity(dialog)
    assert len(requests) <= before + 1
    assert len(set(requests)) == len(requests)


def test_activity_that_is_refused_is_asked_for_again_later(shared, ui_service, chats, alice):
    share(ui_service, chats, alice, "Report")
    host_page = shared(alice, show=False)
    host_page.fails("GET", "/api/v1/shared_chats/*/activity", 429, "rate_limited", headers={"Retry-After": "1"}, times=1)
    dialog = Dialog(host_page)
    expect(dialog.row("Report").locator(".activity")).to_have_text("Not viewed yet")
    host_page.fails("GET", "/api/v1/shared_chats/*/activity", 500, "internal_error")
    share(ui_service, chats, alice, "Another")
    dialog.search.fill("Another")
    expect(dialog.row("Another").locator(".activity")).to_have_text("How often it was viewed is not known just now")


# Settings


def test_switches_change_a_link_at_once_and_say_what_it_is_now(shared, ui_service, chats, alice):
    chat = chats.new_chat(alice.sub, "Report")
    chat.files.append(File("a.csv", b"1,2"))
    link = ui_service.http(alice).share(chat)
    dialog = shared(alice)
    dialog.host.records("share-changed")
    expect(dialog.switch("Report", "Public")).to_be_checked()
    expect(dialog.row("Report").locator(".access")).to_have_text("Anyone with the link")
    dialog.switch("Report", "Public").click()
    expect(dialog.row("Report").locator(".access")).to_have_text("Everyone who is signed in")
    expect(dialog.status).to_have_text("Who can open it now: Everyone who is signed in.")
    dialog.switch("Report", "Files").click()
    expect(dialog.status).to_have_text("The link shows files now.")
    assert_stored(ui_service, alice, link, is_private=True, includes_artifacts=True)
    until(dialog.page, lambda: len(dialog.host.events) == 2)
    assert [(kind, detail["id"], detail["includes_artifacts"]) for kind, detail in dialog.host.events] == [
        ("share-changed", link["id"], False),
        ("share-changed", link["id"], True),
    ]


def test_a_link_turns_private_for_those_whom_the_row_shows(shared, ui_service, chats, alice, bob):
    named = [f"user:{bob.sub}"]
    owner = ui_service.http(alice)
    link = share(ui_service, chats, alice, "Report", audience=named)
    assert owner.patch(link_path(link), json={"is_private": False}).status_code == 204
    dialog = shared(alice)
    expect(dialog.row("Report").locator(".access")).to_have_text("Anyone with the link")
    # In another window.
    for settings in ({"audience": None}, {"is_private": False}):
        assert owner.patch(link_path(link), json=settings).status_code == 204
    dialog.switch("Report", "Public").click()
    expect(dialog.status).to_contain_text("Only 1 person or group, and you")
    assert_stored(ui_service, alice, link, is_private=True, audience=named)


REFUSALS = [
    (403, "policy_forbids", "Your organization does not allow this.", False),
    (401, "invalid_token", "Your session has ended.", True),
    (403, "forbidden", "Only the owner of the link may do this", False),
    (409, "legacy_link", "from the old system", False),
    (409, "quota_exceeded", "as many links or files as you may have", False),
    (422, "artifact_too_large", "too large", False),
    (429, "rate_limited", "Too many requests.", True),
    (500, "internal_error", "Something went wrong in the service.", True),
    (502, "chat_service_error", "nothing was changed", True),
    (503, "unavailable", "not available just now", True),
    (504, "chat_service_timeout", "took too long", True),
    (418, "a_new_type", "words of the API", False),
    (0, None, "out of reach", True),
]


def test_a_refused_switch_goes_back_and_says_why(shared, ui_service, chats, alice):
    link = share(ui_service, chats, alice, "Report")
    dialog = shared(alice)
    said = dialog.row("Report").locator("[role=alert]")
    for status, error_type, words, can_retry in REFUSALS:
        stop = dialog.host.fails("PATCH", link_path(link), status, error_type)
        dialog.switch("Report", "Public").click()
        expect(said).to_contain_text(words)
        expect(dialog.switch("Report", "Public")).to_be_checked()
        expect(dialog.row("Report").locator(".access")).to_have_text("Anyone with the link")
        expect(said.get_by_role("button", name="Try again")).to_have_count(int(can_retry))
        if status >= 500:
            expect(said).to_contain_text("0000-request")
        if error_type == "unavailable":
            dialog.host.assert_accessible()
        stop()
    said.get_by_role("button", name="Try again").click()
    expect(dialog.switch("Report", "Public")).not_to_be_checked()
    expect(said).to_be_hidden()
    assert_stored(ui_service, alice, link, is_private=True)


def test_a_switch_shows_the_change_before_it_is_answered(shared, ui_service, chats, alice):
    link = share(ui_service, chats, alice, "Report")
    dialog = shared(alice)
    held = []
    dialog.page.route(ui_service.url + link_path(link), lambda route: held.append(route) if route.request.method == "PATCH" else route.fallback())
    dialog.switch("Report", "Public").click()
    expect(dialog.row("Report").locator(".access")).to_have_text("Everyone who is signed in")
    until(dialog.page, lambda: held)
    # A second press does nothing while the first is on its way.
    dialog.switch("Report", "Public").click()
    dialog.page.wait_for_timeout(200)
    expect(dialog.switch("Report", "Public")).not_to_be_checked()
    assert len(held) == 1
    dialog.host.refused = True
    held[0].abort()
    expect(dialog.row("Report").locator(".access")).to_have_text("Anyone with the link")


def test_a_link_that_was_deleted_in_another_window_goes_with_a_message(shared, ui_service, chats, alice):
    link = share(ui_service, chats, alice, "Old")
    share(ui_service, chats, alice, "New")
    dialog = shared(alice)
    dialog.host.refused = True
    dialog.host.records("share-deleted")
    expect(dialog.names).to_have_text(["New", "Old"])
    expect(dialog.row("Old").locator(".activity")).not_to_be_empty()
    ui_service.http(alice).delete(link_path(link))
    dialog.switch("Old", "Public").click()
    expect(dialog.alert).to_contain_text("Old")
    expect(dialog.alert).to_contain_text("it was deleted in another window, or it has ended")
    expect(dialog.names).to_have_text(["New"])
    expect(dialog.shown).to_have_text("Showing 1–1 of 1")
    until(dialog.page, lambda: dialog.focused == "Details")
    until(dialog.page, lambda: dialog.host.events == [["share-deleted", {"ids": [link["id"]]}]])


def test_a_link_that_is_gone_when_its_activity_is_asked_for_goes_with_a_message(shared, ui_service, chats, alice):
    ids = many_links(ui_service, alice, chats, 52)
    dialog = shared(alice)
    dialog.host.refused = True
    expect(dialog.names).to_have_count(PAGE_SIZE)
    ui_service.http(alice).delete(link_path(ids[49]))
    dialog.row("Many 0049").scroll_into_view_if_needed()
    expect(dialog.alert).to_contain_text("Many 0049")
    # The next one takes its place.
    expect(dialog.names.last).to_have_text("Many 0050")
    expect(dialog.shown).to_have_text("Showing 1–50 of 51")


def test_a_chat_that_is_gone_leaves_its_link_in_the_list(shared, ui_service, chats, alice):
    """A live link is widened only while the chat is its owner's to share, and that is a 404 too."""
    chat = chats.new_chat(alice.sub, "Report")
    link = ui_service.http(alice).share(chat, is_frozen=False, is_private=True)
    dialog = shared(alice)
    dialog.host.refused = True
    expect(dialog.names).to_have_count(1)
    del chats.chats[chat.id]
    dialog.switch("Report", "Public").click()
    expect(dialog.row("Report").locator("[role=alert]")).to_contain_text("This chat does not exist any more")
    expect(dialog.switch("Report", "Public")).not_to_be_checked()
    assert_stored(ui_service, alice, link, is_private=True)


def test_making_a_link_public_keeps_the_people_who_are_named(shared, ui_service, chats, alice, bob):
    link = share(ui_service, chats, alice, "Report", audience=[f"user:{bob.sub}", "group:finance"])
    dialog = shared(alice)
    row = dialog.row("Report")
    expect(row.locator(".access")).to_have_text("Only 2 people and groups, and you")
    dialog.switch("Report", "Public").click()
    expect(row.locator(".access")).to_have_text("Anyone with the link")
    expect(row).to_contain_text("When it is private again, only 2 people and groups may open it.")
    expect(dialog.status).to_contain_text("only 2 people and groups may open it")
    assert_stored(ui_service, alice, link, audience=["group:finance", f"user:{bob.sub}"])
    dialog.switch("Report", "Public").click()
    expect(row.locator(".access")).to_have_text("Only 2 people and groups, and you")
    assert_stored(ui_service, alice, link, is_private=True)


def test_people_are_named_where_the_page_knows_them(shared, ui_service, chats, alice, bob):
    people = {f"user:{bob.sub}": "Bob Brown", "group:finance": "Finance"}
    link = share(ui_service, chats, alice, "Report")
    dialog = shared(alice, people=people)
    details = dialog.details("Report")
    details.get_by_label("Only people and groups that you name").check()
    details.get_by_role("button", name="Save", exact=True).click()
    expect(details).to_contain_text("Name at least one person or group")
    assert_stored(ui_service, alice, link, is_private=False)
    details.get_by_role("combobox", name="People and groups").fill("brown")
    details.get_by_role("option", name="Bob Brown").click()
    dialog.host.assert_accessible()
    details.get_by_role("button", name="Save", exact=True).click()
    expect(dialog.status).to_have_text("Saved")
    expect(dialog.row("Report").locator(".access")).to_have_text("Only 1 person or group, and you")
    expect(dialog.switch("Report", "Public")).not_to_be_checked()
    assert_stored(ui_service, alice, link, audience=[f"user:{bob.sub}"])
    expect(details.locator(".chip")).to_have_text("Bob Brown")
    details.get_by_label("Only you (paused)").check()
    details.get_by_role("button", name="Save", exact=True).click()
    expect(dialog.row("Report").locator(".access")).to_have_text("Only you (paused)")
    assert_stored(ui_service, alice, link, audience=[])


def test_people_are_not_named_where_the_page_does_not_know_them(shared, ui_service, chats, alice, bob):
    link = share(ui_service, chats, alice, "Named", audience=[f"user:{bob.sub}"])
    share(ui_service, chats, alice, "Open")
    dialog = shared(alice)
    assert dialog.details("Open").get_by_role("radio").count() == 3
    details = dialog.details("Named")
    expect(details.get_by_label("Only 1 person or group that is named already")).to_be_checked()
    assert bob.sub not in dialog.page.locator("shared-chats-dialog").inner_text()
    details.get_by_label("Everyone who is signed in").check()
    expect(details).to_contain_text("Removes the people and groups that are named")
    details.get_by_role("button", name="Undo").click()
    expect(details.get_by_label("Only 1 person or group that is named already")).to_be_checked()
    details.get_by_label("Everyone who is signed in").check()
    details.get_by_role("button", name="Save", exact=True).click()
    expect(dialog.row("Named").locator(".access")).to_have_text("Everyone who is signed in")
    assert_stored(ui_service, alice, link, audience=None)


def test_an_end_and_a_note_are_saved_together(shared, ui_service, chats, alice):
    link = share(ui_service, chats, alice, "Report")
    dialog = shared(alice)
    details = dialog.details("Report")
    save = details.get_by_role("button", name="Save", exact=True)
    assert save.get_attribute("aria-disabled") == "true"
    details.get_by_label("Ends", exact=True).select_option("On a date …")
    details.get_by_label("Date and time of the end").fill("2020-01-01T00:00")
    details.get_by_label("Label").fill("for the team")
    save.click()
    expect(details).to_contain_text("Choose a date in the future.")
    assert_stored(ui_service, alice, link, label=None)
    details.get_by_label("Date and time of the end").fill("2097-05-04T10:00")
    stop = dialog.host.fails("PATCH", link_path(link), 503, "unavailable")
    save.click()
    expect(dialog.row("Report").locator("[role=alert]")).to_contain_text("not available just now")
    stop()
    # What was typed is still there.
    save.click()
    expect(dialog.status).to_have_text("Saved")
    row = stored(ui_service, alice, link)
    assert row["label"] == "for the team" and row["expires_at"].startswith("2097-05-04"), row
    expect(dialog.row("Report")).to_contain_text("ends May 4, 2097")
    expect(dialog.row("Report").locator(".note")).to_have_text("for the team")
    details.get_by_label("Ends", exact=True).select_option("Never")
    details.get_by_label("Label").fill("")
    save.click()
    expect(dialog.row("Report").locator(".note")).to_be_hidden()
    assert_stored(ui_service, alice, link, label=None, expires_at=None)


def test_a_note_that_is_saved_turns_no_switch_back(shared, ui_service, chats, alice):
    """The details are open, with what they had, while the switch makes the link private."""
    link = share(ui_service, chats, alice, "Report")
    dialog = shared(alice)
    details = dialog.details("Report")
    details.get_by_label("Label").fill("mine")
    dialog.switch("Report", "Public").click()
    expect(details.get_by_label("Everyone who is signed in")).to_be_checked()
    expect(details.get_by_label("Label")).to_have_value("mine")
    details.get_by_role("button", name="Save", exact=True).click()
    expect(dialog.row("Report").locator(".note")).to_have_text("mine")
    assert_stored(ui_service, alice, link, is_private=True, label="mine")


def test_what_is_saved_while_a_switch_is_on_its_way_follows_it(shared, ui_service, chats, alice):
    link = share(ui_service, chats, alice, "Report")
    dialog = shared(alice)
    details = dialog.details("Report")
    held = []
    dialog.page.route(ui_service.url + link_path(link), lambda route: held.append(route) if route.request.method == "PATCH" else route.fallback())
    dialog.switch("Report", "Public").click()
    until(dialog.page, lambda: held)
    details.get_by_label("Label").fill("mine")
    details.get_by_label("Label").press("Enter")
    # Pressed twice, it is sent once.
    details.get_by_role("button", name="Save", exact=True).click()
    dialog.page.wait_for_timeout(200)
    assert len(held) == 1
    held[0].continue_()
    until(dialog.page, lambda: len(held) == 2)
    assert [json.loads(route.request.post_data) for route in held] == [{"is_private": True}, {"label": "mine"}]
    held[1].continue_()
    expect(dialog.status).to_have_text("Saved")
    assert_stored(ui_service, alice, link, is_private=True, label="mine")
    assert len(held) == 2


def test_a_link_its_id_and_its_chat_are_copied(shared, ui_service, chats, alice):
    link = share(ui_service, chats, alice, "Report")
    dialog = shared(alice)
    details = dialog.details("Report")
    for button, value, said in [
        (dialog.row("Report").get_by_role("button", name="Copy link", exact=True), link["url"], "Link copied"),
        (details.get_by_role("button", name="Copy link id"), link["id"], "Link id copied"),
        (details.get_by_role("button", name="Copy chat id"), link["chat_session_id"], "Chat id copied"),
    ]:
        button.click()
        expect(dialog.status).to_have_text(said)
        assert dialog.page.evaluate("navigator.clipboard.readText()") == value
    expect(details.get_by_role("img", name=re.compile("QR code"))).to_be_visible()
    assert details.get_by_role("link", name="Open").get_attribute("href") == link["url"]


# The policy


@pytest.fixture
def policy_service(start_service, host):
    """A service of the test's own, and what sets its policy."""
    service = start_service(CORS_ALLOWED_ORIGINS=host.origin)
    admin = service.http(token("admin", scope="shared_chats:admin"))

    def set_policy(widest="anyone", seconds=None, files=True):
        body = {"widest_audience": widest, "max_lifetime_seconds": seconds, "allows_artifacts": files}
        assert admin.request("PUT", "/api/v1/policy", json=body).status_code == 200

    return service, set_policy


def test_what_the_policy_limits_is_marked_and_not_offered(shared, policy_service, own_chats, alice):
    service, set_policy = policy_service
    chat = own_chats.new_chat(alice.sub, "Wide")
    chat.files.append(File("a.csv", b"1,2"))
    wide = service.http(alice).share(chat, includes_artifacts=True)
    private = share(service, own_chats, alice, "Narrow", is_private=True)
    set_policy("signed_in", 86400, files=False)
    dialog = shared(alice, service=service)
    row = dialog.row("Wide")
    expect(row).to_contain_text("Your organization limits it to people who are signed in.")
    expect(row).to_contain_text("Your organization does not let its files be shown.")
    expect(row).to_contain_text("Your organization lets it end")
    dialog.host.picture("policy")
    dialog.host.assert_accessible()
    # What is on can be turned off, and is then not offered any more.
    dialog.switch("Wide", "Public").click()
    expect(row.locator(".access")).to_have_text("Everyone who is signed in")
    expect(row).not_to_contain_text("limits it to people who are signed in")
    for name, label, why in [
        ("Wide", "Public", "Your organization does not allow public links."),
        ("Narrow", "Files", "Your organization does not allow files to be shown."),
    ]:
        assert dialog.switch(name, label).get_attribute("aria-disabled") == "true"
        dialog.switch(name, label).click(force=True)
        expect(dialog.row(name).locator("[role=alert]")).to_contain_text(why)
        expect(dialog.switch(name, label)).not_to_be_checked()
    details = dialog.details("Narrow")
    expect(details.get_by_label("Anyone with the link")).to_be_disabled()
    expect(details).to_contain_text("not allowed by your organization")
    assert_stored(service, alice, wide, is_private=True)
    assert_stored(service, alice, private, includes_artifacts=False)


def test_a_policy_that_comes_while_the_dialog_is_open_is_learned(shared, policy_service, own_chats, alice):
    service, set_policy = policy_service
    share(service, own_chats, alice, "Report", is_private=True)
    dialog = shared(alice, service=service)
    dialog.host.refused = True
    expect(dialog.switch("Report", "Public")).not_to_be_checked()
    set_policy("signed_in")
    dialog.switch("Report", "Public").click()
    expect(dialog.row("Report").locator("[role=alert]")).to_contain_text("Your organization does not allow this.")
    expect(dialog.switch("Report", "Public")).not_to_be_checked()
    expect(dialog.switch("Report", "Public")).to_have_attribute("aria-disabled", "true")


# Deleting


def test_a_link_is_deleted_after_a_question(shared, ui_service, chats, alice):
    links = [share(ui_service, chats, alice, name) for name in ("One", "Two", "Three")]
    dialog = shared(alice)
    dialog.host.records("share-deleted")
    details = dialog.details("Two")
    details.get_by_role("button", name="Delete").click()
    question = dialog.page.get_by_role("alertdialog")
    expect(question).to_contain_text("Two")
    dialog.host.assert_accessible()
    dialog.confirm("Cancel")
    expect(dialog.names).to_have_count(3)
    until(dialog.page, lambda: dialog.focused == "Delete")
    details.get_by_role("button", name="Delete").click()
    dialog.page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(dialog.dialog).to_be_visible()
    details.get_by_role("button", name="Delete").click()
    dialog.confirm("Delete")
    expect(dialog.names).to_have_text(["Three", "One"])
    expect(dialog.status).to_have_text("Link deleted")
    until(dialog.page, lambda: dialog.focused == "Details")
    assert stored(ui_service, alice, links[1]) is None
    until(dialog.page, lambda: dialog.host.events == [["share-deleted", {"ids": [links[1]["id"]]}]])


def test_several_links_are_deleted_one_of_which_is_gone(shared, ui_service, chats, alice):
    ids = many_links(ui_service, alice, chats, 60)
    dialog = shared(alice)
    for name in ("Many 0003", "Many 0005", "Many 0007"):
        dialog.row(name).get_by_role("checkbox", name="Select").check()
    expect(dialog.page.locator(".selection .count")).to_have_text("3 selected")
    expect(dialog.row("Many 0005").locator(".activity")).not_to_be_empty()
    assert ui_service.http(alice).delete(link_path(ids[5])).status_code == 204
    dialog.page.locator(".selection").get_by_role("button", name="Delete").click()
    stop = dialog.host.fails("POST", LINKS + "/batch_delete", 503, "unavailable")
    dialog.confirm("Delete 3 links")
    expect(dialog.alert).to_contain_text("not available just now")
    expect(dialog.names).to_have_count(PAGE_SIZE)
    stop()
    dialog.alert.get_by_role("button", name="Try again").click()
    expect(dialog.status).to_have_text("3 links deleted")
    # Those that follow move up.
    expect(dialog.shown).to_have_text("Showing 1–50 of 57")
    expect(dialog.names).to_have_count(PAGE_SIZE)
    expect(dialog.row("Many 0003")).to_have_count(0)
    assert len(ui_service.http(alice).list(limit=100)) == 57


def test_a_page_and_what_is_selected_on_others_are_deleted(shared, ui_service, chats, alice):
    many_links(ui_service, alice, chats, 120)
    dialog = shared(alice)
    # The activity of a link may be asked for just when it is deleted.
    dialog.host.refused = True
    dialog.row("Many 0001").get_by_role("checkbox", name="Select").check()
    dialog.button("Last").click()
    expect(dialog.names).to_have_count(20)
    dialog.page.get_by_label("Select this page").check()
    expect(dialog.page.locator(".selection .count")).to_have_text("21 selected, 1 of them on other pages")
    dialog.row("Many 0110").get_by_role("checkbox", name="Select").uncheck()
    expect(dialog.page.locator(".selection .count")).to_have_text("20 selected, 1 of them on other pages")
    dialog.page.get_by_label("Select this page").check()
    dialog.page.locator(".selection").get_by_role("button", name="Delete").click()
    dialog.confirm("Delete 21 links")
    # The last page is gone: the one before is shown.
    expect(dialog.shown).to_have_text("Showing 51–99 of 99")
    assert len(ui_service.http(alice).list(limit=200)) == 99
    # What a search puts out of sight is not selected any more.
    dialog.page.get_by_label("Select this page").check()
    dialog.search.fill("Many 000")
    expect(dialog.page.locator(".selection .count")).to_be_empty()


# Trouble


def test_a_list_that_is_refused_is_loaded_again(shared, ui_service, chats, alice):
    share(ui_service, chats, alice, "Report")
    host_page = shared(alice, show=False)
    stop = host_page.fails("GET", LINKS + "?*", 503, "unavailable")
    dialog = Dialog(host_page)
    expect(dialog.alert).to_contain_text("not available just now")
    expect(dialog.alert).to_contain_text("0000-request")
    stop()
    dialog.alert.get_by_role("button", name="Try again").click()
    expect(dialog.names).to_have_text(["Report"])
    expect(dialog.alert).to_have_count(0)
    # In the middle: what is shown stays, and the way on works again afterwards.
    for status, error_type, words in [
        (503, "unavailable", "not available just now"),
        (429, "rate_limited", "Too many requests."),
        (0, None, "out of reach"),
    ]:
        stop = host_page.fails("GET", LINKS + "?*", status, error_type)
        dialog.search.fill("Rep")
        expect(dialog.alert).to_contain_text(words)
        expect(dialog.names).to_have_text(["Report"])
        stop()
        dialog.search.fill("")
        expect(dialog.alert).to_have_count(0)


def test_a_token_that_expires_while_the_dialog_is_open(shared, ui_service, chats, alice):
    link = share(ui_service, chats, alice, "Report")
    dialog = shared(alice)
    expect(dialog.names).to_have_count(1)
    dialog.host.refused = True
    dialog.host.as_user(alice.token(lasts=-60))
    dialog.switch("Report", "Public").click()
    said = dialog.row("Report").locator("[role=alert]")
    expect(said).to_contain_text("Your session has ended. Sign in again")
    expect(dialog.switch("Report", "Public")).to_be_checked()
    assert {"refresh": True} in dialog.page.evaluate("tokens.calls")
    dialog.host.as_user(alice)
    said.get_by_role("button", name="Try again").click()
    expect(dialog.switch("Report", "Public")).not_to_be_checked()
    assert_stored(ui_service, alice, link, is_private=True)


# Those who use it


def test_everything_is_done_by_keyboard_alone(shared, ui_service, chats, alice):
    for name in ("One", "Two", "Three"):
        share(ui_service, chats, alice, name)
    host_page = shared(alice, show=False)
    page = host_page.page
    page.focus("#opener")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Shared chats", exact=True)
    expect(dialog).to_be_visible()
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page.locator(".row")).to_have_count(3)
    page.keyboard.type("t")
    expect(page.locator(".row")).to_have_count(2)
    # Escape empties the search, and the dialog stays.
    page.keyboard.press("Escape")
    expect(page.locator(".row")).to_have_count(3)

    def tab_to(locator, limit=25):
        for _ in range(limit):
            if locator.evaluate("(e) => e.getRootNode().activeElement === e"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"not reached by Tab: {locator}")

    tab_to(page.get_by_label("All", exact=True))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Public", exact=True).first).to_be_checked()
    row = page.locator(".row").nth(1)
    expect(row.get_by_role("heading")).to_have_text("Two")
    tab_to(row.get_by_role("switch", name="Public"))
    page.keyboard.press("Space")
    expect(row.locator(".access")).to_have_text("Everyone who is signed in")
    tab_to(row.get_by_role("button", name="Details"))
    page.keyboard.press("Enter")
    tab_to(row.get_by_label("Label"))
    page.keyboard.type("noted")
    page.keyboard.press("Enter")
    expect(row.locator(".note")).to_have_text("noted")
    tab_to(row.get_by_role("button", name="Delete"))
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".row h3")).to_have_text(["Three", "One"])
    # Nothing of the page behind is reached.
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") != "opener"
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    until(page, lambda: page.evaluate("document.activeElement.id") == "opener")


@pytest.mark.parametrize("same_origin", [True, False])
def test_hostile_and_right_to_left_names_are_text(shared, ui_service, chats, alice, same_origin):
    names = [HOSTILE_NAME, "אפשר לשתף את השיחה הזאת? (2026)", "Wort" * 250, "\u202egnp.exe", " "]
    for name in names:
        share(ui_service, chats, alice, name, label=name[:200].strip() or None)
    dialog = shared(alice, same_origin=same_origin)
    expect(dialog.names).to_have_count(len(names))
    texts = dialog.names.all_text_contents()
    assert HOSTILE_NAME in texts and names[1] in texts
    assert dialog.page.evaluate(RAN) is None
    assert not dialog.host.is_wide()
    dialog.names.nth(4).scroll_into_view_if_needed()
    dialog.page.locator(".row").nth(4).get_by_role("button", name="Details").click()
    dialog.host.assert_accessible()
    dialog.page.locator(".row").nth(4).get_by_role("button", name="Delete").click()
    question = dialog.page.get_by_role("alertdialog")
    expect(question).to_be_visible()
    assert len(question.inner_text()) < 400
    dialog.host.picture(f"hostile-{same_origin}")
    assert dialog.page.evaluate(RAN) is None


LOOKS = {
    "light": {"viewport": DESKTOP, "color_scheme": "light"},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "has_touch": True, "is_mobile": True},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark", "has_touch": True, "is_mobile": True},
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("lang", ["en", "de"])
def test_axe_finds_nothing_and_nothing_sticks_out(shared, ui_service, chats, alice, bob, look, lang):
    title, details = {"en": ("Shared chats", "Details"), "de": ("Geteilte Chats", "Details")}[lang]
    samples(ui_service, chats, alice, bob)
    people = {f"user:{bob.sub}": "Bob Brown", "group:finance": "Finance"}
    dialog = shared(alice, lang=lang, title=title, people=people, **LOOKS[look])
    expect(dialog.page.locator(".row .activity").first).not_to_be_empty()
    dialog.page.wait_for_timeout(300)
    dialog.host.picture(f"{look}-{lang}")
    dialog.host.assert_accessible()
    assert not dialog.host.is_wide()
    dialog.page.locator(".row").nth(1).get_by_role("checkbox").first.check()
    dialog.page.locator(".row").nth(1).get_by_role("button", name=details).click()
    expect(dialog.page.locator(".details canvas")).to_be_visible()
    dialog.page.locator(".row").nth(1).scroll_into_view_if_needed()
    dialog.host.picture(f"{look}-{lang}-details")
    dialog.page.locator(".details .tools").scroll_into_view_if_needed()
    dialog.host.picture(f"{look}-{lang}-tools")
    dialog.host.assert_accessible()
    assert not dialog.host.is_wide()
    if "phone" in look:
        small = dialog.page.evaluate(
            """() => [...document.querySelector("[data-dialog]").shadowRoot.querySelectorAll("button, select, label.switch, label.pick, label.radio, input[type=text], input[type=search]")]
                .filter((e) => e.checkVisibility()).map((e) => [e.className, e.innerText, e.getBoundingClientRect()])
                .filter(([, , box]) => box.height < 43.5 || box.width < 43.5).map(([name, text, box]) => `${name} ${text} ${box.width}x${box.height}`)"""
        )
        assert not small, small


def samples(service, chats, alice, bob):
    """What a user may have."""
    share(service, chats, alice, "Onboarding questions", is_private=True)
    share(service, chats, alice, "סיכום הרבעון השלישי (Q3) והתחזית", audience=[f"user:{bob.sub}", "group:finance"])
    share(service, chats, alice, "Why is the quarterly report slow?", label="for the team", audience=[f"user:{bob.sub}"])
    chat = chats.new_chat(alice.sub, "Travel policy, explained for everybody who books flights, trains and hotels by themselves and wants to know what is paid")
    chat.files.append(File("a.csv", b"1,2"))
    service.http(alice).share(chat, includes_artifacts=True, expires_at="2097-01-31T12:00:00Z")
    link = share(service, chats, alice, "Release notes for 2.4", is_frozen=False)
    for _ in range(12):
        service.http().view(link)


def test_texts_are_replaced_by_the_page(shared, ui_service, chats, alice):
    share(ui_service, chats, alice, "Report")
    host_page = shared(alice, show=False)
    host_page.page.eval_on_selector("[data-dialog]", "(e) => { e.texts = { list: { title: 'My links' } } }")
    dialog = Dialog(host_page, title="My links")
    expect(dialog.names).to_have_count(1)


def test_right_to_left_pages_turn_the_dialog(shared, ui_service, chats, alice, bob):
    samples(ui_service, chats, alice, bob)
    host_page = shared(alice, show=False)
    host_page.page.eval_on_selector("[data-dialog]", "(e) => { e.texts = { direction: 'rtl' } }")
    dialog = Dialog(host_page)
    expect(dialog.page.locator(".row .activity").first).not_to_be_empty()
    assert not dialog.host.is_wide()
    dialog.host.picture("rtl")
    box = dialog.row("Onboarding questions").locator(".pick").bounding_box()
    assert box["x"] > DESKTOP["width"] / 2


def test_two_dialogs_are_in_one_page(shared, ui_service, chats, alice):
    link = share(ui_service, chats, alice, "Report")
    host_page = shared(alice, show=False, copies=2)
    dialog = Dialog(host_page)
    expect(dialog.names).to_have_count(1)
    dialog.details("Report")
    page = host_page.page
    page.evaluate("document.querySelectorAll('[data-dialog]')[1].show()")
    second = page.locator("shared-chats-dialog").nth(1)
    expect(second.locator(".row")).to_have_count(1)
    second.get_by_role("switch", name="Public").click()
    expect(second.locator(".access")).to_have_text("Everyone who is signed in")
    host_page.assert_accessible()
    page.keyboard.press("Escape")
    expect(second.locator("dialog")).to_have_count(0)
    expect(page.locator("shared-chats-dialog").nth(0).locator(".row")).to_have_count(1)
    assert_stored(ui_service, alice, link, is_private=True)


def test_a_change_is_sent_though_the_dialog_closes_and_a_refusal_is_told(shared, ui_service, chats, alice):
    first, second = (share(ui_service, chats, alice, name) for name in ("First", "Second"))
    dialog = shared(alice)
    dialog.host.records("share-changed")
    dialog.page.evaluate(
        """document.addEventListener("share-failed", ({ detail }) => {
            window.failed = { ids: detail.ids, type: detail.error.error_type }; })"""
    )
    held = []
    dialog.page.route(
        lambda url: LINKS in url, lambda route: held.append(route) if route.request.method == "PATCH" else route.fallback()
    )
    dialog.switch("First", "Public").click()
    dialog.switch("Second", "Public").click()
    until(dialog.page, lambda: len(held) == 2)
    dialog.button("Close").click()
    expect(dialog.dialog).to_be_hidden()
    dialog.host.refused = True
    assert ui_service.http(alice).delete(link_path(second)).status_code == 204
    for route in held:
        route.continue_()
    until(dialog.page, lambda: dialog.page.evaluate("Boolean(window.failed && events.length)"))
    assert_stored(ui_service, alice, first, is_private=True)
    assert [(kind, detail["id"]) for kind, detail in dialog.host.events] == [("share-changed", first["id"])]
    assert dialog.page.evaluate("window.failed") == {"ids": [second["id"]], "type": "not_found"}


def test_nothing_goes_on_when_the_dialog_is_closed(shared, ui_service, chats, alice):
    many_links(ui_service, alice, chats, 60)
    dialog = shared(alice)
    expect(dialog.names).to_have_count(PAGE_SIZE)
    dialog.host.refused = True
    expect_activity(dialog)
    requests = asked(dialog.page, "/api/")
    dialog.search.evaluate(
        """(search) => { search.value = "Many 0001"; search.dispatchEvent(new Event("input"));
            document.querySelector("[data-dialog]").close(); }"""
    )
    expect(dialog.dialog).to_be_hidden()
    dialog.page.wait_for_timeout(600)
    assert not requests
    # It is new when it is opened again.
    dialog.page.click("#opener")
    expect(dialog.search).to_have_value("")
    expect(dialog.shown).to_have_text("Showing 1–50 of 60")


def test_an_observer_that_tells_late_of_rows_in_sight_starts_nothing(shared, ui_service, chats, alice):
    share(ui_service, chats, alice, "Report")
    host_page = shared(alice, show=False)
    host_page.page.evaluate(
        """() => { window.told = []; window.IntersectionObserver = class extends IntersectionObserver {
            constructor(callback) { super((entries) => told.push(() => callback(entries))); } }; }"""
    )
    dialog = Dialog(host_page)
    until(dialog.page, lambda: dialog.page.evaluate("told.length > 0"))
    requests = asked(dialog.page, "/activity")
    close(dialog)
    dialog.page.evaluate("told.forEach((tell) => tell())")
    dialog.page.wait_for_timeout(500)
    assert not requests


def test_a_link_that_is_found_gone_after_the_dialog_closed_is_told_to_the_page(shared, ui_service, chats, alice):
    link = share(ui_service, chats, alice, "Report")
    dialog = shared(alice)
    dialog.host.records("share-deleted")
    dialog.host.refused = True
    expect_activity(dialog)
    held = []
    dialog.page.route(lambda url: "chat_session_id=" in url, lambda route: held.append(route))
    assert ui_service.http(alice).delete(link_path(link)).status_code == 204
    dialog.switch("Report", "Public").click()
    until(dialog.page, lambda: held)
    close(dialog)
    requests = asked(dialog.page, LINKS + "?")
    held[0].continue_()
    until(dialog.page, lambda: dialog.host.events == [["share-deleted", {"ids": [link["id"]]}]])
    dialog.page.wait_for_timeout(300)
    assert not requests


def test_a_list_that_is_longer_than_was_asked_for_is_cut(shared, ui_service, chats, alice):
    row = stored(ui_service, alice, share(ui_service, chats, alice, "Report"))
    host_page = shared(alice, show=False)
    host_page.fails("GET", LINKS + "/*/activity", 500, "internal_error")
    host_page.lists(LINKS + "?*", row, 20_000)
    dialog = Dialog(host_page)
    expect(dialog.shown).to_have_text("Showing 1–50 of 20,000")
    assert dialog.names.count() == PAGE_SIZE
