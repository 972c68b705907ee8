"""Debian's Chromium, for the files that import this fixture: `from browser import browser`."""

import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

PATIENCE_MS = 30_000
"""How long a page may take to do what is waited for. Where all is well it takes moments, but not on a loaded machine."""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser():
    """For one file alone: Playwright's loop would be in the way of tests that have one of their own."""
    # The shell takes half of the CPU.
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert chromium, "chromium is missing: install the Debian package chromium-headless-shell or chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
