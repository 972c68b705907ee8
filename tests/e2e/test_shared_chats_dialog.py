"""All links of a user in a dialog: Chromium, in pages as integrators write them."""

import pytest
from playwright.sync_api import expect

from dialogs import browser, dialog_page, host, ui_service  # noqa: F401
from many_links import many_links

DIALOG = "shared-chats-dialog"


def opened(page):
    page.page.click("#opener")
    expect(page.page.get_by_role("dialog", name="Shared chats")).to_be_visible()
    return page.page


def test_smoke(dialog_page, ui_service, chats, alice):
    many_links(ui_service, alice, chats, 120)
    host_page = dialog_page(DIALOG, f'api="{ui_service.url}" lang="en"', user=alice)
    page = opened(host_page)
    expect(page.get_by_text("Showing 1–50 of 120")).to_be_visible()
    page.get_by_role("button", name="Details").nth(1).click()
    page.wait_for_timeout(800)
    host_page.picture("smoke")
    host_page.assert_accessible()
