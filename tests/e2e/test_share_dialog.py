"""<share-chat-dialog> as people use it: Chromium, against the real service."""

import json
import re
from datetime import datetime, timedelta, timezone

import pytest
import requests
from playwright.sync_api import expect

from browser import browser  # noqa: F401
from chat_service import File
from conftest import User, eventually, token
from dialogs import HOSTILE_NAME, PHONE, RAN, dialog_page, host, ui_service, until  # noqa: F401

HOST_MS = 30_000
"""How long a function of the page is waited for."""
WIDEST = {"widest_audience": "anyone", "max_lifetime_seconds": None, "allows_artifacts": True}
API = "/api/v1/shared_chats"


@pytest.fixture
def share_page(dialog_page):  # noqa: F811
    """A page with the dialog for a chat, with the user's tokens."""

    def new(user, chat, name=None, attributes="", **options):
        opened = dialog_page("share-chat-dialog", f'chat-session-id="{chat.id}" {attributes}', user=user, **options)
        opened.set(chatName=chat.name if name is None else name)
        opened.records("share-created", "share-changed", "share-deleted", "manage", "close")
        return opened

    return new


@pytest.fixture
def own_service(start_service, host):  # noqa: F811
    """A service of the test's own, whose policy it may set."""
    return start_service(CORS_ALLOWED_ORIGINS=host.origin)


def open_dialog(opened):
    """Opens it as a person does; gives back the dialog."""
    with opened.page.expect_response(lambda response: "/api/v1/policy" in response.url):
        opened.page.locator("#opener").click()
    dialog = opened.page.get_by_role("dialog").first
    expect(dialog).to_be_visible()
    return dialog


def shared(dialog):
    """Presses Share, and gives back the address of the link."""
    dialog.get_by_role("button", name="Share", exact=True).click()
    return address(dialog)


def address(dialog):
    field = dialog.get_by_label("Link", exact=True)
    expect(field).to_be_visible()
    return field.input_value()


def found(dialog, **filters):
    """What the search for people offers."""
    return dialog.get_by_role("listbox").get_by_role("option", **filters)


def row_of(service, user, chat):
    rows = service.http(user).list(chat_session_id=chat.id)
    assert len(rows) == 1, rows
    return rows[0]


def set_policy(service, **policy):
    administrator = service.http(token("administrator", scope="shared_chats:admin"))
    answer = administrator.request("PUT", "/api/v1/policy", json={**WIDEST, **policy})
    assert answer.status_code == 200, answer.text


def focused(opened):
    """The name of what has the focus, within the shadow root."""
    return opened.page.evaluate(
        """() => { let e = document.activeElement; while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
            return e.id === "opener" ? "opener" : e.getAttribute("aria-label") || e.textContent || e.value; }"""
    )


def expect_focus(opened, name):
    """A dialog may give it away in the next frame."""
    until(opened.page, lambda: focused(opened).strip() == name)


def expect_events(opened, *types):
    until(opened.page, lambda: [type for type, _ in opened.events] == list(types))


def focus_is_in(opened, dialog):
    return dialog.evaluate("(dialog) => dialog.contains(dialog.getRootNode().activeElement)")


def signed_in(url, user=None):
    headers = {"Authorization": f"Bearer {user.token()}"} if user else {}
    return requests.get(url, headers={"Accept": "application/json", **headers}, timeout=60).status_code


# The way of most people


@pytest.mark.parametrize("same_origin", [False, True], ids=["another-origin", "same-origin"])
def test_share_gives_the_link_a_qr_code_and_a_sentence(share_page, ui_service, chats, alice, same_origin):  # noqa: F811
    chat = chats.new_chat(alice.sub, "Quarterly report")
    opened = share_page(alice, chat, same_origin=same_origin)
    dialog = open_dialog(opened)
    expect(dialog.get_by_role("heading", name="Share chat")).to_be_visible()
    expect(dialog).to_contain_text("Quarterly report")
    assert dialog.get_by_role("radio", name="Anyone with the link").is_checked()
    expect(dialog.get_by_text("Named people and groups")).to_have_count(0)
    url = shared(dialog)
    row = row_of(ui_service, alice, chat)
    assert url == row["url"] and not row["is_private"] and row["is_frozen"] and not row["includes_artifacts"]
    assert signed_in(url) == 200
    expect(dialog.get_by_role("img", name=f"QR code of the link {url}")).to_be_visible()
    expect(dialog).to_contain_text(re.compile(r"Anyone with the link can see the chat as it was on .*, without files, until you delete the link\."))
    expect_focus(opened, "Copy link")
    dialog.get_by_role("button", name="Copy link").click()
    expect(dialog.get_by_role("status").filter(has_text="Link copied")).to_be_visible()
    assert opened.page.evaluate("navigator.clipboard.readText()") == url
    with opened.page.expect_download() as download:
        dialog.get_by_role("button", name="Save as an image").click()
    assert download.value.suggested_filename == "qr-code.png"
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_be_hidden()
    expect_events(opened, "share-created", "close")
    expect_focus(opened, "opener")
    assert opened.events[0][1]["id"] == row["id"]


def test_everything_that_can_be_customized_is_in_the_link(share_page, ui_service, chats, alice, bob):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    chat.files.append(File("report.csv", b"a;b"))
    dialog = open_dialog(share_page(alice, chat))
    dialog.get_by_role("radio", name="Everyone who is signed in").check()
    dialog.get_by_role("radio", name="Live updates").check()
    dialog.get_by_role("switch", name="Include files").check()
    dialog.get_by_label("Ends").select_option("In 7 days")
    dialog.get_by_label("Label").fill("for the board")
    expect(dialog).to_contain_text(
        re.compile(r"Everyone who is signed in and has the link can see the chat and each new message, with its files, until \w+ \d")
    )
    url = shared(dialog)
    row = row_of(ui_service, alice, chat)
    assert (row["is_private"], row["is_frozen"], row["includes_artifacts"], row["label"]) == (True, False, True, "for the board")
    end = datetime.fromisoformat(row["expires_at"]) - datetime.now(timezone.utc)
    assert timedelta(days=6, hours=23) < end < timedelta(days=7, minutes=1)
    assert (signed_in(url), signed_in(url, bob)) == (401, 200)
    # The image of a private link is not for pages of other sites to embed, and yet it is shown here.
    expect(dialog.get_by_role("img", name=f"QR code of the link {url}")).to_be_visible()


def test_people_are_named_by_name(share_page, ui_service, chats, alice, bob):  # noqa: F811
    chat, mallory = chats.new_chat(alice.sub), User("Mallory")
    people = {f"user:{bob.sub}": "Bob Miller", "group:finance": "Finance", f"user:{mallory.sub}": "Mallory"}
    opened = share_page(alice, chat, people=people)
    dialog = open_dialog(opened)
    dialog.get_by_role("radio", name="Named people and groups").check()
    box = dialog.get_by_role("combobox", name="People and groups")
    dialog.get_by_role("button", name="Share", exact=True).click()
    expect(dialog.get_by_text("Choose at least one person or group.")).to_be_visible()
    expect(box).to_be_focused()
    box.fill("bo")
    found(dialog, name="Bob Miller").click()
    box.fill("FIN")
    found(dialog, name="Finance").click()
    expect(dialog).to_contain_text("Bob Miller, Finance, and you can see the chat as it is now")
    dialog.get_by_role("button", name="Remove Finance").click()
    opened.assert_accessible()
    url = shared(dialog)
    assert row_of(ui_service, alice, chat)["audience"] == [f"user:{bob.sub}"]
    expect(dialog).to_contain_text("Bob Miller and you can see the chat as it was on")
    assert not re.search(bob.sub, dialog.inner_text())
    assert (signed_in(url), signed_in(url, bob), signed_in(url, mallory)) == (401, 200, 403)


def test_all_of_it_by_keyboard_alone(share_page, ui_service, chats, alice, bob):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    opened = share_page(alice, chat, people={f"user:{bob.sub}": "Bob Miller", "group:b": "Bobsleigh"})
    keys = opened.page.keyboard
    opened.page.locator("#opener").focus()
    keys.press("Enter")
    dialog = opened.page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", name="Anyone with the link")).to_be_focused()
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    expect(dialog.get_by_role("radio", name="Named people and groups")).to_be_checked()
    keys.press("Tab")
    box = dialog.get_by_role("combobox", name="People and groups")
    expect(box).to_be_focused()
    keys.type("bob")
    expect(found(dialog)).to_have_count(2)
    keys.press("Escape")
    expect(found(dialog)).to_have_count(0)
    expect(dialog).to_be_visible()
    keys.type("bob")
    expect(found(dialog)).to_have_count(2)
    keys.press("ArrowUp")
    assert box.get_attribute("aria-activedescendant") == found(dialog, name="Bobsleigh").get_attribute("id")
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(dialog.get_by_role("button", name="Remove Bob Miller")).to_be_visible()
    keys.type("bobs")
    expect(found(dialog)).to_have_count(1)
    keys.press("ArrowDown")
    keys.press("Enter")
    keys.press("Backspace")
    expect(dialog.get_by_role("button", name="Remove Bobsleigh")).to_have_count(0)
    keys.press("Enter")
    assert ui_service.http(alice).list(chat_session_id=chat.id) == [], "Enter in the search shares nothing"
    for _ in range(12):
        keys.press("Tab")
        assert focus_is_in(opened, dialog)
        if focused(opened).strip() == "Share":
            break
    keys.press("Enter")
    address(dialog)
    expect_focus(opened, "Copy link")
    keys.press("Enter")
    expect(dialog.get_by_role("status").filter(has_text="Link copied")).to_be_visible()
    assert opened.page.evaluate("navigator.clipboard.readText()") == row_of(ui_service, alice, chat)["url"]
    for _ in range(30):
        keys.press("Tab")
        # The browser's own controls are between the last and the first.
        assert focus_is_in(opened, dialog) or opened.page.evaluate("document.activeElement === document.body")
    keys.press("Escape")
    expect(dialog).to_be_hidden()
    expect_focus(opened, "opener")


def test_a_repeated_click_and_a_retry_make_one_link(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    opened = share_page(alice, chat)
    opened.refused = True
    dialog = open_dialog(opened)
    lost = []

    def lose_the_answer(route):
        # The service makes the link; the page never hears of it.
        if route.request.method != "POST" or lost:
            return route.fallback()
        lost.append(route.fetch().status)
        return route.abort("connectionreset")

    opened.page.route(ui_service.url + API, lose_the_answer)
    dialog.get_by_role("button", name="Share", exact=True).dblclick()
    expect(dialog.get_by_role("alert")).to_contain_text("The service is out of reach")
    assert lost == [201]
    dialog.get_by_role("button", name="Try again").click()
    url = address(dialog)
    assert row_of(ui_service, alice, chat)["url"] == url


# Links that are there already


def test_a_link_is_changed_and_deleted_where_it_is_listed(share_page, ui_service, chats, alice, bob):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    chat.files.append(File("report.csv", b"a;b"))
    link = ui_service.http(alice).share(chat, label="for the team")
    opened = share_page(alice, chat, people={f"user:{bob.sub}": "Bob Miller"})
    dialog = open_dialog(opened)
    row = dialog.get_by_role("listitem").filter(has_text="for the team")
    row.get_by_role("button", name="Copy link").click()
    expect(dialog.get_by_role("status").filter(has_text="Link copied")).to_be_visible()
    assert opened.page.evaluate("navigator.clipboard.readText()") == link["url"]
    row.get_by_role("button", name="Show QR code").click()
    expect(row.get_by_role("img", name="QR code of the link")).to_be_visible()
    row.get_by_role("button", name="Change or delete").click()
    expect(row.get_by_role("img", name="QR code of the link")).to_have_count(0)
    opened.assert_accessible()

    row.get_by_label("Everyone who is signed in").check()
    save(row)
    expect(dialog.get_by_text("Saved")).to_be_visible()
    expect(save_button(row)).to_be_focused()
    assert (signed_in(link["url"]), signed_in(link["url"], bob)) == (401, 200)

    row.get_by_label("Only people and groups that you name").check()
    row.get_by_role("combobox", name="People and groups").fill("bob")
    found(row, name="Bob Miller").click()
    row.get_by_label("Ends").select_option("In 30 days")
    row.get_by_label("Label").fill("for the board")
    save(row)
    row = dialog.get_by_role("listitem").filter(has_text="for the board")
    expect(row).to_contain_text(re.compile("Bob Miller · Snapshot · Ends "))
    expect_settings(ui_service, alice, chat, is_private=True, audience=[f"user:{bob.sub}"], label="for the board")

    row.get_by_role("switch", name="Include files").check()
    expect_settings(ui_service, alice, chat, includes_artifacts=True)
    row.get_by_label("Ends").select_option("Never")
    row.get_by_label("Anyone with the link").check()
    save(row)
    expect_settings(ui_service, alice, chat, expires_at=None, is_private=False, includes_artifacts=True)

    row.get_by_role("button", name="Delete link").click()
    question = opened.page.get_by_role("alertdialog", name="Delete this link?")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    opened.page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(dialog).to_be_visible()
    row.get_by_role("button", name="Delete link").click()
    question.get_by_role("button", name="Delete", exact=True).click()
    expect(row).to_have_count(0)
    until(opened.page, lambda: focus_is_in(opened, dialog))
    assert signed_in(link["url"]) == 404
    expect_events(opened, *["share-changed"] * 4, "share-deleted")
    assert opened.events[-1][1] == {"ids": [link["id"]]}


def save_button(row):
    return row.get_by_role("button", name="Save", exact=True)


def save(row):
    save_button(row).click()


def expect_settings(service, user, chat, **settings):
    def is_so():
        row = row_of(service, user, chat)
        return {name: row[name] for name in settings} == settings

    eventually(is_so, 30, f"the link has {settings}")


def test_a_link_that_was_deleted_in_another_window_leaves_the_list(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    link = ui_service.http(alice).share(chat, label="gone")
    ui_service.http(alice).share(chat, label="stays")
    opened = share_page(alice, chat)
    opened.refused = True
    dialog = open_dialog(opened)
    row = dialog.get_by_role("listitem").filter(has_text="gone")
    row.get_by_role("button", name="Change or delete").click()
    ui_service.http(alice).delete(f"{API}/{link['id']}")
    row.get_by_role("switch", name="Include files").click()
    expect(dialog.get_by_role("alert").first).to_contain_text("This link does not exist any more.")
    expect(row).to_have_count(0)
    expect(dialog.get_by_role("listitem").filter(has_text="stays")).to_be_visible()
    until(opened.page, lambda: focus_is_in(opened, dialog))


def test_a_refused_switch_goes_back(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    chat.files.append(File("report.csv", b"a;b"))
    ui_service.http(alice).share(chat)
    opened = share_page(alice, chat)
    dialog = open_dialog(opened)
    # The chat is not Alice's to share any more.
    chat.owner = "another"
    opened.refused = True
    dialog.get_by_role("button", name="Change or delete").click()
    files = dialog.get_by_role("listitem").get_by_role("switch", name="Include files")
    files.click()
    expect(dialog.get_by_role("listitem").get_by_role("alert")).to_contain_text("Only the owner of the link may do this")
    expect(files).not_to_be_checked()
    assert not row_of(ui_service, alice, chat)["includes_artifacts"]
    opened.assert_accessible()


def test_a_link_that_could_not_be_deleted_stays_and_is_deleted_again(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    ui_service.http(alice).share(chat)
    opened = share_page(alice, chat)
    row = open_dialog(opened).locator(".link")
    question = opened.page.get_by_role("alertdialog")
    well_again = opened.fails("DELETE", API + "/*", 503, "unavailable")
    row.get_by_role("button", name="Change or delete").click()
    row.get_by_role("button", name="Delete link").click()
    question.get_by_role("button", name="Delete", exact=True).click()
    expect(row.get_by_role("alert")).to_contain_text("The service is not available just now.")
    well_again()
    row.get_by_role("button", name="Try again").click()
    question.get_by_role("button", name="Delete", exact=True).click()
    expect(row).to_have_count(0)
    assert ui_service.http(alice).list(chat_session_id=chat.id) == []


class Held:
    """Calls that wait until the test lets them go."""

    def __init__(self, opened, method, path_glob):
        self._waiting = []
        self._method = method
        self._is_over = False
        opened.page.route(opened.service.url + path_glob, self._handle)

    def _handle(self, route):
        if self._is_over or route.request.method != self._method:
            return route.fallback()
        self._waiting.append(route)

    def __len__(self):
        return len(self._waiting)

    def go(self):
        self._is_over = True
        for route in self._waiting:
            route.continue_()


def test_a_change_is_sent_though_the_dialog_closes(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    chat.files.append(File("report.csv", b"a;b"))
    ui_service.http(alice).share(chat)
    opened = share_page(alice, chat)
    dialog = open_dialog(opened)
    row = dialog.get_by_role("listitem")
    row.get_by_role("button", name="Change or delete").click()
    held = Held(opened, "PATCH", API + "/*")
    row.get_by_role("switch", name="Include files").check()
    until(opened.page, lambda: len(held) == 1)
    opened.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    held.go()
    expect_events(opened, "close", "share-changed")
    expect_settings(ui_service, alice, chat, includes_artifacts=True)


def test_a_link_is_made_and_one_is_deleted_though_the_dialog_closes(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    link = ui_service.http(alice).share(chat)
    opened = share_page(alice, chat)
    dialog = open_dialog(opened)
    dialog.get_by_role("button", name="Change or delete").click()
    deletes, creates = Held(opened, "DELETE", API + "/*"), Held(opened, "POST", API)
    dialog.get_by_role("button", name="Delete link").click()
    opened.page.get_by_role("alertdialog").get_by_role("button", name="Delete", exact=True).click()
    dialog.get_by_role("button", name="Share", exact=True).click()
    until(opened.page, lambda: len(deletes) == len(creates) == 1)
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    creates.go()
    deletes.go()
    until(opened.page, lambda: {type for type, _ in opened.events} == {"close", "share-created", "share-deleted"})
    assert row_of(ui_service, alice, chat)["id"] != link["id"]


def test_what_is_refused_after_the_dialog_closed_is_told_to_the_page(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    link = ui_service.http(alice).share(chat)
    opened = share_page(alice, chat)
    opened.refused = True
    opened.page.evaluate(
        """document.querySelector("[data-dialog]").addEventListener("share-failed", ({ detail }) => {
            window.failed = { ids: detail.ids, type: detail.error.error_type }; })"""
    )
    dialog = open_dialog(opened)
    dialog.get_by_role("button", name="Change or delete").click()
    held = Held(opened, "PATCH", API + "/*")
    dialog.get_by_role("listitem").get_by_label("Ends").select_option("In 7 days")
    save(dialog.get_by_role("listitem"))
    until(opened.page, lambda: len(held) == 1)
    dialog.get_by_role("button", name="Close").click()
    assert ui_service.http(alice).delete(f"{API}/{link['id']}").status_code == 204
    held.go()
    until(opened.page, lambda: opened.page.evaluate("window.failed") == {"ids": [link["id"]], "type": "not_found"})


def test_a_link_that_is_made_while_the_list_loads_is_counted_once(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    ui_service.http(alice).share(chat, label="old")
    opened = share_page(alice, chat)
    held = []

    def answer_late(route):
        if route.request.method != "GET" or held:
            return route.fallback()
        # As it was before the link was made.
        held.append((route, route.fetch()))

    opened.page.route(ui_service.url + API + "?*", answer_late)
    dialog = open_dialog(opened)
    until(opened.page, lambda: held)
    shared(dialog)
    held[0][0].fulfill(response=held[0][1])
    expect(dialog.get_by_role("heading", name="Other links to this chat")).to_contain_text("1")
    dialog.get_by_role("button", name="Another link").click()
    expect(dialog.get_by_role("heading", name="Links to this chat")).to_contain_text("2")
    expect(dialog.get_by_role("listitem")).to_have_count(2)


def test_nothing_is_sent_until_it_is_saved(share_page, ui_service, chats, alice, bob):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    ui_service.http(alice).share(chat, is_private=True)
    opened = share_page(alice, chat, people={f"user:{bob.sub}": "Bob Miller"})
    dialog = open_dialog(opened)
    row = dialog.locator(".link")
    row.get_by_role("button", name="Change or delete").click()
    sent = []
    opened.page.on("request", lambda request: sent.append(request) if request.method == "PATCH" else None)
    expect(row.get_by_label("Everyone who is signed in")).to_be_checked()
    expect(save_button(row)).to_have_attribute("aria-disabled", "true")
    row.get_by_label("Only people and groups that you name").check()
    row.get_by_label("Ends").select_option("In 7 days")
    save(row)
    expect(row.get_by_text("Name at least one person or group, or pause the link.")).to_be_visible()
    box = row.get_by_role("combobox", name="People and groups")
    expect(box).to_be_focused()
    expect(row).to_contain_text("Everyone who is signed in · Snapshot")
    row.get_by_role("button", name="Undo").click()
    expect(row.get_by_label("Everyone who is signed in")).to_be_checked()
    expect(row.get_by_label("Ends")).to_have_value("never")
    expect(box).to_be_hidden()
    row.get_by_label("Only people and groups that you name").check()
    box.fill("bob")
    found(row, name="Bob Miller").click()
    save(row)
    expect(row).to_contain_text("Bob Miller · Snapshot")
    assert [json.loads(request.post_data) for request in sent] == [{"is_private": True, "audience": [f"user:{bob.sub}"]}]
    # The last one is taken out: that names no one, and is not sent.
    row.get_by_role("button", name="Remove Bob Miller").click()
    save(row)
    expect(row.get_by_text("Name at least one person or group, or pause the link.")).to_be_visible()
    row.get_by_label("Only you (paused)").check()
    save(row)
    expect(row).to_contain_text("Only you (paused) · Snapshot")
    expect_settings(ui_service, alice, chat, is_private=True, audience=[])
    assert len(sent) == 2


def test_that_those_who_are_named_are_forgotten_is_said_before_it_is_saved(share_page, ui_service, chats, alice, bob):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    ui_service.http(alice).share(chat, audience=[f"user:{bob.sub}"])
    opened = share_page(alice, chat, people={f"user:{bob.sub}": "Bob Miller"})
    dialog = open_dialog(opened)
    row = dialog.locator(".link")
    row.get_by_role("button", name="Change or delete").click()
    wider = row.get_by_label("Everyone who is signed in – Removes the people and groups that are named")
    wider.check()
    assert row_of(ui_service, alice, chat)["audience"] == [f"user:{bob.sub}"]
    save(row)
    expect_settings(ui_service, alice, chat, is_private=True, audience=None)


def test_a_stale_dialog_admits_those_whom_it_shows(share_page, ui_service, chats, alice, bob):  # noqa: F811
    chat, named, owner = chats.new_chat(alice.sub), [f"user:{bob.sub}"], ui_service.http(alice)
    link = owner.share(chat, audience=named)
    assert owner.patch(f"{API}/{link['id']}", json={"is_private": False}).status_code == 204
    dialog = open_dialog(share_page(alice, chat))
    row = dialog.locator(".link")
    row.get_by_role("button", name="Change or delete").click()
    # In another window.
    assert owner.patch(f"{API}/{link['id']}", json={"is_private": False, "audience": None}).status_code == 204
    row.get_by_label("Only 1 person or group that is named already").check()
    save(row)
    expect_settings(ui_service, alice, chat, is_private=True, audience=named)


def test_a_link_stays_in_the_list_when_its_chat_is_gone(share_page, ui_service, chats, alice):  # noqa: F811
    """A live link is widened only while the chat is its owner's to share, and that is a 404 too."""
    chat = chats.new_chat(alice.sub)
    ui_service.http(alice).share(chat, is_frozen=False, is_private=True)
    opened = share_page(alice, chat)
    opened.refused = True
    dialog = open_dialog(opened)
    chats.remove(chat)
    row = dialog.locator(".link")
    row.get_by_role("button", name="Change or delete").click()
    row.get_by_label("Anyone with the link").check()
    save(row)
    expect(row.get_by_role("alert")).to_contain_text("This chat does not exist any more")
    expect(row).to_contain_text("Everyone who is signed in · Live updates")


def test_while_the_policy_is_unknown_what_is_stored_is_said(share_page, own_service, own_chats, alice):
    """A link may be limited to a few or to many: who can see it is never understated."""
    chat = own_chats.new_chat(alice.sub)
    own_service.http(alice).share(chat)
    set_policy(own_service, widest_audience="signed_in")
    opened = share_page(alice, chat, service=own_service)
    opened.fails("GET", "/api/v1/policy", 503, "unavailable")
    dialog = open_dialog(opened)
    row = dialog.get_by_role("listitem")
    expect(row).to_contain_text("Limited by your organization: Anyone with the link can see")
    expect(row).not_to_contain_text("Only you")


def test_a_named_link_shows_a_count_where_people_cannot_be_named(share_page, ui_service, chats, alice, bob):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    ui_service.http(alice).share(chat, audience=[f"user:{bob.sub}", "group:finance"])
    opened = share_page(alice, chat)
    dialog = open_dialog(opened)
    expect(dialog.get_by_role("listitem")).to_contain_text("2 named people and groups · Snapshot")
    dialog.get_by_role("button", name="Change or delete").click()
    expect(dialog.get_by_role("combobox", name="People and groups")).to_have_count(0)
    expect(dialog.get_by_label("Only 2 people and groups that are named already")).to_be_checked()
    assert bob.sub not in dialog.inner_text()


def test_the_page_is_asked_for_the_management_dialog(share_page, chats, alice):
    opened = share_page(alice, chats.new_chat(alice.sub), attributes="manage")
    open_dialog(opened).get_by_role("button", name="Manage all shared chats").click()
    expect_events(opened, "close", "manage")
    expect_focus(opened, "opener")


# Refusals, in words


@pytest.mark.parametrize(
    ("status", "error_type", "headers", "words"),
    [
        (0, None, {}, "The service is out of reach. Check your connection and try again."),
        (400, "bad_request", {}, "The service did not accept this."),
        (403, "forbidden", {}, "You are not allowed to share this chat."),
        (403, "forbidden", {}, "words of the API"),
        (404, "not_found", {}, "This chat does not exist any more"),
        (409, "quota_exceeded", {}, "You have as many links or files as you may have."),
        (409, "idempotency_conflict", {}, "Press Share once more."),
        (422, "chat_is_empty", {}, "This chat has no messages to share yet."),
        (422, "chat_too_large", {}, "This chat is too long to be shared."),
        (422, "artifact_too_large", {}, "A file of this chat is too large to be shared."),
        (429, "rate_limited", {"Retry-After": "7"}, "Too many requests. Try again in 7 seconds."),
        (500, "internal_error", {}, "Something went wrong in the service."),
        (502, "chat_service_error", {}, "The chat could not be read just now, so nothing was changed."),
        (503, "unavailable", {"Retry-After": "1"}, "The service is not available just now. Nothing was changed."),
        (504, "chat_service_timeout", {}, "Reading the chat took too long"),
        (418, "invented_later", {}, "words of the API"),
    ],
)
def test_each_refusal_is_said_in_words(share_page, ui_service, chats, alice, status, error_type, headers, words):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    opened = share_page(alice, chat)
    dialog = open_dialog(opened)
    well_again = opened.fails("POST", API, status, error_type, headers=headers)
    dialog.get_by_role("button", name="Share", exact=True).click()
    alert = dialog.get_by_role("alert")
    expect(alert).to_contain_text(words)
    assert ("Request 0000-request" in alert.inner_text()) == (status >= 500)
    opened.assert_accessible()
    well_again()
    # What was chosen is still there, and the way out works.
    retry = alert.get_by_role("button", name="Try again")
    assert retry.count() == (status in (0, 429) or status >= 500)
    (retry if retry.count() else dialog.get_by_role("button", name="Share", exact=True)).click()
    assert address(dialog) == row_of(ui_service, alice, chat)["url"]
    expect(alert).to_be_empty()


def test_a_token_that_expires_while_the_dialog_is_open_is_asked_for_again(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    opened = share_page(alice, chat)
    opened.refused = True
    dialog = open_dialog(opened)
    opened.as_user(token(alice.sub, lasts=-60))
    dialog.get_by_role("button", name="Share", exact=True).click()
    alert = dialog.get_by_role("alert")
    expect(alert).to_contain_text("Your session has ended. Sign in again, then try again.")
    assert {"refresh": True} in opened.page.evaluate("tokens.calls")
    assert ui_service.http(alice).list(chat_session_id=chat.id) == []
    opened.as_user(alice)
    alert.get_by_role("button", name="Try again").click()
    assert address(dialog) == row_of(ui_service, alice, chat)["url"]


def test_a_page_without_a_token_is_told_to_sign_in(share_page, chats, alice):
    opened = share_page(alice, chats.new_chat(alice.sub))
    opened.refused = True
    opened.as_user(None)
    dialog = open_dialog(opened)
    expect(dialog.get_by_role("alert").first).to_contain_text("You are signed out. Sign in again, then try again.")
    opened.page.evaluate("() => { document.querySelector('[data-dialog]').token = async () => { throw new Error('offline'); }; }")
    dialog.get_by_role("button", name="Share", exact=True).click()
    # What the page says itself stands in small print.
    expect(dialog.get_by_role("alert").first).to_contain_text("offline")
    expect(dialog.get_by_role("alert").first).to_contain_text("You are signed out. Sign in again, then try again.")


def answer_never(opened, *functions):
    """What the page is asked for stays without an answer."""
    opened.page.evaluate(
        "(names) => names.forEach((name) => { document.querySelector('[data-dialog]')[name] = () => new Promise(() => {}); })",
        list(functions),
    )


def test_a_page_that_never_gives_a_token_is_not_waited_for_without_end(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    opened = share_page(alice, chat)
    opened.page.clock.install()
    dialog = open_dialog(opened)
    answer_never(opened, "token")
    dialog.get_by_role("button", name="Share", exact=True).click()
    expect(dialog.get_by_role("button", name="Sharing …")).to_be_visible()
    opened.page.clock.fast_forward(HOST_MS)
    alert = dialog.get_by_role("alert").first
    expect(alert).to_contain_text("This page took too long to say who you are. Try again, or reload the page.")
    opened.as_user(alice)
    alert.get_by_role("button", name="Try again").click()
    assert address(dialog) == row_of(ui_service, alice, chat)["url"]


def test_a_page_that_never_finds_or_describes_people_is_not_waited_for(share_page, ui_service, chats, alice, bob):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    ui_service.http(alice).share(chat, audience=[f"user:{bob.sub}"])
    opened = share_page(alice, chat)
    opened.page.clock.install()
    answer_never(opened, "findPeople", "describe")
    dialog = open_dialog(opened)
    expect(dialog.locator(".link")).to_contain_text("A person whose name is not known · Snapshot")
    dialog.get_by_role("radio", name="Named people and groups").check()
    dialog.get_by_role("combobox", name="People and groups").fill("bob")
    said = dialog.locator(".accesses").get_by_role("status")
    expect(said).to_have_text("Searching …")
    opened.page.clock.fast_forward(HOST_MS)
    expect(said).to_have_text("The search failed. Type on to search again.")
    until(opened.page, lambda: [words for words in opened.wrong if "The page did not answer" in words])
    opened.wrong.clear()
    opened.knows_people({f"user:{bob.sub}": "Bob Miller"})
    dialog.get_by_role("combobox", name="People and groups").fill("bo")
    expect(found(dialog, name="Bob Miller")).to_be_visible()


def test_more_links_than_were_asked_for_are_not_listed(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    link = ui_service.http(alice).share(chat)
    opened = share_page(alice, chat)
    opened.lists(API + "?*", link, 20_000)
    dialog = open_dialog(opened)
    expect(dialog.get_by_text("and 19,980 more")).to_be_visible()
    assert dialog.locator(".link").count() == 20


def test_copying_works_without_the_clipboard_of_the_browser(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    link = ui_service.http(alice).share(chat)
    opened = share_page(alice, chat)
    dialog = open_dialog(opened)
    opened.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    copy = dialog.get_by_role("button", name="Copy link")
    copy.click()
    expect(dialog.get_by_role("status").filter(has_text="Link copied")).to_be_visible()
    expect(copy).to_be_focused()
    dialog.get_by_label("Label").focus()
    opened.page.keyboard.press("Control+V")
    expect(dialog.get_by_label("Label")).to_have_value(link["url"])
    opened.page.evaluate("document.execCommand = () => false")
    copy.click()
    expect(dialog.get_by_role("alert").first).to_contain_text("The browser does not let this page copy.")


def test_a_503_while_it_loads_is_said_and_tried_again(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    ui_service.http(alice).share(chat, label="for the team")
    opened = share_page(alice, chat)
    well_again = opened.fails("GET", API + "?*", 503, "unavailable")
    dialog = open_dialog(opened)
    alert = dialog.get_by_role("alert").first
    expect(alert).to_contain_text("The service is not available just now.")
    well_again()
    alert.get_by_role("button", name="Try again").click()
    expect(dialog.get_by_role("listitem")).to_contain_text("for the team")


def test_the_chat_service_is_down(share_page, own_service, own_chats, alice):
    chat = own_chats.new_chat(alice.sub)
    opened = share_page(alice, chat, service=own_service)
    opened.refused = True
    dialog = open_dialog(opened)
    own_chats.stop()
    dialog.get_by_role("button", name="Share", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("The chat could not be read just now")
    own_chats.start()
    dialog.get_by_role("button", name="Try again").click()
    assert address(dialog) == row_of(own_service, alice, chat)["url"]


def test_a_chat_that_is_not_the_callers_and_one_that_is_gone(share_page, chats, alice, bob):
    for chat, words in [
        (chats.new_chat(bob.sub), "You are not allowed to share this chat."),
        (chats.new_chat(alice.sub), "This chat does not exist any more, so it cannot be shared."),
    ]:
        if chat.owner == alice.sub:
            chats.remove(chat)
        opened = share_page(alice, chat)
        opened.refused = True
        dialog = open_dialog(opened)
        dialog.get_by_role("button", name="Share", exact=True).click()
        expect(dialog.get_by_role("alert")).to_contain_text(words)


# The policy


def test_what_the_policy_forbids_is_disabled_with_the_reason(share_page, own_service, own_chats, alice, bob):
    chat = own_chats.new_chat(alice.sub)
    own_service.http(alice).share(chat, label="old and public")
    set_policy(own_service, widest_audience="signed_in", max_lifetime_seconds=86400 * 10, allows_artifacts=False)
    opened = share_page(alice, chat, service=own_service)
    dialog = open_dialog(opened)
    expect(dialog.get_by_role("radio", name="Anyone with the link")).to_be_disabled()
    expect(dialog.get_by_role("radio", name="Everyone who is signed in")).to_be_checked()
    expect(dialog.get_by_text("Your organization does not allow this.")).to_be_visible()
    files = dialog.get_by_role("switch", name="Include files")
    expect(files).to_have_attribute("aria-disabled", "true")
    files.click(force=True)
    expect(files).not_to_be_checked()
    expect(dialog.get_by_text("Your organization does not allow files in links.")).to_be_visible()
    ends = dialog.get_by_label("Ends")
    expect(ends.get_by_role("option", name="In 30 days (not allowed)")).to_be_disabled()
    expect(dialog.get_by_role("listitem")).to_contain_text("Limited by your organization: Everyone who is signed in and has the link can see")
    opened.assert_accessible()
    ends.select_option("On a date …")
    dialog.get_by_label("Date and time of the end").fill("2099-01-01T00:00")
    dialog.get_by_role("button", name="Share", exact=True).click()
    expect(dialog.get_by_text("Your organization lets links live until")).to_be_visible()
    ends.select_option("In 7 days")
    url = shared(dialog)
    assert (signed_in(url), signed_in(url, bob)) == (401, 200)
    # In a link that was there before, what it is can be kept; once it is narrower, it cannot be widened.
    row = dialog.get_by_role("listitem")
    row.get_by_role("button", name="Change or delete").click()
    expect(row.get_by_role("switch", name="Include files")).to_have_attribute("aria-disabled", "true")
    expect(row.get_by_label("Anyone with the link")).to_be_enabled()
    row.get_by_label("Everyone who is signed in").check()
    save(row)
    expect(row.get_by_label("Anyone with the link – not allowed by your organization")).to_be_disabled()
    opened.assert_accessible()


def test_a_policy_that_changed_meanwhile_refuses_and_then_is_shown(share_page, own_service, own_chats, alice):
    chat = own_chats.new_chat(alice.sub)
    opened = share_page(alice, chat, service=own_service)
    opened.refused = True
    dialog = open_dialog(opened)
    set_policy(own_service, widest_audience="signed_in")
    dialog.get_by_role("button", name="Share", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("Your organization does not allow this.")
    expect(dialog.get_by_role("alert")).to_contain_text("is_private")
    expect(dialog.get_by_role("radio", name="Anyone with the link")).to_be_disabled()
    expect(dialog.get_by_role("radio", name="Everyone who is signed in")).to_be_checked()
    assert own_service.http(alice).list(chat_session_id=chat.id) == []
    shared(dialog)
    assert row_of(own_service, alice, chat)["is_private"]


@pytest.mark.parametrize(("widest", "words"), [("named", "people cannot be named here"), ("owner", "has turned sharing off")])
def test_a_policy_under_which_nothing_can_be_shared_here(share_page, own_service, own_chats, alice, widest, words):
    chat = own_chats.new_chat(alice.sub)
    set_policy(own_service, widest_audience=widest)
    opened = share_page(alice, chat, service=own_service)
    dialog = open_dialog(opened)
    expect(dialog.get_by_text(words)).to_be_visible()
    button = dialog.get_by_role("button", name="Share", exact=True)
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)
    opened.assert_accessible()
    assert own_service.http(alice).list(chat_session_id=chat.id) == []


# How it looks, and to whom


@pytest.mark.parametrize(
    ("name", "options"),
    [("light", {}), ("dark", {"color_scheme": "dark"}), ("phone", {"viewport": PHONE}), ("phone-dark", {"viewport": PHONE, "color_scheme": "dark"})],
)
def test_axe_finds_nothing(share_page, ui_service, chats, alice, bob, name, options):  # noqa: F811
    chat = chats.new_chat(alice.sub, "Why is the quarterly report slow?")
    ui_service.http(alice).share(chat, label="for the team")
    people = {f"user:{bob.sub}": "Bob Miller", "group:finance": "Finance", "user:dana": "דנה לוי"}
    opened = share_page(alice, chat, people=people, **options)
    dialog = open_dialog(opened)
    opened.picture(f"share-{name}")
    opened.assert_accessible()
    dialog.get_by_role("radio", name="Named people and groups").check()
    for typed, option in [("bob", "Bob Miller"), ("נ", "דנה לוי")]:
        dialog.get_by_role("combobox", name="People and groups").fill(typed)
        found(dialog, name=option).click()
    dialog.get_by_role("combobox", name="People and groups").fill("f")
    opened.page.keyboard.press("ArrowDown")
    expect(found(dialog, name="Finance")).to_be_visible()
    opened.picture(f"share-{name}-people")
    opened.assert_accessible()
    opened.page.keyboard.press("Escape")
    shared(dialog)
    dialog.get_by_role("button", name="Change or delete").click()
    expect(dialog.get_by_role("img", name="QR code of the link")).to_be_visible()
    opened.picture(f"share-{name}-result")
    opened.assert_accessible()
    dialog.get_by_role("button", name="Delete link").click()
    opened.assert_accessible()
    assert not opened.is_wide()


def test_on_a_phone_it_fills_the_screen_and_all_can_be_touched(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    ui_service.http(alice).share(chat)
    dialog = open_dialog(share_page(alice, chat, viewport=PHONE))
    assert dialog.bounding_box() == {"x": 0, "y": 0, **PHONE}
    dialog.get_by_role("button", name="Change or delete").click()
    small = dialog.evaluate(
        """(dialog) => [...dialog.querySelectorAll("button, select, input, .switch, .radio")]
            .filter((e) => e.offsetParent && e.parentElement.className !== "radio" && Math.round(e.getBoundingClientRect().height) < 44).map((e) => e.outerHTML.slice(0, 200))"""
    )
    assert not small


def test_hostile_names_do_nothing_and_stay_inside(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub, HOSTILE_NAME)
    ui_service.http(alice).share(chat, label=HOSTILE_NAME[:200])
    people = {"user:mallory": HOSTILE_NAME, "group:rtl": "קבוצה " * 60}
    opened = share_page(alice, chat, people=people, viewport=PHONE)
    dialog = open_dialog(opened)
    dialog.get_by_role("radio", name="Named people and groups").check()
    for typed in ("wort", "קבוצה"):
        dialog.get_by_role("combobox", name="People and groups").fill(typed)
        found(dialog).click()
    opened.picture("share-hostile")
    opened.assert_accessible()
    shared(dialog)
    dialog.get_by_role("button", name="Change or delete").click()
    opened.picture("share-hostile-result")
    assert dialog.locator(".says").bounding_box()["height"] < 150, "a long name is cut short"
    assert not opened.is_wide()
    assert opened.page.evaluate(RAN) is None
    assert dialog.locator("script, b, iframe").count() == 0
    assert dialog.evaluate("(dialog) => dialog.scrollWidth <= innerWidth")


def test_it_speaks_german(share_page, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub, "Warum ist der Quartalsbericht langsam?")
    opened = share_page(alice, chat, attributes='lang="de-AT"', people={})
    dialog = open_dialog(opened)
    assert dialog.get_attribute("lang") == "de-AT"
    dialog.get_by_role("radio", name="Alle, die angemeldet sind").check()
    expect(dialog).to_contain_text("Alle Angemeldeten mit dem Link sehen den Chat, wie er jetzt ist, ohne Dateien, bis Sie den Link löschen.")
    opened.picture("share-german")
    dialog.get_by_role("button", name="Teilen", exact=True).click()
    expect(dialog.get_by_role("heading", name="Der Link ist fertig")).to_be_visible()
    opened.assert_accessible()


def test_german_is_complete(share_page, chats, alice):
    opened = share_page(alice, chats.new_chat(alice.sub), same_origin=True)
    texts = opened.page.evaluate("async () => [(await import('/ui/texts/en.js')).default, (await import('/ui/texts/de.js')).default]")

    def leaves(value, path=""):
        if isinstance(value, str):
            return {path: set(re.findall(r"\{(\w+)\}", value))}
        return {key: found for name, inner in value.items() for key, found in leaves(inner, f"{path}.{name}").items()}

    english, german = (leaves(language) for language in texts)
    assert english == german


@pytest.mark.parametrize(
    ("page_lang", "spoken", "title"),
    [
        ("en_US", "en-US", "Share chat"),
        ("de_AT", "de-AT", "Chat teilen"),
        ("constructor", "en", "Share chat"),
        ("a b", "en", "Share chat"),
        # The texts are English, and so are their plural forms and what a screen reader is told.
        ("fr", "en", "Share chat"),
        ("ja", "en", "Share chat"),
    ],
)
def test_a_page_in_any_language_gets_the_dialog(share_page, ui_service, chats, alice, page_lang, spoken, title):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    ui_service.http(alice).share(chat)
    opened = share_page(alice, chat)
    opened.page.evaluate("(lang) => { document.documentElement.lang = lang }", page_lang)
    dialog = open_dialog(opened)
    expect(dialog.get_by_role("heading", name=title)).to_be_visible()
    assert dialog.get_attribute("lang") == spoken
    expect(dialog.get_by_text(re.compile("^1 [Ll]ink$"))).to_be_visible()


def test_a_page_that_brings_the_texts_says_their_language(share_page, chats, alice):
    opened = share_page(alice, chats.new_chat(alice.sub), attributes='lang="fr"')
    opened.set(texts={"share.title": "Partager"})
    dialog = open_dialog(opened)
    expect(dialog.get_by_role("heading", name="Partager")).to_be_visible()
    assert dialog.get_attribute("lang") == "fr"


def test_the_close_event_does_not_bubble(share_page, chats, alice):
    """As that of a <dialog>: one around it does not take it for its own."""
    opened = share_page(alice, chats.new_chat(alice.sub))
    opened.page.evaluate("document.addEventListener('close', () => { window.bubbled = true })")
    dialog = open_dialog(opened)
    dialog.get_by_role("button", name="Close").click()
    expect_events(opened, "close")
    assert opened.page.evaluate("window.bubbled") is None


def test_texts_can_be_replaced(share_page, chats, alice):
    opened = share_page(alice, chats.new_chat(alice.sub))
    opened.set(texts={"share": {"title": "Weitersagen"}, "share.share": "Los"})
    dialog = open_dialog(opened)
    expect(dialog.get_by_role("heading", name="Weitersagen")).to_be_visible()
    expect(dialog.get_by_role("button", name="Los", exact=True)).to_be_visible()
    expect(dialog.get_by_text("Who can access this chat?")).to_be_visible()


def test_a_page_themes_it(share_page, chats, alice):
    opened = share_page(alice, chats.new_chat(alice.sub), same_origin=True)
    opened.page.eval_on_selector("share-chat-dialog", "(e) => e.style.setProperty('--shared-chats-accent', 'rgb(120, 20, 90)')")
    dialog = open_dialog(opened)
    button = dialog.get_by_role("button", name="Share", exact=True)
    assert button.evaluate("(button) => getComputedStyle(button).backgroundColor") == "rgb(120, 20, 90)"


def test_two_dialogs_in_one_page_do_not_meet(share_page, chats, alice):
    first, second = chats.new_chat(alice.sub, "First"), chats.new_chat(alice.sub, "Second")
    opened = share_page(alice, first, copies=2)
    opened.page.evaluate(
        "(id) => { const it = document.querySelectorAll('[data-dialog]')[1]; it.chatSessionId = id; it.chatName = 'Second'; }", second.id
    )
    open_dialog(opened)
    opened.page.evaluate("document.querySelectorAll('[data-dialog]')[1].show()")
    dialogs = [opened.page.locator("[data-dialog]").nth(at).get_by_role("dialog") for at in (0, 1)]
    expect(dialogs[1]).to_contain_text("Second")
    dialogs[1].get_by_role("radio", name="Everyone who is signed in").check()
    shared(dialogs[1])
    dialogs[1].get_by_role("button", name="Done").click()
    expect(dialogs[1]).to_be_hidden()
    expect(dialogs[0]).to_be_visible()
    assert dialogs[0].get_by_role("radio", name="Anyone with the link").is_checked()
    until(opened.page, lambda: opened.events)
    assert opened.events[0][1]["chat_session_id"] == second.id


def test_open_follows_the_attribute_and_what_is_removed_closes(share_page, chats, alice):
    opened = share_page(alice, chats.new_chat(alice.sub))
    evaluate = opened.page.evaluate
    evaluate("document.querySelector('[data-dialog]').setAttribute('open', '')")
    dialog = opened.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    evaluate("document.querySelector('[data-dialog]').removeAttribute('open')")
    expect(dialog).to_have_count(0)
    evaluate("{ const it = document.querySelector('[data-dialog]'); it.show(); it.remove(); window.removed = it; }")
    assert evaluate("removed.open") is False
    evaluate("document.body.append(removed)")
    expect(dialog).to_have_count(0)
    evaluate("removed.show()")
    expect(dialog).to_be_visible()


def test_a_dialog_is_shown_again_as_soon_as_it_was_closed(share_page, chats, alice):
    """A <dialog> tells that it was closed with the next frame, which may be long in coming."""
    opened = share_page(alice, chats.new_chat(alice.sub))
    opened.page.evaluate("{ const it = document.querySelector('[data-dialog]'); it.show(); it.close(); it.show(); }")
    expect(opened.page.get_by_role("dialog")).to_be_visible()
    opened.page.wait_for_timeout(300)
    expect(opened.page.get_by_role("dialog")).to_be_visible()
    expect_events(opened, "close")


def test_what_was_set_before_the_module_came_counts(share_page, host, ui_service, chats, alice):  # noqa: F811
    chat = chats.new_chat(alice.sub)
    opened = share_page(alice, chat)
    host.pages["/late.html"] = ("<!doctype html><title>Late</title><share-chat-dialog></share-chat-dialog>", host.pages["/host.html"][1])
    opened.page.goto(f"{host.origin}/late.html")
    opened.page.evaluate(
        """async ([id, token, module]) => {
            const it = document.querySelector("share-chat-dialog");
            Object.assign(it, { chatSessionId: id, chatName: "Set early", token: async () => token, open: true });
            await import(module);
        }""",
        [chat.id, alice.token(), f"{ui_service.url}/ui/share-chat-dialog.js"],
    )
    dialog = opened.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Set early")
    shared(dialog)
