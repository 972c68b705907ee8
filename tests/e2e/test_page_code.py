"""Code and formulas on the page: what a reader sees, and copies."""

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import expect

from browser import browser  # noqa: F401
from conftest import eventually, service_caller_token
from test_page import PHONE, tab  # noqa: F401  (fixtures)

CODE = "def mean(values):\n    \"\"\"Of a <sample>.\"\"\"\n\treturn sum(values) / len(values)  # «ø»\n"
# Without the last line break: pasted into a shell it would run the last line.
COPIED = CODE.removesuffix("\n")
ANSWER = f"""The mean is $\\bar{{x}} = \\frac{{1}}{{n}} \\sum_{{i=1}}^n x_i$:

```python
{CODE}```

$$\\int_0^\\infty e^{{-x^2}}\\,dx = \\frac{{\\sqrt{{\\pi}}}}{{2}}, \\quad f(x) = \\begin{{cases}} x & x > 0 \\\\ 0 & \\text{{otherwise}} \\end{{cases}}$$

It is $5 or $6, and \\(\\href{{https://elsewhere.example/}}{{x}}\\) is shown as source.

- שלום $a^2$

| a | b |
|---|---|
| $x_1$ | `code` |
"""
HOSTILE = [
    "$$" + "\\frac1" * 300 + "$$",
    "$\\text{<img src=x onerror='window.__ran = 1'>}$ $\\unicode{x3c}$",
    "```html\n</code></pre><script>window.__ran = 2</script>\n```",
    "```rust\"><script>window.__ran=3</script>\nlet x = 1;\n```",
    "$" + "x+" * 300 + "x$",
    "```js\n" + "const wide = 1; " * 100 + "\n```",
]


START = datetime(2026, 1, 2, 3, 4, 5)


def with_a_clock(opened):
    """Before the page is opened: its clock goes on as any other until it is stopped."""
    opened.page.clock.install(time=START)


def stop_the_clock(opened):
    """What the button says for two seconds stays until the clock is moved on."""
    opened.page.clock.pause_at(START + timedelta(hours=1))


def share(service, chats, alice, texts, **options):
    chat = chats.new_chat(alice.sub, "Code and formulas")
    for text in texts:
        chat.say(text)
    return chat, service.http(alice).share(chat, **options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_code_has_colours_and_formulas_are_typeset(service, chats, tab, alice, scheme):  # noqa: F811
    _, link = share(service, chats, alice, [ANSWER])
    opened = tab(service, color_scheme=scheme)
    assert opened.open(link["url"]).status == 200
    article = opened.page.locator("article").last
    expect(article.locator("math")).to_have_count(4)
    expect(article.locator("math[display=block] munderover, math[display=block] msubsup")).to_have_count(1)
    expect(article.locator("math mtable mtr")).to_have_count(2)
    expect(article.locator(".math")).to_have_text(["\\(\\href{https://elsewhere.example/}{x}\\)"])
    assert article.locator(".content a").count() == 0
    code = article.locator("pre code")
    assert code.text_content() == CODE
    colours = [code.locator(kind).first.evaluate("span => getComputedStyle(span).color") for kind in [".k", ".s", ".f", ".c"]]
    assert len(set(colours)) == 4, colours
    # A formula is drawn, not laid out as text.
    sizes = article.locator("mfrac").first.evaluate("f => [f.children[0], f.children[1]].map(c => c.getBoundingClientRect().top)")
    assert sizes[0] < sizes[1]


def test_the_button_copies_the_code_as_it_is(service, chats, tab, alice):  # noqa: F811
    _, link = share(service, chats, alice, [ANSWER])
    opened = tab(service, permissions=["clipboard-read", "clipboard-write"])
    with_a_clock(opened)
    opened.open(link["url"])
    button = opened.page.locator(".copy")
    expect(button).to_have_count(1)
    stop_the_clock(opened)
    button.click()
    expect(button).to_have_text("Copied")
    expect(button).to_have_accessible_name("Copied")
    assert opened.page.evaluate("navigator.clipboard.readText()") == COPIED
    opened.page.clock.run_for(1_900)
    expect(button).to_have_text("Copied")
    opened.page.clock.run_for(200)
    expect(button).to_have_text("Copy")
    expect(button).to_have_accessible_name("Copy code")
    # By keyboard.
    opened.page.evaluate("navigator.clipboard.writeText('')")
    button.focus()
    opened.page.keyboard.press("Enter")
    eventually(lambda: opened.page.evaluate("navigator.clipboard.readText()") == COPIED, 30, "it is copied")


def test_without_the_clipboard_the_code_is_copied_by_selection(service, chats, tab, alice):  # noqa: F811
    _, link = share(service, chats, alice, [ANSWER])
    opened = tab(service)
    opened.page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    opened.page.add_init_script("window.__copied = null; addEventListener('copy', () => window.__copied = document.activeElement.value)")
    with_a_clock(opened)
    opened.open(link["url"])
    button = opened.page.locator(".copy")
    expect(button).to_have_count(1)
    stop_the_clock(opened)
    button.click()
    expect(button).not_to_have_text("Copy")
    assert opened.page.evaluate("window.__copied") == COPIED
    expect(button).to_be_focused()


def test_without_script_there_is_no_button_and_all_is_readable(service, chats, tab, alice):  # noqa: F811
    _, link = share(service, chats, alice, [ANSWER])
    opened = tab(service, java_script_enabled=False)
    opened.open(link["url"])
    expect(opened.page.locator("pre code")).to_have_text(CODE)
    expect(opened.page.locator("button")).to_have_count(0)
    expect(opened.page.locator("math")).to_have_count(4)


def test_code_that_arrives_has_a_button_too(service, chats, tab, alice):  # noqa: F811
    chat, link = share(service, chats, alice, ["$x$"], is_frozen=False)
    opened = tab(service)
    with_a_clock(opened)
    opened.open(link["url"])
    expect(opened.page.locator("math")).to_have_count(1)
    chat.say(ANSWER)
    assert service.http(service_caller_token()).post(f"/api/v1/chats/{chat.id}/changes").status_code == 202
    button = opened.page.locator(".copy")
    expect(button).to_have_count(1)
    stop_the_clock(opened)
    opened.page.evaluate("document.execCommand = () => true")
    button.click()
    expect(button).not_to_have_text("Copy")


def test_hostile_code_and_formulas_harm_nothing(service, chats, tab, alice):  # noqa: F811
    _, link = share(service, chats, alice, HOSTILE)
    opened = tab(service, viewport=PHONE)
    opened.open(link["url"])
    expect(opened.page.locator("article")).to_have_count(len(HOSTILE) + 2)
    assert opened.page.evaluate("window.__ran") is None
    assert not opened.is_wide()
